// Getters of Parsed: see options.h. Every text was checked by OptionSet::Parse.
#include <charconv>
#include <stdexcept>

#include "shardmgr/program/options.h"

namespace warren::program {

const Parsed::Value& Parsed::At(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw std::logic_error("this program has no option " + std::string(name));
  return found->second;
}

bool Parsed::Given(std::string_view name) const { return !At(name).origin.empty(); }
bool Parsed::Has(std::string_view name) const { return !At(name).texts.empty(); }

std::string Parsed::Origin(std::string_view name) const {
  const Value& value = At(name);
  return value.origin.empty() ? "default" : value.origin;
}

std::string Parsed::Text(std::string_view name) const {
  const Value& value = At(name);
  return value.texts.empty() ? std::string() : value.texts.back();
}

std::vector<std::string> Parsed::List(std::string_view name) const { return At(name).texts; }

bool Parsed::Flag(std::string_view name) const {
  const std::string text = Text(name);
  return text == "true" || text == "yes" || text == "1" || text == "on";
}

std::int64_t Parsed::Integer(std::string_view name) const {
  const std::string text = Text(name);
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::chrono::milliseconds Parsed::Duration(std::string_view name) const { return ParseDuration(Text(name)).value(); }
std::uint64_t Parsed::Bytes(std::string_view name) const { return ParseSize(Text(name)).value(); }
Address Parsed::ListenAddress(std::string_view name) const { return ParseAddress(Text(name)).value(); }

std::vector<amqp::Endpoint> Parsed::Endpoints(std::string_view name) const {
  std::vector<amqp::Endpoint> endpoints;
  for (const std::string& text : At(name).texts) endpoints.push_back(amqp::ParseEndpoint(text).value());
  return endpoints;
}

std::map<std::string, amqp::Endpoint> Parsed::NodeAddresses() const {
  std::map<std::string, amqp::Endpoint> addresses;
  for (const std::string& text : At("node-address").texts) {
    const auto equals = text.find('=');
    addresses[text.substr(0, equals)] = amqp::ParseEndpoint(text.substr(equals + 1)).value();
  }
  return addresses;
}

}  // namespace warren::program
