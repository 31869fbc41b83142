// Two levels of one table: client-properties, and capabilities within.
#include "proxy/gateway/client_properties.h"

#include <optional>

#include "proxy/gateway/arguments.h"

namespace warren::gateway {
namespace {

constexpr std::string_view kCapabilities = "capabilities";
constexpr std::string_view kCancelNotice = "consumer_cancel_notify";

struct Field {
  std::string_view key;
  char type = 0;
  std::string_view value;  ///< Of types S, x, A and F: without its length.
};

/// Bytes of a value of fixed size (AMQP 0-9-1 with RabbitMQ's errata); nothing: it is not of such a type.
std::optional<std::size_t> FixedSize(char type) {
  switch (type) {
    case 'V': return 0;
    case 't':
    case 'b':
    case 'B': return 1;
    case 's':
    case 'u': return 2;
    case 'I':
    case 'i':
    case 'f': return 4;
    case 'D': return 5;
    case 'l':
    case 'L':
    case 'd':
    case 'T': return 8;
    default: return std::nullopt;
  }
}

/// The next field; nothing when it is not well formed.
std::optional<Field> NextField(ArgumentReader& in) {
  Field field;
  field.key = in.ShortString();
  field.type = static_cast<char>(in.U8());
  if (const auto size = FixedSize(field.type)) {
    field.value = in.Take(*size);
  } else if (std::string_view("SxAF").find(field.type) != std::string_view::npos) {
    field.value = in.LongString();
  } else {
    return std::nullopt;
  }
  return in.ok() ? std::optional(field) : std::nullopt;
}

void AppendLength(std::string& out, std::size_t length) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xff);
}

void AppendCapability(std::string& out) {
  out += static_cast<char>(kCancelNotice.size());
  out += kCancelNotice;
  out += "t\x01";
}

/// Capabilities with the notice set, whatever it was; nothing when they are not well formed.
std::optional<std::string> WithNotice(std::string_view capabilities, bool& had_it) {
  std::string changed;
  ArgumentReader in(capabilities);
  while (!in.rest().empty()) {
    const std::string_view from = in.rest();
    const std::optional<Field> field = NextField(in);
    if (!field) return std::nullopt;
    if (field->key == kCancelNotice) {
      if (field->type == 't') had_it = field->value != std::string_view("\0", 1);
    } else {
      changed += from.substr(0, from.size() - in.rest().size());
    }
  }
  AppendCapability(changed);
  return changed;
}

/// Client properties with the notice set among their capabilities; nothing when they are not well formed.
std::optional<std::string> ChangedProperties(std::string_view properties, bool& had_it) {
  std::string changed;
  std::string capabilities;
  AppendCapability(capabilities);
  ArgumentReader in(properties);
  while (!in.rest().empty()) {
    const std::string_view from = in.rest();
    const std::optional<Field> field = NextField(in);
    if (!field) return std::nullopt;
    if (field->key == kCapabilities && field->type == 'F') {
      auto set = WithNotice(field->value, had_it);
      if (!set) return std::nullopt;
      capabilities = std::move(*set);
    } else {
      changed += from.substr(0, from.size() - in.rest().size());
    }
  }
  changed += static_cast<char>(kCapabilities.size());
  changed += kCapabilities;
  changed += 'F';
  AppendLength(changed, capabilities.size());
  return changed + capabilities;
}

/// PLAIN (RFC 4616): authzid NUL authcid NUL password. AMQPLAIN: a table's fields with LOGIN and PASSWORD.
std::string UserOf(std::string_view mechanism, std::string_view response) {
  if (mechanism == "PLAIN") {
    const std::size_t first = response.find('\0');
    if (first == std::string_view::npos) return {};
    const std::size_t second = response.find('\0', first + 1);
    if (second == std::string_view::npos) return {};
    return std::string(response.substr(first + 1, second - first - 1));
  }
  if (mechanism == "AMQPLAIN") {
    ArgumentReader in(response);
    while (!in.rest().empty()) {
      const std::optional<Field> field = NextField(in);
      if (!field) return {};
      if (field->key == "LOGIN" && field->type == 'S') return std::string(field->value);
    }
  }
  return {};
}

}  // namespace

StartOk ReadStartOk(std::string_view arguments) {
  StartOk read;
  ArgumentReader in(arguments);
  const std::string_view properties = in.LongString();
  const std::string_view after = in.rest();
  const std::string_view mechanism = in.ShortString();
  const std::string_view response = in.LongString();
  in.ShortString();  // Locale.
  if (!in.done()) return read;
  read.well_formed = true;
  read.user = UserOf(mechanism, response);
  const auto changed = ChangedProperties(properties, read.wants_cancel_notice);
  if (changed && !read.wants_cancel_notice) {
    AppendLength(read.changed, changed->size());
    read.changed += *changed;
    read.changed += after;
  }
  return read;
}

}  // namespace warren::gateway
