// Tokens, their text and their table; see the header.
#include "proxy/http/token.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace warren::proxy {
namespace {

constexpr std::size_t kFirstCells = 1024;  // A power of two.

constexpr std::string_view kDigits = "0123456789abcdef";

constexpr auto kHexPairs = [] {
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t byte = 0; byte < pairs.size(); ++byte) pairs[byte] = {kDigits[byte >> 4], kDigits[byte & 15]};
  return pairs;
}();

void WriteHex(std::uint64_t value, char* out) {
  for (int shift = 56; shift >= 0; shift -= 8, out += 2) std::memcpy(out, kHexPairs[(value >> shift) & 255].data(), 2);
}

bool ReadHex(std::string_view text, std::uint64_t& value) {
  value = 0;
  for (char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return false;
    value = value << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return true;
}

}  // namespace

std::array<char, kTokenTextBytes> Token::Text() const {
  std::array<char, kTokenTextBytes> text;
  WriteHex(high, text.data());
  WriteHex(low, text.data() + 16);
  return text;
}

std::optional<Token> Token::Parse(std::string_view text) {
  Token token;
  if (text.size() != kTokenTextBytes || !ReadHex(text.substr(0, 16), token.high) ||
      !ReadHex(text.substr(16), token.low)) {
    return std::nullopt;
  }
  return token;
}

Token TokenSource::Next() {
  if (next_ == kBatch) {
    auto* at = reinterpret_cast<unsigned char*>(tokens_.data());
    std::size_t left = sizeof(tokens_);
    while (left > 0) {
      const ssize_t got = ::getrandom(at, left, 0);
      if (got < 0 && errno != EINTR) std::abort();  // No kernel that runs this lacks getrandom.
      if (got > 0) at += got, left -= static_cast<std::size_t>(got);
    }
    next_ = 0;
  }
  const Token token = tokens_[next_++];
  return token.empty() ? Next() : token;
}

TokenTable::TokenTable() : cells_(kFirstCells) {}

void TokenTable::Insert(const Token& token, Place place) {
  if (size_ * 2 >= cells_.size()) Grow();
  std::size_t at = Home(token);
  while (!cells_[at].token.empty()) at = (at + 1) & (cells_.size() - 1);
  cells_[at] = {token, place};
  ++size_;
}

const TokenTable::Place* TokenTable::Find(const Token& token) const {
  if (token.empty()) return nullptr;
  for (std::size_t at = Home(token); !cells_[at].token.empty(); at = (at + 1) & (cells_.size() - 1)) {
    if (cells_[at].token == token) return &cells_[at].place;
  }
  return nullptr;
}

void TokenTable::Erase(const Token& token) {
  const std::size_t mask = cells_.size() - 1;
  std::size_t hole = Home(token);
  while (!(cells_[hole].token == token)) {
    if (cells_[hole].token.empty()) return;
    hole = (hole + 1) & mask;
  }
  // Those behind the hole that would no longer be found move up (no tombstones).
  for (std::size_t at = (hole + 1) & mask; !cells_[at].token.empty(); at = (at + 1) & mask) {
    const std::size_t home = Home(cells_[at].token);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    cells_[hole] = cells_[at];
    hole = at;
  }
  cells_[hole] = {};
  --size_;
}

void TokenTable::Grow() {
  std::vector<Cell> old(cells_.size() * 2);
  old.swap(cells_);
  size_ = 0;
  for (const Cell& cell : old) {
    if (!cell.token.empty()) Insert(cell.token, cell.place);
  }
}

void TokenRing::Add(const Token& token) {
  if (tokens_.size() < capacity_) {
    tokens_.push_back(token);
  } else {
    table_.Erase(tokens_[next_]);
    tokens_[next_] = token;
    next_ = (next_ + 1) % capacity_;
  }
  table_.Insert(token, {});
}

}  // namespace warren::proxy
