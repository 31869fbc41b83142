// A handler that writes to a pipe, and a wait that reads from it.
#include "coordinator/ctl/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace warren::ctl {
namespace {

int g_pipe[2] = {-1, -1};

void OnSignal(int) {
  const int before = errno;
  [[maybe_unused]] const auto written = write(g_pipe[1], "x", 1);
  errno = before;
}

}  // namespace

void NoteInterrupts() {
  if (pipe2(g_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART | SA_RESETHAND;  // Who does not want to wait for the end of a request says it twice.
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool WaitOrInterrupted(std::chrono::milliseconds duration) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + duration;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd wakeup{g_pipe[0], POLLIN, 0};
    const int ready = poll(&wakeup, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready > 0) return true;  // What was written stays in the pipe: the next wait ends at once too.
    if (ready == 0 || errno != EINTR) return false;
  }
}

}  // namespace warren::ctl
