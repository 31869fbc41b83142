// Observing and planning for one run of warrenctl.
#include "coordinator/ctl/world.h"

#include "coordinator/ctl/user_parameters.h"

namespace warren::ctl {
namespace {

/// Every local-username that a definition or a default names.
std::vector<std::string> LocalUsernames(const std::vector<Parameter>& parameters) {
  std::vector<std::string> users;
  for (const Parameter& parameter : parameters) {
    const nlohmann::json* value = &parameter.value;
    if (value->is_object() && value->contains("local-username")) value = &value->at("local-username");
    if (value->is_string()) users.push_back(value->get<std::string>());
  }
  return users;
}

std::string Count(std::uint64_t count, std::string_view one) {
  return std::to_string(count) + " " + std::string(one) + (count == 1 ? "" : "s");
}

}  // namespace

const StreamPlan* World::Find(std::string_view vhost, std::string_view exchange) const {
  for (const StreamPlan& stream : plan.streams) {
    if (stream.vhost == vhost && stream.exchange == exchange) return &stream;
  }
  return nullptr;
}

Result<World> Observer::Look(const std::vector<StreamName>& remove) {
  const auto access =
      context_.has_policies_dir ? management::ParameterAccess::kOptional : management::ParameterAccess::kRequired;
  auto topology = context_.client->Observe(access);
  if (!topology) return tl::unexpected(topology.error());
  if (context_.vhost_given) {
    if (auto known = CheckVhost(context_, topology->vhosts); !known) return tl::unexpected(known.error());
  }
  topology->parameters = Merge(std::move(topology->parameters), context_.file_parameters);
  history_.Observe(*topology);

  PlanLimits limits;
  limits.own_username = context_.user;
  limits.never_delete = context_.never_delete;
  limits.statistics_interval_ms = context_.statistics_interval_ms;
  limits.remove = remove;
  if (users_ == LocalUsers::kAllOfThem) limits.known_users = LocalUsernames(topology->parameters);
  World world{std::move(*topology), {}, {}};
  world.catalog = policies::Catalog::Build(world.topology.parameters);
  world.plan = MakePlan(world.catalog, world.topology, limits, history_);
  if (context_.vhost_given) {
    std::erase_if(world.plan.streams, [&](const StreamPlan& stream) { return stream.vhost != context_.vhost; });
  }
  return world;
}

Result<World> Look(const Context& context, LocalUsers users) { return Observer(context, users).Look(); }

Result<void> CheckVhost(const Context& context, const std::vector<std::string>& vhosts) {
  if (std::find(vhosts.begin(), vhosts.end(), context.vhost) != vhosts.end()) return {};
  std::string known;
  for (const std::string& vhost : vhosts) known += (known.empty() ? "'" : ", '") + vhost + "'";
  return Fail(ErrorCode::kNotFound,
              "there is no such virtual host, or user '" + context.user + "' has no permission in it; there are " +
                  (known.empty() ? "none" : known) + ". Create it (rabbitmqctl add_vhost) or name another with --vhost",
              "virtual host '" + context.vhost + "'");
}

Result<void> CheckVhost(const Context& context) {
  auto vhosts = context.client->ListVhosts();
  if (!vhosts) return tl::unexpected(vhosts.error());
  return CheckVhost(context, *vhosts);
}

Result<void> CheckGivenVhost(const Context& context) {
  if (!context.vhost_given) return {};
  return CheckVhost(context);
}

void WarnOfConditions(const Context& context, const Plan& plan) {
  for (const Condition& problem : plan.problems) context.Warn(problem.message);
  for (const StreamPlan& stream : plan.streams) {
    for (const Condition& condition : stream.conditions) {
      if (condition.type != ConditionType::kDegraded) continue;
      context.Warn(Describe(stream) + ": " + condition.message + " (" + condition.reason + ")");
    }
  }
}

std::string Describe(const StreamPlan& stream) {
  return "exchange '" + stream.exchange + "' of virtual host '" + stream.vhost + "'";
}

void DrainCount::Add(const Shard& shard) {
  ++shards;
  if (!shard.ready || !shard.unacked || !shard.consumers) ++uncounted;
  ready += shard.ready.value_or(0);
  unacked += shard.unacked.value_or(0);
  consumers += shard.consumers.value_or(0);
}

std::string DrainCount::ToString() const {
  return Count(shards, "shard") + (shards == 1 ? " drains: " : " drain: ") + Count(ready, "message") + " ready, " +
         std::to_string(unacked) + " unacknowledged, " + Count(consumers, "consumer") +
         (uncounted == 0 ? "" : ", " + std::to_string(uncounted) + " not counted yet");
}

DrainCount CountDrains(const StreamPlan& stream) {
  DrainCount count;
  for (const Shard& shard : stream.shards) {
    if (shard.state == ShardState::kDraining) count.Add(shard);
  }
  return count;
}

}  // namespace warren::ctl
