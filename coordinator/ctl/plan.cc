// plan: what apply would do now, and how many keys would go to another shard by it.
#include "coordinator/ctl/command.h"
#include "coordinator/ctl/round.h"
#include "coordinator/ctl/share_text.h"
#include "coordinator/ctl/world.h"

namespace warren::ctl {
namespace {

nlohmann::json OrNull(const std::string& text) { return text.empty() ? nlohmann::json() : nlohmann::json(text); }

/// People read the shares of a stream below the table; programs get them in every row of the stream.
Table ActionTable(const Plan& plan, bool with_shares) {
  Table table{{"vhost", "exchange", "action", "queue", "node", "routing_key"}, {}};
  if (with_shares) table.columns.insert(table.columns.end(), {"moved_keys_least", "moved_keys_most"});
  for (const StreamPlan& stream : plan.streams) {
    for (const Action& action : stream.actions) {
      table.rows.push_back({action.vhost, action.exchange, Name(action.kind), OrNull(action.queue), OrNull(action.node),
                            OrNull(action.routing_key)});
      if (!with_shares) continue;
      const auto& moved = stream.moved_keys;
      table.rows.back().push_back(moved ? nlohmann::json(moved->least) : nlohmann::json());
      table.rows.back().push_back(moved ? nlohmann::json(moved->most) : nlohmann::json());
    }
  }
  return table;
}

void SayShares(const Context& context, const Plan& plan) {
  for (const StreamPlan& stream : plan.streams) {
    if (stream.actions.empty() || !stream.moved_keys) continue;
    context.Say("Of " + Describe(stream) + ", " + ShareText(*stream.moved_keys) +
                " of the keys will go to another shard.");
  }
}

void SayDrains(const Context& context, const Plan& plan) {
  for (const StreamPlan& stream : plan.streams) {
    const DrainCount drains = CountDrains(stream);
    if (drains.shards > 0) context.Say("Of " + Describe(stream) + ", " + drains.ToString() + ".");
  }
}

}  // namespace

Result<int> ShowPlan(const Context& context) {
  auto world = Look(context, LocalUsers::kOwnOnly);
  if (!world) return tl::unexpected(world.error());
  const Table table = ActionTable(world->plan, context.format != Format::kTable);
  WarnOfConditions(context, world->plan);
  if (table.rows.empty() && context.format == Format::kTable) {
    context.Say("Nothing to do.");
    SayDrains(context, world->plan);
    return 0;
  }
  context.Print(table);
  SayShares(context, world->plan);
  SayDrains(context, world->plan);
  context.Say(Actions(table.rows.size()) + "; 'warrenctl apply' does them.");
  return 0;
}

}  // namespace warren::ctl
