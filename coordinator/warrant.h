// Warrant: what says, before each step of whoever applies a plan, whether the step may still be taken. The lease
// (lease.h) is one; tests bring their own.
#pragma once

#include <cstdint>
#include <functional>

namespace warren::coordinator {

class Warrant {
 public:
  virtual ~Warrant() = default;

  /// Names the lead that is held now: another number after each loss. 0: none is held. Any thread.
  virtual std::uint64_t term() const = 0;

  /// Whether the lead of that term is still held. `fresh`: by the broker's word, asked for after this call; otherwise
  /// one of the last two seconds will do. Pool's thread; `done` there, perhaps from within.
  virtual void Confirm(std::uint64_t term, bool fresh, std::function<void(bool)> done) = 0;
};

/// A warrant and the term in which a plan was made. Without a warrant everything is allowed.
struct Permit {
  Warrant* warrant = nullptr;
  std::uint64_t term = 0;

  void Confirm(bool fresh, std::function<void(bool)> done) const {
    return warrant == nullptr ? done(true) : warrant->Confirm(term, fresh, std::move(done));
  }
};

}  // namespace warren::coordinator
