// AMQP field tables (AMQP 0-9-1 section 4.2.5.5) as owned values, for arguments and for headers
// that are not on a hot path; and safe look-ups in tables that came from strangers.
#pragma once

#include <amqp.h>

#include <cstdint>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace warren::amqp {

/// An owned field table, built up key by key and seen by rabbitmq-c through view().
/// Movable and copyable; not safe for use from two threads at once.
class Table {
 public:
  Table() = default;

  Table& Set(const std::string& key, std::string value);  ///< Long string 'S'.
  Table& Set(const std::string& key, const char* value) { return Set(key, std::string(value)); }
  Table& Set(const std::string& key, std::string_view value) { return Set(key, std::string(value)); }
  Table& Set(const std::string& key, std::int64_t value);  ///< 'l'
  Table& Set(const std::string& key, int value) { return Set(key, std::int64_t{value}); }
  Table& Set(const std::string& key, double value);                     ///< 'd'
  Table& Set(const std::string& key, bool value);                       ///< 't'
  Table& Set(const std::string& key, const Table& value);               ///< 'F'
  Table& Set(const std::string& key, std::vector<std::string> values);  ///< Array 'A' of long strings.

  /// A JSON object as a table: strings 'S', booleans 't', integers 'l', doubles 'd', objects 'F',
  /// arrays 'A', null 'V'. Anything but an object gives an empty table.
  static Table FromJson(nlohmann::json object);
  /// The same with integers as 'I' (32 bits) where they fit, as some client libraries write them: for naming a binding
  /// that is there, whose arguments have to be the same to the type.
  static Table FromJsonNarrow(nlohmann::json object);

  bool empty() const { return fields_.empty(); }

  /// A view for rabbitmq-c, valid until the next view() or change of this table, or its end.
  amqp_table_t view() const;

 private:
  amqp_table_t ViewObject(const nlohmann::json& object) const;
  amqp_field_value_t ViewValue(const nlohmann::json& value) const;

  nlohmann::json fields_ = nlohmann::json::object();
  bool narrow_ = false;  ///< Integers that fit are written with 32 bits.
  // Storage of the last view(); deques, because views point into their elements.
  mutable std::deque<std::vector<amqp_table_entry_t>> entries_;
  mutable std::deque<std::vector<amqp_field_value_t>> arrays_;
};

/// The value of `key`, or nullptr. Linear, as tables are short.
const amqp_field_value_t* Find(const amqp_table_t& table, std::string_view key);

/// The value as text when it is a string or byte array; nothing otherwise.
std::optional<std::string_view> AsText(const amqp_field_value_t* value);

/// The value as an integer when it is any integer kind, or a string of digits.
std::optional<std::int64_t> AsInteger(const amqp_field_value_t* value);

/// The value as a boolean when it is one.
std::optional<bool> AsBool(const amqp_field_value_t* value);

}  // namespace warren::amqp
