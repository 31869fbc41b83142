// status: the conditions of every stream and the drains, once or again and again.
#include <ostream>

#include "coordinator/ctl/command.h"
#include "coordinator/ctl/coordinator_client.h"
#include "coordinator/ctl/interrupt.h"
#include "coordinator/ctl/status_view.h"
#include "coordinator/ctl/world.h"
#include "coordinator/lease_queue.h"

namespace warren::ctl {
namespace {

constexpr std::string_view kHomeAndClear = "\x1b[H\x1b[2J";

/// Whether the coordinator hears of changes, or polls, and why.
std::string HowItLooks(const nlohmann::json& observation) {
  const std::string how = observation.value("source", "");
  if (how.empty()) return {};
  const auto reason = observation.find("source_reason");
  const bool has_reason = reason != observation.end() && reason->is_string();
  return ", by " + how + (has_reason ? " (" + reason->get<std::string>() + ")" : "");
}

/// What the coordinator itself does about what it sees.
std::string WhetherItLeads(const nlohmann::json& observation) {
  const std::string role = observation.value("role", "");
  if (role.empty()) return {};
  const auto reason = observation.find("role_reason");
  const bool has_reason = reason != observation.end() && reason->is_string();
  return " (" + role + (has_reason ? ": " + reason->get<std::string>() : "") + ")";
}

class Source {
 public:
  explicit Source(const Context& context) : context_(context), observer_(context, LocalUsers::kAllOfThem) {}

  /// What is to be shown, of the streams that were asked for.
  Result<StatusView> Look() {
    auto view = context_.coordinator_given ? Ask() : See();
    if (view) view->Keep(context_.vhost_given ? context_.vhost : "", Wanted());
    return view;
  }

  std::string Wanted() const { return context_.arguments.empty() ? std::string() : context_.arguments[0]; }

 private:
  Result<StatusView> See() {
    auto world = observer_.Look();
    if (!world) return tl::unexpected(world.error());
    StatusView view = book_.View(world->plan);
    view.source = "this run of warrenctl";
    if (const auto lease = coordinator::FindLease(world->topology); lease && lease->exclusive)
      view.leader = lease->holder;
    return view;
  }

  Result<StatusView> Ask() {
    auto document = AskCoordinator(context_, "/api/v1/streams");
    if (!document) return tl::unexpected(document.error());
    StatusView view;
    view.source = "coordinator " + context_.coordinator;
    try {
      view.streams = document->at("streams");
      view.problems = document->value("problems", nlohmann::json::array());
      const nlohmann::json& observation = document->at("observation");
      if (const auto& at = observation.at("observed_at"); at.is_string()) view.observed_at = at;
      view.source += WhetherItLeads(observation) + HowItLooks(observation);
      if (const auto leader = observation.find("leader"); leader != observation.end() && leader->is_string())
        view.leader = *leader;
      if (const auto& error = observation.at("error"); !error.is_null()) view.trouble = error.at("message");
    } catch (const nlohmann::json::exception& failure) {
      return Fail(ErrorCode::kProtocol, std::string("its answer is not that of a coordinator: ") + failure.what(),
                  view.source);
    }
    return view;
  }

  const Context& context_;
  Observer observer_;
  SinceBook book_;
};

/// Programs that read rows of conditions may not look at what all of them lack.
void WarnOfAll(const Context& context, const StatusView& view) {
  if (!view.trouble.empty()) context.Warn("this is old: " + view.trouble);
  for (const nlohmann::json& problem : view.problems) {
    const auto message = problem.find("message");
    if (message != problem.end() && message->is_string()) context.Warn(message->get<std::string>());
  }
}

void Show(const Context& context, const StatusView& view) {
  if (context.format != Format::kTable) WarnOfAll(context, view);
  if (context.format == Format::kTable) {
    if (context.watch && context.terminal) *context.out << kHomeAndClear;
    *context.out << StatusText(view);
    if (context.watch && !context.terminal) *context.out << "\n";
  } else if (context.format == Format::kCsv) {
    context.Print(StatusTable(view));
  } else {
    // One line a look when watched, so that programs can tell them apart.
    *context.out << StatusJson(view).dump(context.watch ? -1 : 2, ' ', false, nlohmann::json::error_handler_t::replace)
                 << "\n";
  }
  context.out->flush();
}

}  // namespace

Result<int> ShowStatus(const Context& context) {
  if (context.watch) NoteInterrupts();
  Source source(context);
  auto view = source.Look();
  if (!view) return tl::unexpected(view.error());
  if (!source.Wanted().empty() && view->streams.empty() && !context.watch) {
    return Fail(
        ErrorCode::kNotFound,
        "it is no stream: no policy matches an exchange of that name; 'warrenctl list_streams' shows those that "
        "are",
        "exchange '" + source.Wanted() + "'");
  }
  Show(context, *view);
  while (context.watch && !WaitOrInterrupted(context.interval) && *context.out) {
    auto next = source.Look();
    if (next) {
      view = std::move(next);
    } else {
      view->trouble = next.error().ToString();
    }
    Show(context, *view);
  }
  return 0;
}

}  // namespace warren::ctl
