// FieldReader: typed reading of one JSON object, remembering the first thing that was wrong. Pure.
//
// Lets a parser read all its fields in a row and look for trouble once at the end. Unknown fields
// are of no interest; optional ones that are absent, or of another type, count as not reported.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "policies/error.h"

namespace warren::management {

/// "queues[3]", for messages.
std::string ElementName(std::string_view list, std::size_t index);

class FieldReader {
 public:
  /// `where` names the object in messages: "queues[3]". The object must outlive the reader.
  FieldReader(const nlohmann::json& object, std::string where);

  std::string NeedString(std::string_view name);
  bool NeedBool(std::string_view name);
  std::uint64_t NeedCount(std::string_view name, std::uint64_t max);

  std::string StringOr(std::string_view name, std::string otherwise = {}) const;
  bool BoolOr(std::string_view name, bool otherwise) const;
  std::optional<bool> OptionalBool(std::string_view name) const;
  std::optional<std::uint64_t> OptionalCount(std::string_view name) const;
  /// An object; the empty list is how some brokers write an empty one.
  nlohmann::json ObjectOr(std::string_view name) const;
  /// The value there, or nothing.
  const nlohmann::json* Find(std::string_view name) const;

  const std::string& where() const { return where_; }
  /// The first needed field that was missing or of the wrong type (kProtocol).
  const std::optional<Error>& error() const { return error_; }

 private:
  const nlohmann::json* Need(std::string_view name);
  void Complain(std::string_view name, std::string_view wanted, const nlohmann::json& found);

  const nlohmann::json& object_;
  std::string where_;
  std::optional<Error> error_;
};

}  // namespace warren::management
