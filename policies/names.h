// Names of the global parameters that are Warren's, and back; and the exchange names that are taken.
//
//   stream-definition.<name>
//   stream-policy.<vhost, percent-encoded>.<name>
//   stream.<key>
//   stream-node.<node>
//
// A dot ends the encoded vhost, so a dot in a vhost is encoded too. Names of definitions and policies
// are taken as they are. Pure; safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policies/error.h"

namespace warren {

/// Names that belong to the broker or to Warren, and are never sharded: the default exchange,
/// `amq.*`, `stream: *`, `sharding: *`, `warren.*`.
bool IsReservedExchange(std::string_view exchange);

namespace policies {

enum class ParameterKind { kDefinition, kPolicy, kGlobal, kNode };

/// What a parameter's name says.
struct ParameterName {
  ParameterKind kind = ParameterKind::kDefinition;
  std::string vhost;  ///< kPolicy only; decoded.
  std::string name;   ///< Of the definition, policy or node; of a global, the key.

  bool operator==(const ParameterName&) const = default;
};

std::string DefinitionParameterName(std::string_view name);
std::string PolicyParameterName(std::string_view vhost, std::string_view name);
std::string GlobalParameterName(std::string_view key);
std::string NodeParameterName(std::string_view node);

/// Whether a parameter of that name is Warren's at all, be it right or wrong.
bool IsOurParameter(std::string_view parameter);

/// The parts of a name of ours. kInvalid: not one of ours, an empty part, or a wrong percent-encoding.
Result<ParameterName> ParseParameterName(std::string_view parameter);

/// "stream definition 'x'", "stream policy 'x' of vhost '/'", "global default 'stream.x'": for messages.
std::string Describe(const ParameterName& name);

/// Everything but letters, digits, '-', '_' and '~' as %XX.
std::string PercentEncode(std::string_view text);
/// kInvalid where a '%' is not followed by two hexadecimal digits.
Result<std::string> PercentDecode(std::string_view text);

}  // namespace policies
}  // namespace warren
