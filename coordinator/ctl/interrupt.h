// Ctrl-C during a command that goes on until it is told to end: SIGINT and SIGTERM end the wait, the second the
// process.
#pragma once

#include <chrono>

namespace warren::ctl {

/// From now on the first of each of these signals is noted; the second does what it does by default. Once in a process,
/// before threads start that are to be left alone.
void NoteInterrupts();

/// Waits for `duration`, or until one of them came (also before). True: it came.
bool WaitOrInterrupted(std::chrono::milliseconds duration);

}  // namespace warren::ctl
