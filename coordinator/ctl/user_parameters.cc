// Reading and merging parameters.
#include "coordinator/ctl/user_parameters.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "policies/file.h"

namespace warren::ctl {
namespace {

Result<std::string> ReadBounded(const std::filesystem::path& path) {
  std::error_code failed;
  const auto size = std::filesystem::file_size(path, failed);
  if (failed) return Fail(ErrorCode::kConfiguration, "the file cannot be read: " + failed.message(), path.string());
  if (size > policies::kMaxPoliciesFileBytes) {
    return Fail(ErrorCode::kInvalid,
                "a policies file may have at most " + std::to_string(policies::kMaxPoliciesFileBytes) + " bytes",
                path.string());
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Fail(ErrorCode::kConfiguration, "the file cannot be read", path.string());
  return text.str();
}

}  // namespace

std::vector<Parameter> Merge(std::vector<Parameter> broker, const std::vector<Parameter>& files) {
  std::map<std::string, Parameter> by_name;
  for (Parameter& parameter : broker) by_name[parameter.name] = std::move(parameter);
  for (const Parameter& parameter : files) by_name[parameter.name] = parameter;
  std::vector<Parameter> merged;
  for (auto& [name, parameter] : by_name) merged.push_back(std::move(parameter));
  return merged;
}

Result<std::vector<Parameter>> UserParameters(const Context& context) {
  auto broker = context.client->ListGlobalParameters();
  if (broker) return Merge(std::move(*broker), context.file_parameters);
  if (context.has_policies_dir && broker.error().code == ErrorCode::kForbidden) return context.file_parameters;
  return broker;
}

Result<std::vector<Parameter>> ReadPoliciesDirectory(const std::string& directory) {
  std::error_code failed;
  std::vector<std::filesystem::path> paths;
  for (std::filesystem::directory_iterator entry(directory, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (entry->path().extension() == ".json") paths.push_back(entry->path());
  }
  if (failed) {
    return Fail(ErrorCode::kConfiguration, "the directory of --policies-dir cannot be read: " + failed.message(),
                directory);
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Parameter> all;
  for (const auto& path : paths) {
    auto text = ReadBounded(path);
    if (!text) return tl::unexpected(text.error());
    auto parameters = policies::ParsePoliciesFile(*text, path.string());
    if (!parameters) return tl::unexpected(parameters.error());
    all = Merge(std::move(all), *parameters);
  }
  return all;
}

}  // namespace warren::ctl
