// Reading and merging parameters.
#include "coordinator/ctl/user_parameters.h"

#include "coordinator/sources.h"

namespace warren::ctl {

std::vector<Parameter> Merge(std::vector<Parameter> broker, const std::vector<Parameter>& files) {
  coordinator::Sources sources;
  sources.parameters = std::move(broker);
  for (const Parameter& parameter : files) sources.Put(parameter);
  return sources.parameters;
}

Result<std::vector<Parameter>> UserParameters(const Context& context) {
  auto broker = context.client->ListGlobalParameters();
  if (broker) return Merge(std::move(*broker), context.file_parameters);
  if (context.has_policies_dir && broker.error().code == ErrorCode::kForbidden) return context.file_parameters;
  return broker;
}

Result<std::vector<Parameter>> ReadPoliciesDirectory(const std::string& directory) {
  coordinator::Sources sources = coordinator::FileSources(directory).Gather({});
  if (!sources.problems.empty()) return tl::unexpected(sources.problems.front());
  return std::move(sources.parameters);
}

}  // namespace warren::ctl
