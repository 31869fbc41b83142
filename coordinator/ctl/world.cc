// Observing and planning for one run of warrenctl.
#include "coordinator/ctl/world.h"

#include "coordinator/ctl/user_parameters.h"
#include "policies/catalog.h"

namespace warren::ctl {

Result<World> Look(const Context& context) {
  const auto access =
      context.has_policies_dir ? management::ParameterAccess::kOptional : management::ParameterAccess::kRequired;
  auto topology = context.client->Observe(access);
  if (!topology) return tl::unexpected(topology.error());
  topology->parameters = Merge(std::move(topology->parameters), context.file_parameters);
  const auto catalog = policies::Catalog::Build(topology->parameters);
  PlanLimits limits;
  limits.own_username = context.user;
  World world{std::move(*topology), {}};
  world.plan = MakePlan(catalog, world.topology, limits);
  if (context.vhost_given) {
    std::erase_if(world.plan.streams, [&](const StreamPlan& stream) { return stream.vhost != context.vhost; });
  }
  return world;
}

void WarnOfConditions(const Context& context, const Plan& plan) {
  for (const Condition& problem : plan.problems) context.Warn(problem.message);
  for (const StreamPlan& stream : plan.streams) {
    for (const Condition& condition : stream.conditions) {
      if (condition.type != ConditionType::kDegraded) continue;
      context.Warn("exchange '" + stream.exchange + "' of virtual host '" + stream.vhost + "': " + condition.message +
                   " (" + condition.reason + ")");
    }
  }
}

}  // namespace warren::ctl
