// Signals and sd_notify: see signals.h.
#include "shardmgr/program/signals.h"

#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "shardmgr/program/logging.h"

namespace warren::program {

class Signals::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, std::function<void()> on_drain, std::function<void()> on_abort)
      : signals_(executor, SIGTERM, SIGINT), on_drain_(std::move(on_drain)), on_abort_(std::move(on_abort)) {}

  void Wait() {
    signals_.async_wait([self = shared_from_this()](const boost::system::error_code& error, int signal) {
      if (!error) self->Take(signal);
    });
  }

  void Stop() {
    boost::system::error_code ignored;
    signals_.cancel(ignored);
  }

 private:
  void Take(int signal) {
    Wait();
    if (!draining_) {
      draining_ = true;
      Log(LogLevel::kInfo, "stopping; a second signal ends it at once",
          {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
      on_drain_();
    } else if (on_abort_) {
      on_abort_();
    } else {
      ::_exit(128 + signal);
    }
  }

  boost::asio::signal_set signals_;
  std::function<void()> on_drain_;
  std::function<void()> on_abort_;
  bool draining_ = false;
};

Signals::Signals(boost::asio::any_io_executor executor, std::function<void()> on_drain, std::function<void()> on_abort)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(on_drain), std::move(on_abort))) {
  std::signal(SIGPIPE, SIG_IGN);
  impl_->Wait();
}

Signals::~Signals() { impl_->Stop(); }
void Signals::Stop() { impl_->Stop(); }

void NotifyReady() { ::sd_notify(0, "READY=1"); }
void NotifyStopping() { ::sd_notify(0, "STOPPING=1"); }
void NotifyStatus(const std::string& status) { ::sd_notify(0, ("STATUS=" + status).c_str()); }

}  // namespace warren::program
