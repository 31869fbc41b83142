// See query.h.
#include "coordinator/api/query.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "policies/names.h"

namespace warren::coordinator {
namespace {

/// As HTML forms and their imitators encode: '+' is a space.
Result<std::string> Decode(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return policies::PercentDecode(spaced);
}

std::optional<std::size_t> Number(std::string_view text) {
  std::size_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size() || number > Query::kMostEntries) return std::nullopt;
  return number;
}

tl::unexpected<Error> Wrong(std::string what) { return Fail(ErrorCode::kUsage, std::move(what), "query"); }

std::string List(const std::vector<std::string_view>& known) {
  std::string list;
  for (const std::string_view key : known) list += (list.empty() ? "" : ", ") + std::string(key);
  return list.empty() ? "none" : list;
}

}  // namespace

Result<Query> Query::Parse(std::string_view text, const std::vector<std::string_view>& known) {
  Query query;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto equals = pair.find('=');
    const auto key = Decode(pair.substr(0, equals));
    const auto value = Decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
    if (!key || !value) return Wrong("has a '%' that is not followed by two hexadecimal digits");
    if (std::find(known.begin(), known.end(), *key) == known.end())
      return Wrong("'" + *key + "' is no parameter here; there are: " + List(known));
    if (equals == std::string_view::npos)
      return Wrong("'" + *key + "' has no value; it is given as " + *key + "=VALUE");
    if (!query.values_.emplace(*key, *value).second) return Wrong("'" + *key + "' is given twice");
  }
  for (const auto& [key, place] : {std::pair("limit", &query.limit_), std::pair("offset", &query.offset_)}) {
    const auto given = query.values_.find(std::string_view(key));
    if (given == query.values_.end()) continue;
    const auto number = Number(given->second);
    if (!number) return Wrong(std::string(key) + " is an integer from 0 to " + std::to_string(kMostEntries));
    *place = *number;
  }
  return query;
}

bool Query::Takes(std::string_view key, std::string_view value) const {
  const auto given = values_.find(key);
  return given == values_.end() || given->second == value;
}

}  // namespace warren::coordinator
