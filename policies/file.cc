// One object, names to values; unlike in the broker, a name that is not ours is a mistake here.
#include "policies/file.h"

#include <fmt/format.h>

#include "policies/json.h"
#include "policies/names.h"

namespace warren::policies {

Result<std::vector<Parameter>> ParsePoliciesFile(std::string_view text, std::string source) {
  if (text.size() > kMaxPoliciesFileBytes) {
    return Fail(ErrorCode::kInvalid,
                fmt::format("the file has {} bytes; a policies file has at most "
                            "{}",
                            text.size(), kMaxPoliciesFileBytes),
                source);
  }
  const auto document = ParseJson(text, source);
  if (!document) return tl::unexpected(document.error());
  if (!document->is_object()) {
    return Fail(ErrorCode::kInvalid,
                fmt::format("the file holds {}; a policies file is one JSON object that maps parameter names to "
                            "values, as "
                            "in {{\"stream-definition.my_stream\": {{\"shards-per-node\": 2}}}}",
                            JsonForMessage(*document, 40)),
                source);
  }
  std::vector<Parameter> parameters;
  for (const auto& [name, value] : document->items()) {
    if (auto parsed = ParseParameterName(name); !parsed) return tl::unexpected(parsed.error().Within(source));
    parameters.push_back({name, value, source});
  }
  return parameters;
}

}  // namespace warren::policies
