"""warrenctl for who watches it: status again and again, progress on a terminal, Ctrl-C."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import termios

import pytest

from support.processes import binary, program_environment, urls
from support.waiting import wait_until

CLUSTER_NODES = 1
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.web"


@pytest.fixture(name="stream")
def fixture_stream(clean, ctl):
    """stream(shards) makes EXCHANGE a stream with that many shards."""
    def make(shards):
        clean.define_stream("web", {"shards-per-node": shards}, "^shard")
        clean.declare_exchange(EXCHANGE)
        ctl("apply", check=True)
    return make


def watching(cluster, *options, output):
    """status --watch in the background."""
    # pylint: disable-next=consider-using-with
    return subprocess.Popen([binary("warrenctl"), *urls(cluster), "status", "--watch", "--interval", "200ms", *options],
                            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, text=True,
                            env=program_environment())


def end_of(process):
    """Ctrl-C, and the exit code."""
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(20)
    finally:
        process.kill()


def test_status_watch_appends_looks_with_the_time_something_began(cluster, ctl, clean, stream, tmp_path):
    stream(1)
    with open(tmp_path / "out", "w", encoding="utf-8") as output:
        process = watching(cluster, output=output)

    def seen():
        return (tmp_path / "out").read_text()
    wait_until(lambda: seen().count("Seen ") >= 2, 20, seen)
    assert "since" not in seen()
    ctl("set_parameter", "stream-definition", "web", '{"shards-per-node": 2}', check=True)
    wait_until(lambda: "ActionsPending  since 20" in seen(), 20, seen)
    assert end_of(process) == 0
    assert "\x1b" not in seen() and clean.shards(EXCHANGE)


def test_status_watch_redraws_a_terminal_in_place(cluster, stream):
    stream(1)
    main, side = pty.openpty()
    process = watching(cluster, output=side)
    os.close(side)
    text = b""
    while text.count(b"\x1b[H\x1b[2J") < 3:
        text += os.read(main, 4096)
    assert end_of(process) == 0
    os.close(main)
    assert EXCHANGE.encode() in text and b"\x1b[3J" not in text, "what was scrolled out stays"


def test_status_tells_programs_of_parameters_that_are_wrong(ctl, clean):
    clean.set_global("stream-definition.wrong", {"shards-per-node": 0})
    for formatter in ("json", "csv"):
        result = ctl("--formatter", formatter, "status")
        assert result.returncode == 0 and "Warning: " in result.stderr and "'wrong'" in result.stderr, result.stderr
        assert "InvalidParameter" in result.stdout and "'wrong'" in result.stdout, result.stdout
    seen = json.loads(ctl("--formatter", "json", "status", check=True).stdout)
    assert seen["error"] is None and seen["streams"] == [] and seen["observed_at"] > "2020"


def test_a_second_interrupt_ends_a_look_that_hangs():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        nobody.settimeout(20)
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([binary("warrenctl"), "status", "--watch", "--timeout", "10m", "--coordinator",
                                    f"http://127.0.0.1:{nobody.getsockname()[1]}"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=program_environment())
        try:
            with nobody.accept()[0]:
                def ended():
                    process.send_signal(signal.SIGINT)
                    return process.poll() is not None
                wait_until(ended, 20, "the end of the program")
            assert process.wait(1) == -signal.SIGINT
        finally:
            process.kill()
            process.wait(20)


@pytest.mark.parametrize("columns", [0, 20])
def test_progress_rewrites_one_line_of_a_terminal(cluster, ctl, stream, columns):
    stream(3)
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen([binary("warrenctl"), *urls(cluster), "purge_stream", EXCHANGE], stdin=subprocess.DEVNULL,
                               stdout=side, stderr=side, env=program_environment())
    os.close(side)
    text = b""
    with contextlib.suppress(OSError):  # The other end closes when the program ends.
        while chunk := os.read(main, 4096):
            text += chunk
    os.close(main)
    assert process.wait(20) == 0
    assert text.count(b"\r\x1b[KPurging shard") == 3, text
    assert ("Purging shard 3 of …" if columns else "Purging shard 3 of 3 ...") + "\r\nqueue" in text.decode(), text
    assert ctl("-q", "purge_stream", EXCHANGE, check=True).stdout.startswith("queue")
