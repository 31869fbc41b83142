// The budget that all I/O threads share: connections, requests and bytes in flight. Lock-free.
#pragma once

#include <atomic>
#include <cstddef>

namespace warren::proxy {

/// A counter with a ceiling.
class Budget {
 public:
  explicit Budget(std::size_t most) : most_(most) {}

  /// Takes `amount` unless that would exceed the ceiling.
  bool TryTake(std::size_t amount) {
    const std::size_t before = used_.fetch_add(amount, std::memory_order_relaxed);
    if (amount <= most_ && before <= most_ - amount) return true;
    used_.fetch_sub(amount, std::memory_order_relaxed);
    return false;
  }
  /// Whether TryTake(amount) would have worked just now.
  bool HasRoomFor(std::size_t amount) const { return amount <= most_ && used() <= most_ - amount; }
  /// Takes without asking: for what is already there and cannot be refused.
  void Take(std::size_t amount) { used_.fetch_add(amount, std::memory_order_relaxed); }
  void Give(std::size_t amount) { used_.fetch_sub(amount, std::memory_order_relaxed); }
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const std::size_t most_;
  std::atomic<std::size_t> used_{0};
};

struct Limits {
  Limits(std::size_t max_connections, std::size_t max_requests, std::size_t max_bytes)
      : connections(max_connections), requests(max_requests), bytes(max_bytes) {}
  Budget connections, requests, bytes;
};

}  // namespace warren::proxy
