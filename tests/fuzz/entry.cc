// libFuzzer's entry for the one target that the build names: WARREN_FUZZ_TARGET.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  warren::fuzz::WARREN_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
