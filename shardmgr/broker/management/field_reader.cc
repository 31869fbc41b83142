// Typed reading of JSON objects.
#include "shardmgr/broker/management/field_reader.h"

#include "policies/json.h"

namespace warren::management {
std::string ElementName(std::string_view list, std::size_t index) {
  std::string name(list);
  name.append("[").append(std::to_string(index)).append("]");
  return name;
}

FieldReader::FieldReader(const nlohmann::json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object()) {
    error_ = Error{ErrorCode::kProtocol, where_ + " should be an object, and is " + JsonForMessage(object), {}};
  }
}

const nlohmann::json* FieldReader::Find(std::string_view name) const {
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(std::string(name));
  return found == object_.end() ? nullptr : &*found;
}

const nlohmann::json* FieldReader::Need(std::string_view name) {
  const nlohmann::json* value = Find(name);
  if (value == nullptr && !error_) {
    error_ = Error{ErrorCode::kProtocol, where_ + " has no field '" + std::string(name) + "'", {}};
  }
  return value;
}

void FieldReader::Complain(std::string_view name, std::string_view wanted, const nlohmann::json& found) {
  if (error_) return;
  error_ = Error{ErrorCode::kProtocol,
                 "field '" + std::string(name) + "' of " + where_ + " should be " + std::string(wanted) + ", and is " +
                     JsonForMessage(found),
                 {}};
}

std::string FieldReader::NeedString(std::string_view name) {
  const nlohmann::json* value = Need(name);
  if (value == nullptr) return {};
  if (!value->is_string()) {
    Complain(name, "a string", *value);
    return {};
  }
  return value->get<std::string>();
}

bool FieldReader::NeedBool(std::string_view name) {
  const nlohmann::json* value = Need(name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    Complain(name, "true or false", *value);
    return false;
  }
  return value->get<bool>();
}

std::uint64_t FieldReader::NeedCount(std::string_view name, std::uint64_t max) {
  const nlohmann::json* value = Need(name);
  if (value == nullptr) return 0;
  const auto count = OptionalCount(name);
  if (!count || *count > max) {
    Complain(name, "a whole number from 0 to " + std::to_string(max), *value);
    return 0;
  }
  return *count;
}

std::string FieldReader::StringOr(std::string_view name, std::string otherwise) const {
  const nlohmann::json* value = Find(name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::move(otherwise);
}

bool FieldReader::BoolOr(std::string_view name, bool otherwise) const { return OptionalBool(name).value_or(otherwise); }

std::optional<bool> FieldReader::OptionalBool(std::string_view name) const {
  const nlohmann::json* value = Find(name);
  if (value == nullptr || !value->is_boolean()) return std::nullopt;
  return value->get<bool>();
}

std::optional<std::uint64_t> FieldReader::OptionalCount(std::string_view name) const {
  const nlohmann::json* value = Find(name);
  if (value == nullptr || !value->is_number_unsigned()) return std::nullopt;
  return value->get<std::uint64_t>();
}

nlohmann::json FieldReader::ObjectOr(std::string_view name) const {
  const nlohmann::json* value = Find(name);
  return value != nullptr && value->is_object() ? *value : nlohmann::json::object();
}

}  // namespace warren::management
