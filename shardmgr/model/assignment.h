// Assignment: what consumers and coordinators say to each other about who consumes which shards. The forms of the
// messages on exchange `warren.control` (docs/wire.md, "Assignments"); who gets what is decided elsewhere.
//
//   warren.hello       consumer -> exchange warren.control, key "hello": JSON object of a Hello; reply_to: its inbox
//   warren.bye         the same, from one that takes no more work
//   warren.assignment  coordinator -> the inbox: JSON object of an Assignment
//
// Readers take members that they do not know for those of a newer version, and leave them. Pure.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"

namespace warren {

inline constexpr const char* kControlExchange = "warren.control";  ///< Durable, type direct, in the stream's vhost.
inline constexpr const char* kControlExchangeType = "direct";
inline constexpr const char* kHelloKey = "hello";
inline constexpr std::string_view kHelloType = "warren.hello";
inline constexpr std::string_view kByeType = "warren.bye";
inline constexpr std::string_view kAssignmentType = "warren.assignment";

/// Larger messages are not read: six thousand names of the longest kind.
inline constexpr std::size_t kMaxControlBytes = 2 * 1024 * 1024;
/// Shards that one message may name; the rest is not read.
inline constexpr std::size_t kMaxAssignedShards = 10'000;

/// What a consumer says of itself.
struct Hello {
  std::string exchange;            ///< Of the stream that it consumes.
  std::string instance;            ///< Unique among the consumers of the stream; stays when it connects anew.
  std::string kind = "worker";     ///< "worker", "gateway", or what others call themselves.
  std::vector<std::string> holds;  ///< Queues that it consumes now.
  std::int64_t term = 0;           ///< Of the last assignment that it took; 0: none.

  bool operator==(const Hello&) const = default;
};

/// Of two assignments for one consumer the greater counts.
struct AssignmentNumber {
  std::int64_t term = 0;       ///< Unix time in milliseconds at which its author began to lead.
  std::uint64_t sequence = 0;  ///< Rises with each change within the term.

  auto operator<=>(const AssignmentNumber&) const = default;
};

/// What a coordinator tells a consumer to consume.
struct Assignment {
  std::string exchange;
  std::string instance;  ///< Of the consumer it is for.
  std::string node;      ///< The broker node that the consumer is connected to; empty: not known yet.
  AssignmentNumber number;
  std::vector<std::string> shards;  ///< Queues to consume: local ones first.
  std::vector<std::string> local;   ///< Those of them that live on `node`.

  bool operator==(const Assignment&) const = default;
};

/// One line of JSON.
std::string Encode(const Hello& hello);
std::string Encode(const Assignment& assignment);

/// kInvalid with what is wrong: not JSON, too large, a member that is missing, of another type, empty or too long.
Result<Hello> ReadHello(std::string_view body);
Result<Assignment> ReadAssignment(std::string_view body);

}  // namespace warren
