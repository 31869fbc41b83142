// Strict JSON for the whole product: what users wrote and what the broker answered.
//
// On top of nlohmann's parser: a key given twice is an error (the parser keeps the last one in
// silence), nesting is bounded, and messages carry line and column. The caller bounds the size,
// before the text is in memory. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "policies/error.h"

namespace warren {

/// Objects and arrays inside each other; a text nested deeper is refused.
inline constexpr std::size_t kMaxJsonDepth = 64;

/// How much of what a document must not have spoils it as a whole.
enum class JsonRules {
  kStrict,  ///< Users' own documents: a key given twice or too deep a nesting is an error.
  /// Answers in which the broker repeats what any of its users wrote, queue arguments say: of a key given
  /// twice the last one counts, and what is nested too deeply is null, so that nobody spoils it for others.
  kForeign,
};

/// Parses one JSON text (RFC 8259, UTF-8). `context` says where the text comes from and becomes the
/// error's context. Errors are kInvalid: "line 3, column 7: …" with what was expected there.
Result<nlohmann::json> ParseJson(std::string_view text, std::string_view context, JsonRules rules = JsonRules::kStrict);

/// `value` on one line for a message, cut after `max_bytes` with "…"; never throws, invalid UTF-8 is replaced.
std::string JsonForMessage(const nlohmann::json& value, std::size_t max_bytes = 80);

}  // namespace warren
