// Signals: SIGTERM and SIGINT as every daemon of Warren takes them (the first drains, the second
// aborts), and what it tells its service manager. SIGPIPE is ignored from construction on.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

namespace warren::program {

/// Construct before other threads start. Callbacks run on the executor.
class Signals {
 public:
  /// `on_drain` at the first signal, `on_abort` at the second. An empty `on_abort` ends the process
  /// at once with status 130 (SIGINT) or 143 (SIGTERM).
  Signals(boost::asio::any_io_executor executor, std::function<void()> on_drain, std::function<void()> on_abort = {});
  ~Signals();

  void Stop();  ///< No more callbacks; lets the io_context run out of work. On the executor.

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// sd_notify(3); without a service manager they do nothing.
void NotifyReady();
void NotifyStopping();
void NotifyStatus(const std::string& status);

}  // namespace warren::program
