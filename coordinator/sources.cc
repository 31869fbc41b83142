// See sources.h.
#include "coordinator/sources.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "policies/file.h"

namespace warren::coordinator {
namespace {

namespace fs = std::filesystem;

Result<std::vector<fs::path>> ListFiles(const std::string& directory) {
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  if (error) {
    return Fail(ErrorCode::kConfiguration,
                "cannot be read (" + error.message() + "); --policies-dir names a folder of *.json files", directory);
  }
  std::vector<fs::path> files;
  for (; entries != fs::directory_iterator(); entries.increment(error)) {
    if (error) break;
    std::error_code unreadable;
    if (entries->path().extension() != ".json") continue;
    // One that cannot be looked at is read all the same, so that the reason is told.
    if (entries->is_regular_file(unreadable) || unreadable) files.push_back(entries->path());
  }
  if (error) return Fail(ErrorCode::kConfiguration, "cannot be read (" + error.message() + ")", directory);
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::vector<Parameter>> ReadPolicies(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Fail(ErrorCode::kConfiguration, "cannot be opened", path.string());
  std::string text(policies::kMaxPoliciesFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return Fail(ErrorCode::kConfiguration, "cannot be read", path.string());
  text.resize(static_cast<std::size_t>(file.gcount()));
  return policies::ParsePoliciesFile(text, path.string());
}

}  // namespace

void Sources::Put(Parameter parameter) {
  for (Parameter& existing : parameters) {
    if (existing.name != parameter.name) continue;
    notices.push_back("'" + parameter.name + "' of " + parameter.source + " overrides that of " + existing.source);
    existing = std::move(parameter);
    return;
  }
  parameters.push_back(std::move(parameter));
}

Sources FileSources::Gather(const std::vector<Parameter>& global_parameters) {
  Sources sources;
  sources.parameters = global_parameters;
  if (directory_.empty()) return sources;
  const auto files = ListFiles(directory_);
  std::map<std::string, std::vector<Parameter>> good;
  if (!files) {
    sources.problems.push_back(files.error());
    sources.complete = !last_good_.empty();
    good = last_good_;
  } else {
    for (const fs::path& file : *files) {
      const std::string path = file.string();
      if (auto parameters = ReadPolicies(file)) {
        good.emplace(path, *std::move(parameters));
        continue;
      } else {
        sources.problems.push_back(parameters.error());
      }
      const auto before = last_good_.find(path);
      sources.complete = sources.complete && before != last_good_.end();
      if (before != last_good_.end()) good.insert(*before);
    }
  }
  for (const auto& [path, parameters] : good) {
    for (const Parameter& parameter : parameters) sources.Put(parameter);
  }
  last_good_ = std::move(good);
  return sources;
}

}  // namespace warren::coordinator
