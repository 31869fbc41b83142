// The only user of PCRE2.
#include "policies/pattern.h"

#include <fmt/format.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

namespace warren::policies {
namespace {

constexpr std::uint32_t kMatchLimit = 100'000;       ///< Internal calls of one match.
constexpr std::uint32_t kHeapLimitKibibytes = 1024;  ///< Memory for backtracking of one match.

std::string MessageOf(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

struct MatchData {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  MatchData() = default;
  MatchData(const MatchData&) = delete;
  MatchData& operator=(const MatchData&) = delete;
  ~MatchData() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

}  // namespace

Result<Pattern> Pattern::Compile(std::string_view pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), 0, &error, &offset, nullptr);
  if (code == nullptr) {
    return Fail(ErrorCode::kInvalid, fmt::format("'{}' is not a regular expression (PCRE2): {} at offset {}", pattern,
                                                 MessageOf(error), offset));
  }
  return Pattern(std::shared_ptr<const void>(
      code, [](const void* owned) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(owned))); }));
}

Result<bool> Pattern::Matches(std::string_view subject) const {
  const MatchData match;
  if (match.data == nullptr || match.context == nullptr) return Fail(ErrorCode::kInternal, "out of memory");
  pcre2_set_match_limit(match.context, kMatchLimit);
  pcre2_set_heap_limit(match.context, kHeapLimitKibibytes);
  const int found =
      pcre2_match(static_cast<const pcre2_code*>(code_.get()), reinterpret_cast<PCRE2_SPTR>(subject.data()),
                  subject.size(), 0, 0, match.data, match.context);
  if (found >= 0) return true;
  if (found == PCRE2_ERROR_NOMATCH) return false;
  return Fail(ErrorCode::kInvalid, fmt::format("the pattern gave up on '{}': {}; write one that backtracks "
                                               "less",
                                               subject, MessageOf(found)));
}

}  // namespace warren::policies
