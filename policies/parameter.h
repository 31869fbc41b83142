// Parameter: a named JSON value that a user wrote, the raw material of policies/.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace warren {

/// A global runtime parameter of the broker, or an entry of a file under --policies-dir.
struct Parameter {
  std::string name;  ///< "stream-definition.my_stream", "stream-policy.%2F.web", "stream.routing-key"
  nlohmann::json value;
  std::string source;  ///< For messages: "global parameter", or the file's path.
};

}  // namespace warren
