// ParseList: a JSON list, one parser call for each element. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "shardmgr/broker/management/field_reader.h"

namespace warren::management {

/// Applies `parse(FieldReader&) -> T` to each element of the list `name`; the first reader that is left with an
/// error ends it.
template <class T, class Parse>
Result<std::vector<T>> ParseList(const nlohmann::json& document, std::string_view name, Parse parse) {
  if (!document.is_array()) {
    return Fail(ErrorCode::kProtocol,
                "the answer should be a list of " + std::string(name) + ", and is of type " + document.type_name());
  }
  std::vector<T> values;
  values.reserve(document.size());
  for (std::size_t index = 0; index < document.size(); ++index) {
    FieldReader reader(document[index], ElementName(name, index));
    T value = parse(reader);
    if (reader.error()) return tl::unexpected(*reader.error());
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace warren::management
