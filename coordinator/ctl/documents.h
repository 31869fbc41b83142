// Settings as documents: what export writes and import reads. Pure.
//
//   warren:       {"stream-definition.web": {…}, "stream-policy.%2F.web": {…}, "stream.routing-key": "1"}
//   definitions:  {"global_parameters": [{"name": "stream-definition.web", "value": {…}}, …], …}
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "policies/parameter.h"

namespace warren::ctl {

/// A definitions file of RabbitMQ may hold much more than settings of ours.
inline constexpr std::size_t kMaxDocumentBytes = std::size_t{64} << 20;

/// One object, names to values, as files of --policies-dir are.
nlohmann::json WarrenDocument(const std::vector<Parameter>& parameters);

/// A definitions file of RabbitMQ that holds these and nothing else.
nlohmann::json DefinitionsDocument(const std::vector<Parameter>& parameters);

struct Document {
  std::vector<Parameter> parameters;       ///< Definitions and defaults before the policies that need them.
  std::size_t left_out = 0;                ///< Global parameters of others.
  std::vector<std::string> drained_nodes;  ///< Of parameters stream-node.*, which are no settings and left out.
  bool is_definitions = false;
};

/// Reads either shape; `source` is the file's name. kInvalid: not JSON, neither shape, or a name given twice. Values
/// are not validated.
Result<Document> ReadDocument(std::string_view text, const std::string& source);

}  // namespace warren::ctl
