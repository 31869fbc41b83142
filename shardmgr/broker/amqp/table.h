// AMQP field tables (AMQP 0-9-1 section 4.2.5.5) as owned values, for arguments and for headers
// that are not on a hot path; and safe look-ups in tables that came from strangers.
#pragma once

#include <amqp.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
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

  Table& Set(std::string key, std::string value);  ///< Long string 'S'.
  Table& Set(std::string key, const char* value) { return Set(std::move(key), std::string(value)); }
  Table& Set(std::string key, std::string_view value) { return Set(std::move(key), std::string(value)); }
  Table& Set(std::string key, std::int64_t value);  ///< 'l'
  Table& Set(std::string key, int value) { return Set(std::move(key), std::int64_t{value}); }
  Table& Set(std::string key, double value);  ///< 'd'
  Table& Set(std::string key, bool value);    ///< 't'
  Table& Set(std::string key, Table value);   ///< 'F'
  Table& Set(std::string key, std::vector<std::string> values);  ///< Array 'A' of long strings.

  /// A JSON object as a table: strings, booleans, integers, doubles, objects, arrays, null.
  static Table FromJson(const nlohmann::json& object);

  bool empty() const { return entries_.empty(); }

  /// A view for rabbitmq-c, valid until this table changes or goes.
  amqp_table_t view() const;

 private:
  struct Value;
  struct Entry;
  std::vector<Entry> entries_;
  mutable std::vector<amqp_table_entry_t> view_;
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
