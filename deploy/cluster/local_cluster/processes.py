"""Processes that outlive the command that started them.

A process is known by its pid and its start time, so that a pid that was given to somebody else in the
meantime is never signalled. Every process started here leads a session of its own: its helpers end
with it.
"""

import os
import signal
import subprocess
import time


def start_time(pid):
    """The start time of a process in clock ticks since boot; None if it does not run (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as text:
            fields = text.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def identity(pid):
    """What is recorded of a process: {"pid", "start"}; None if it is gone."""
    start = start_time(pid)
    return None if start is None else {"pid": pid, "start": start}


def alive(process):
    """Whether the recorded process still runs."""
    return bool(process) and start_time(process["pid"]) == process["start"]


def launch(command, environment, log, directory="/"):
    """Starts a command in a session of its own, output to the file `log`; returns its identity."""
    with open(log, "ab") as output:
        child = subprocess.Popen(command, env=environment, cwd=directory, stdin=subprocess.DEVNULL,
                                 stdout=output, stderr=output, start_new_session=True)
    return identity(child.pid)


def with_home(folder):
    """Identities of the processes whose HOME is `folder`: what a cluster started there, recorded or not."""
    wanted = b"HOME=" + os.fsencode(folder)
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environment:
                matches = wanted in environment.read().split(b"\0")
        except OSError:
            continue
        process = identity(int(pid)) if matches else None
        if process:
            found.append(process)
    return found


def _signal_session(process, number):
    """Signals the process and everything in its process group."""
    if not alive(process):
        return
    try:
        os.killpg(process["pid"], number)
    except ProcessLookupError:
        try:
            os.kill(process["pid"], number)
        except ProcessLookupError:
            pass


def reap():
    """Collects children of ours that ended, so that they do not linger as zombies."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def wait_gone(process, timeout_s):
    """Waits until the process is gone; whether it went in time."""
    end = time.monotonic() + timeout_s
    while alive(process):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def kill(process):
    """kill -9, and waits for the end."""
    _signal_session(process, signal.SIGKILL)
    wait_gone(process, 10)


def terminate(process, timeout_s):
    """SIGTERM first, SIGKILL after `timeout_s` seconds."""
    if alive(process):
        try:
            os.kill(process["pid"], signal.SIGTERM)
        except ProcessLookupError:
            return
        if not wait_gone(process, timeout_s):
            kill(process)
