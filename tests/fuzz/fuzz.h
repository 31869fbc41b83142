// What the fuzzers share: a check that ends the program, numbers drawn from a seed, and how an input is cut.
//
// A fuzzer is a function of bytes (targets.h). entry.cc makes a libFuzzer program of one; replay_test.cc
// runs all of them over the kept inputs in corpus/, with any compiler. Every input ends with one byte
// that seeds what is drawn (where bytes are split, in which order answers come), so an input repeats exactly.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace warren::fuzz {

/// Ends the program with a message when `holds` is false: libFuzzer then keeps the input.
inline void Require(bool holds, std::string_view what, std::string_view detail = {}) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: broken: %.*s", static_cast<int>(what.size()), what.data());
  for (const unsigned char c : detail.substr(0, 400)) std::fprintf(stderr, c >= ' ' && c < 0x7f ? "%c" : "\\x%02x", c);
  std::fprintf(stderr, "\n");
  std::abort();
}

/// Numbers from a seed (splitmix64).
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}

  /// 0 to `limit` - 1; 0 where `limit` is 0.
  std::size_t Below(std::size_t limit) {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return limit == 0 ? 0 : static_cast<std::size_t>((z ^ (z >> 31)) % limit);
  }

  /// The size of the next piece of `left` bytes: often one byte, sometimes all of them.
  std::size_t Piece(std::size_t left) {
    const std::size_t longest = Below(4) == 0 ? left : std::min<std::size_t>(left, Below(3) == 0 ? 40 : 3);
    return left == 0 ? 0 : 1 + Below(longest);
  }

 private:
  std::uint64_t state_;
};

/// An input without its last byte, and that byte (0 when there is none).
struct Input {
  explicit Input(std::string_view bytes)
      : data(bytes.substr(0, bytes.empty() ? 0 : bytes.size() - 1)),
        seed(bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes.back())) {}
  std::string_view data;
  std::uint8_t seed;
};

/// Takes bytes from the front; zeros when there are no more.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}
  bool empty() const { return left_.empty(); }
  std::uint8_t Byte() { return left_.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(Take(1)[0]); }
  std::string_view Take(std::size_t count) {
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view left_;
};

}  // namespace warren::fuzz
