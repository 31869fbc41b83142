// Clerk: a thread on which answers that block for the broker are made, one behind the other, so that the server's own
// never waits with them. Bounded in number; each is bounded in time by whoever hands it in.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace warren::coordinator {

class Clerk {
 public:
  Clerk() : thread_([this] { Work(); }) {}
  ~Clerk();  ///< Waits for the job that is being done; drops the others.

  /// Any thread. `job` does not throw. False: too many wait already.
  bool Take(std::function<void()> job);

 private:
  void Work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace warren::coordinator
