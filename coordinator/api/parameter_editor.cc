// See parameter_editor.h.
#include "coordinator/api/parameter_editor.h"

namespace warren::coordinator {
namespace {

constexpr std::chrono::milliseconds kTimeout{5'000};

class BrokerEditor : public ParameterEditor {
 public:
  BrokerEditor(management::ClientOptions options, std::function<void()> changed)
      : client_(std::move(options)), changed_(std::move(changed)) {}

  Result<bool> Put(const std::string& name, const nlohmann::json& value) override {
    return Judge(client_.PutGlobalParameter(name, value));
  }
  Result<bool> Clear(const std::string& name) override { return Judge(client_.DeleteGlobalParameter(name)); }
  Result<std::vector<std::string>> Vhosts() override { return client_.ListVhosts(); }

 private:
  Result<bool> Judge(const Result<management::WriteOutcome>& written) const {
    if (!written) return tl::unexpected(written.error());
    changed_();
    return *written == management::WriteOutcome::kChanged;
  }

  management::Client client_;
  std::function<void()> changed_;
};

}  // namespace

std::unique_ptr<ParameterEditor> EditorOfBroker(management::ClientOptions options, std::function<void()> changed) {
  options.timeout = kTimeout;
  return std::make_unique<BrokerEditor>(std::move(options), std::move(changed));
}

}  // namespace warren::coordinator
