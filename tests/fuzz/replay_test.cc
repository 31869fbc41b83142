// Runs every fuzzer over its kept inputs (corpus/<fuzzer>/), and over each of them cut short: inputs
// that once found something stay found, with any compiler and without libFuzzer.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/targets.h"

namespace warren::fuzz {
namespace {

struct Case {
  const char* name;
  void (*run)(std::string_view);
};

class Corpus : public testing::TestWithParam<Case> {};

std::string Contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_P(Corpus, BreaksNoRule) {
  const std::filesystem::path folder = std::filesystem::path(WARREN_FUZZ_CORPUS) / GetParam().name;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 5u) << folder << " holds the kept inputs";
  for (const auto& path : files) {
    std::fprintf(stderr, "%s/%s\n", GetParam().name, path.filename().c_str());  // The last one, when it ends here.
    const std::string bytes = Contents(path);
    GetParam().run(bytes);
    for (std::size_t eighth = 1; eighth < 8; ++eighth) GetParam().run(bytes.substr(0, bytes.size() * eighth / 8));
  }
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus,
                         testing::Values(Case{"http_edge", HttpEdge}, Case{"session", Session},
                                         Case{"wire_decode", WireDecode}, Case{"amqp_client", AmqpClient},
                                         Case{"upstream_response", UpstreamResponse}, Case{"dispatcher", Dispatcher},
                                         Case{"control_messages", ControlMessages}, Case{"gateway", Gateway}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace warren::fuzz
