// Field rules over plain bytes; ASCII only, whatever the locale.
#include "proxy/wire/fields.h"

#include <algorithm>
#include <array>

namespace warren::wire {
namespace {

constexpr std::array kSingleConnection = {std::string_view("connection"),       std::string_view("keep-alive"),
                                          std::string_view("proxy-connection"), std::string_view("te"),
                                          std::string_view("trailer"),          std::string_view("transfer-encoding"),
                                          std::string_view("upgrade")};

// Naming one of these in Connection would take a part of the message away.
constexpr std::array kNeverStripped = {std::string_view("host"), std::string_view("content-length"),
                                       std::string_view("content-type")};

constexpr std::array kRetrySafeMethods = {std::string_view("GET"),   std::string_view("HEAD"),
                                          std::string_view("PUT"),   std::string_view("DELETE"),
                                          std::string_view("TRACE"), std::string_view("OPTIONS")};

constexpr std::array<bool, 256> MakeTokenTable() {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kToken = MakeTokenTable();

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `visit` with each member of a comma-separated list until it answers true.
template <class Visit>
bool AnyMember(std::string_view list, Visit visit) {
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view member = Trim(list.substr(0, comma));
    if (!member.empty() && visit(member)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

template <class Names>
bool Contains(const Names& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view each) { return EqualNames(each, name); });
}

}  // namespace

bool IsToken(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kToken[static_cast<unsigned char>(c)]; });
}

bool IsFieldValue(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool IsTarget(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f;
  });
}

bool EqualNames(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(), [](char a, char b) { return Lower(a) == Lower(b); });
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
  return lower;
}

const std::string* Find(const Fields& fields, std::string_view name) {
  const auto field =
      std::find_if(fields.begin(), fields.end(), [&](const Field& each) { return EqualNames(each.name, name); });
  return field == fields.end() ? nullptr : &field->value;
}

std::size_t Remove(Fields& fields, std::string_view name) {
  return std::erase_if(fields, [&](const Field& field) { return EqualNames(field.name, name); });
}

bool ListHas(const Fields& fields, std::string_view name, std::string_view member) {
  return std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
    return EqualNames(field.name, name) &&
           AnyMember(field.value, [&](std::string_view each) { return EqualNames(each, member); });
  });
}

bool IsRetrySafe(std::string_view method, const Fields& fields) {
  if (std::find(kRetrySafeMethods.begin(), kRetrySafeMethods.end(), method) != kRetrySafeMethods.end()) return true;
  const std::string* key = Find(fields, "idempotency-key");
  return key != nullptr && !key->empty();
}

HopByHop::HopByHop(const Fields& fields) {
  for (const Field& field : fields) {
    if (!EqualNames(field.name, "connection")) continue;
    AnyMember(field.value, [&](std::string_view option) {
      if (!Contains(kNeverStripped, option)) named_.push_back(LowerCase(option));
      return false;
    });
  }
  std::sort(named_.begin(), named_.end());
}

bool HopByHop::Has(std::string_view name) const {
  return Contains(kSingleConnection, name) ||
         (!named_.empty() && std::binary_search(named_.begin(), named_.end(), LowerCase(name)));
}

void StripHopByHop(Fields& fields) {
  const HopByHop hop_by_hop(fields);
  std::erase_if(fields, [&](const Field& field) { return hop_by_hop.Has(field.name); });
}

}  // namespace warren::wire
