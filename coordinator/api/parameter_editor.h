// ParameterEditor: writes definitions and policies where they live, as global parameters of the broker. An interface,
// so that the routes above it can be tested without a broker. Calls block; any thread, several at once.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policies/error.h"
#include "shardmgr/broker/management/client.h"

namespace warren::coordinator {

class ParameterEditor {
 public:
  virtual ~ParameterEditor() = default;

  /// Writes a parameter; true: there was none of that name. Errors as management::Client's.
  virtual Result<bool> Put(const std::string& name, const nlohmann::json& value) = 0;
  /// Deletes a parameter; false: there was none of that name.
  virtual Result<bool> Clear(const std::string& name) = 0;
  /// The virtual hosts that the coordinator's user sees.
  virtual Result<std::vector<std::string>> Vhosts() = 0;
};

/// Through the management API, with at most five seconds for one request to one URL. `changed` is called after each
/// write, on the caller's thread.
std::unique_ptr<ParameterEditor> EditorOfBroker(management::ClientOptions options, std::function<void()> changed);

}  // namespace warren::coordinator
