// Correlation tokens: 128 random bits, made anew for each publishing, so that nobody can guess the
// token of somebody else's request. TokenSource makes them, TokenTable finds what one belongs to.
//
// One source and one table belong to one I/O thread each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace warren::proxy {

inline constexpr std::size_t kTokenTextBytes = 32;

struct Token {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  bool operator==(const Token&) const = default;
  bool empty() const { return high == 0 && low == 0; }

  /// 32 lower-case hexadecimal digits: correlation ids are read by workers in any language.
  std::array<char, kTokenTextBytes> Text() const;
  /// The token that Text() wrote as `text`, or nothing.
  static std::optional<Token> Parse(std::string_view text);
};

/// Random tokens from the kernel (getrandom(2)), fetched many at a time.
class TokenSource {
 public:
  Token Next();

 private:
  static constexpr std::size_t kBatch = 256;
  std::array<Token, kBatch> tokens_{};
  std::size_t next_ = kBatch;
};

/// A flat hash table with linear probing: token -> where its request is. No allocation per entry.
/// The empty token cannot be a key.
class TokenTable {
 public:
  struct Place {
    std::uint32_t slot = 0;
    std::uint32_t publishing = 0;
  };

  TokenTable();
  /// `token` must not be in the table.
  void Insert(const Token& token, Place place);
  /// Valid until the next Insert or Erase.
  const Place* Find(const Token& token) const;
  void Erase(const Token& token);
  std::size_t size() const { return size_; }

 private:
  struct Cell {
    Token token;
    Place place;
  };
  std::size_t Home(const Token& token) const { return token.low & (cells_.size() - 1); }
  void Grow();

  std::vector<Cell> cells_;
  std::size_t size_ = 0;
};

/// The last few tokens that were added; older ones are forgotten.
class TokenRing {
 public:
  explicit TokenRing(std::size_t capacity) : capacity_(capacity) {}
  /// `token` must not be in the ring.
  void Add(const Token& token);
  bool Contains(const Token& token) const { return table_.Find(token) != nullptr; }

 private:
  const std::size_t capacity_;
  std::vector<Token> tokens_;
  std::size_t next_ = 0;  ///< In tokens_: the oldest, once it is full.
  TokenTable table_;
};

}  // namespace warren::proxy
