// See joiners.h.
#include "coordinator/joiners.h"

#include <string>

namespace warren::coordinator {
namespace {

constexpr std::int64_t kTellEveryMs = 10'000;
constexpr std::size_t kMostNamed = 3;

std::string Words(std::size_t joined, std::size_t left) {
  std::string text;
  if (joined > 0) text = std::to_string(joined) + " joined";
  if (left > 0) text += (text.empty() ? "" : ", ") + std::to_string(left) + " left";
  return "consumers: " + text;
}

}  // namespace

void Joiners::Tell(std::int64_t now_ms, const ConsumerBook& book) {
  if (changes_.empty() || now_ms - told_ms_ < kTellEveryMs) return;
  told_ms_ = now_ms;
  if (changes_.size() <= kMostNamed) {
    for (const auto& [stream, change] : changes_) {
      const auto group = book.groups().find(stream);
      const std::size_t now = group == book.groups().end() ? 0 : group->second.size();
      journal_.Add({now_ms, "consumers", stream.vhost, stream.exchange,
                    Words(change.joined, change.left) + "; " + std::to_string(now) + " now"});
    }
  } else {
    Change sum;
    for (const auto& [stream, change] : changes_) {
      sum.joined += change.joined;
      sum.left += change.left;
    }
    journal_.Add("consumers", Words(sum.joined, sum.left) + ", of " + std::to_string(changes_.size()) + " streams; " +
                                  std::to_string(book.size()) + " now");
  }
  changes_.clear();
}

}  // namespace warren::coordinator
