// Table keeps its fields as a JSON object and lays out rabbitmq-c's structs over it on demand: it is
// meant for arguments, which are few and rare. Hot paths fill amqp_table_entry_t themselves.
#include "shardmgr/broker/amqp/table.h"

#include <charconv>
#include <limits>

#include "shardmgr/broker/amqp/bytes.h"

namespace warren::amqp {

Table& Table::Set(const std::string& key, std::string value) {
  fields_[key] = std::move(value);
  return *this;
}

Table& Table::Set(const std::string& key, std::int64_t value) {
  fields_[key] = value;
  return *this;
}

Table& Table::Set(const std::string& key, double value) {
  fields_[key] = value;
  return *this;
}

Table& Table::Set(const std::string& key, bool value) {
  fields_[key] = value;
  return *this;
}

Table& Table::Set(const std::string& key, const Table& value) {
  fields_[key] = value.fields_;
  return *this;
}

Table& Table::Set(const std::string& key, std::vector<std::string> values) {
  fields_[key] = std::move(values);
  return *this;
}

Table Table::FromJson(nlohmann::json object) {
  Table table;
  if (object.is_object()) table.fields_ = std::move(object);
  return table;
}

Table Table::FromJsonNarrow(nlohmann::json object) {
  Table table = FromJson(std::move(object));
  table.narrow_ = true;
  return table;
}

amqp_table_t Table::view() const {
  entries_.clear();
  arrays_.clear();
  return ViewObject(fields_);
}

amqp_table_t Table::ViewObject(const nlohmann::json& object) const {
  std::vector<amqp_table_entry_t>& entries = entries_.emplace_back();
  entries.reserve(object.size());
  for (auto field = object.begin(); field != object.end(); ++field) {
    entries.push_back({Bytes(field.key()), ViewValue(field.value())});
  }
  return {static_cast<int>(entries.size()), entries.data()};
}

amqp_field_value_t Table::ViewValue(const nlohmann::json& value) const {
  amqp_field_value_t field{};
  switch (value.type()) {
    case nlohmann::json::value_t::string:
      field.kind = AMQP_FIELD_KIND_UTF8;
      field.value.bytes = Bytes(value.get_ref<const std::string&>());
      break;
    case nlohmann::json::value_t::boolean:
      field.kind = AMQP_FIELD_KIND_BOOLEAN;
      field.value.boolean = value.get<bool>();
      break;
    case nlohmann::json::value_t::number_integer:
    case nlohmann::json::value_t::number_unsigned:
      field.kind = AMQP_FIELD_KIND_I64;
      field.value.i64 = value.get<std::int64_t>();
      if (const auto small = static_cast<std::int32_t>(field.value.i64); narrow_ && small == field.value.i64) {
        field.kind = AMQP_FIELD_KIND_I32;
        field.value.i32 = small;
      }
      break;
    case nlohmann::json::value_t::number_float:
      field.kind = AMQP_FIELD_KIND_F64;
      field.value.f64 = value.get<double>();
      break;
    case nlohmann::json::value_t::object:
      field.kind = AMQP_FIELD_KIND_TABLE;
      field.value.table = ViewObject(value);
      break;
    case nlohmann::json::value_t::array: {
      std::vector<amqp_field_value_t>& items = arrays_.emplace_back();
      items.reserve(value.size());
      for (const auto& item : value) items.push_back(ViewValue(item));
      field.kind = AMQP_FIELD_KIND_ARRAY;
      field.value.array = {static_cast<int>(items.size()), items.data()};
      break;
    }
    default: field.kind = AMQP_FIELD_KIND_VOID; break;
  }
  return field;
}

const amqp_field_value_t* Find(const amqp_table_t& table, std::string_view key) {
  for (int i = 0; i < table.num_entries; ++i) {
    if (View(table.entries[i].key) == key) return &table.entries[i].value;
  }
  return nullptr;
}

std::optional<std::string_view> AsText(const amqp_field_value_t* value) {
  if (value == nullptr) return std::nullopt;
  if (value->kind != AMQP_FIELD_KIND_UTF8 && value->kind != AMQP_FIELD_KIND_BYTES) return std::nullopt;
  return View(value->value.bytes);
}

std::optional<std::int64_t> AsInteger(const amqp_field_value_t* value) {
  if (value == nullptr) return std::nullopt;
  switch (value->kind) {
    case AMQP_FIELD_KIND_I8: return value->value.i8;
    case AMQP_FIELD_KIND_U8: return value->value.u8;
    case AMQP_FIELD_KIND_I16: return value->value.i16;
    case AMQP_FIELD_KIND_U16: return value->value.u16;
    case AMQP_FIELD_KIND_I32: return value->value.i32;
    case AMQP_FIELD_KIND_U32: return value->value.u32;
    case AMQP_FIELD_KIND_I64: return value->value.i64;
    case AMQP_FIELD_KIND_TIMESTAMP:
    case AMQP_FIELD_KIND_U64:
      if (value->value.u64 > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
      return static_cast<std::int64_t>(value->value.u64);
    default: break;
  }
  const std::optional<std::string_view> text = AsText(value);
  if (!text || text->empty()) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return number;
}

std::optional<bool> AsBool(const amqp_field_value_t* value) {
  if (value == nullptr || value->kind != AMQP_FIELD_KIND_BOOLEAN) return std::nullopt;
  return value->value.boolean != 0;
}

}  // namespace warren::amqp
