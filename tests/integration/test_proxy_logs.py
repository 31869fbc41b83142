"""What warren-proxy logs while its broker cannot be reached: what is news once, not each attempt."""

import contextlib
import socket
import threading

import pytest

from support.waiting import wait_until

MESSAGES = ("cannot connect to publish", "cannot connect to consume")


@pytest.fixture
def proxy(programs, free_port):
    """A proxy of one thread whose only node is a port where nothing listens; the port is `.node_port`."""
    port = free_port()
    made = programs.start("warren-proxy", "--exchange", "shard.web", "--listen", "127.0.0.1:0", "--threads", "1", "--node",
                          f"127.0.0.1:{port}", "--log-level", "debug", "--log-format", "json", ready=False)
    made.node_port = port
    return made


def lines(proxy, level, message):  # pylint: disable=redefined-outer-name
    """How many lines of this level say that."""
    return sum(f'"level":"{level}"' in line and f'"message":"{message}"' in line for line in proxy.log().splitlines())


def test_a_node_that_stays_away_is_one_warning_and_then_debug_lines(proxy):
    wait_until(lambda: all(lines(proxy, "debug", message) >= 3 for message in MESSAGES), 30, proxy.log_tail)
    assert [lines(proxy, "warning", message) for message in MESSAGES] == [1, 1], proxy.log_tail()


class NotABroker(threading.Thread):
    """Answers whoever connects as no broker would."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.answered = 0
        self.start()

    def run(self):
        with self.listener:
            while True:
                with contextlib.suppress(OSError), self.listener.accept()[0] as client:
                    client.recv(8)
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    self.answered += 1


def test_another_reason_is_a_warning_again(proxy):
    wait_until(lambda: all(lines(proxy, "debug", message) >= 1 for message in MESSAGES), 30, proxy.log_tail)
    other = NotABroker(proxy.node_port)
    wait_until(lambda: other.answered >= 6, 40, "it goes on trying")
    assert [lines(proxy, "warning", message) for message in MESSAGES] == [2, 2], proxy.log_tail()
