"""What warren-proxy logs: its access log, a line for each request that tells who answered and how long it waited and
was worked on, and not to be forged; and while its broker cannot be reached, what is news once, not each attempt."""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import threading
import time

import pytest

from pika_worker import PikaWorker, response
from support.backend import Response
from support.http_client import Connection, request
from support.management import ManagementApi
from support.waiting import wait_until

CLUSTER_NODES = 1
EXCHANGE = "shard.web"
BUSY_S = 0.3
# One line, every field. Strings that come from outside are quoted, with no quote of their own unescaped.
TEXT_LINE = re.compile(
    r'(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<client>\S+) '
    r'"(?P<method>\S+) (?P<target>(?:[^"\\]|\\.)*) HTTP/1\.(?P<version>\d)" (?P<status>\d{3}) in=(?P<bytes_in>\d+) '
    r'out=(?P<bytes_out>\d+) total_ms=(?P<total_ms>[\d.]+) queue_ms=(?P<queue_ms>[\d.]+|-) work_ms=(?P<work_ms>[\d.]+|-) '
    r'publishings=(?P<publishings>\d+) node=(?P<node>"(?:[^"\\]|\\.)*"|-) shard=(?P<shard>"(?:[^"\\]|\\.)*"|-) '
    r'reason=(?P<reason>"(?:[^"\\]|\\.)*"|-) id=(?P<request_id>\S+)')
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
    wait_until(lambda: [lines(proxy, "warning", message) for message in MESSAGES] == [2, 2], 20, proxy.log_tail)


@pytest.fixture(scope="module", name="stream")
def _stream(cluster, module_programs):
    """A stream of one shard, without a worker; returns the shard's name."""
    api = ManagementApi(cluster.management[0])
    api.define_stream("web", {"shards-per-node": 1, "routing-key": "1", "http": True}, "^shard\\.")
    api.declare_exchange(EXCHANGE)
    module_programs.ctl(cluster, "apply", check=True)
    return next(iter(api.wait_shards(EXCHANGE, 1)))


@pytest.fixture(name="logged")
def _logged(cluster, programs, tmp_path):
    """logged(form, *options) starts a proxy; its `entries()` are the log's lines as dictionaries of text."""
    def start(form, *options):
        path = tmp_path / "access.log"
        made = programs.proxy(cluster, EXCHANGE, "--access-log", path, "--log-format", form, *options)

        def entries(file=path):
            with open(file, encoding="ascii") as text:
                lines = text.read().split("\n")[:-1]
            if form == "json":
                return [{key: None if value is None else str(value) for key, value in json.loads(line).items()}
                        for line in lines]
            found = [TEXT_LINE.fullmatch(line) for line in lines]
            assert all(found), lines
            return [{key: None if value == "-" else value.strip('"') for key, value in each.groupdict().items()}
                    for each in found]
        made.entries, made.path = entries, path
        return made
    return start


def entry(proxy, number):  # pylint: disable=redefined-outer-name
    """A line, once it is there."""
    return wait_until(lambda: proxy.entries()[number], 20, f"line {number} is written")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_tells_who_answered_and_where_the_time_went(cluster, stream, logged, programs, backend, form):
    proxy = logged(form)

    def busy(_):
        time.sleep(BUSY_S)
        return Response(201, [], b"hello")
    with Connection(proxy.port) as client:
        client.send(b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nContent-Length: 3\r\n\r\nabc")
        time.sleep(2 * BUSY_S)  # In the queue, for there is no worker.
        worker = programs.worker(cluster, EXCHANGE, backend("back", busy).url)
        assert client.read().status == 201
        found = entry(proxy, 0)
    expected = {"client": "127.0.0.1", "method": "POST", "target": "/a?b=c", "status": "201", "bytes_in": "3",
                "bytes_out": "5", "publishings": "1", "node": cluster.names[0], "shard": stream, "reason": None,
                "request_id": "mine"}
    assert {key: found[key] for key in expected} == expected
    total, queue, work = (float(found[key]) for key in ("total_ms", "queue_ms", "work_ms"))
    assert queue >= 2000 * BUSY_S and work >= 1000 * BUSY_S and total >= queue + work - 1
    worker.terminate(60)


@pytest.mark.usefixtures("stream")
@pytest.mark.parametrize("form", ["text", "json"])
def test_answers_of_the_proxys_own_have_their_reason(logged, form):
    proxy = logged(form, "--timeout", "4s")  # Enough for the client to leave before its request has timed out.
    assert request(proxy.port, "GET", "/slow").status == 504
    with Connection(proxy.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert client.read().status == 400
    with Connection(proxy.port) as gone:
        gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # It leaves with a reset.
        gone.send(b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: proxy.metric("warren_proxy_requests_in_flight") == 1, 20, "it is in flight", interval=0.01)
    entry(proxy, 2)
    found = [(line["status"], line["target"], line["reason"], line["publishings"]) for line in proxy.entries()]
    assert found[0][:2] == ("504", "/slow") and "in time" in found[0][2] and found[0][3] == "1"
    assert found[1][0] == "400" and found[1][2] and found[1][3] == "0"
    assert found[2] in (("499", "/gone", "the client left", "0"), ("499", "/gone", "the client left", "1"))
    assert all(line["node"] is None and line["queue_ms"] is None for line in proxy.entries())


@pytest.mark.parametrize("form", ["text", "json"])
def test_neither_clients_nor_workers_can_forge_a_line(cluster, stream, logged, form):
    proxy = logged(form)
    evil = 'x"} status=200 \\" reason="y \t<caf\xe9>'

    def answer(*_):
        properties = response()
        properties.headers |= {":node": evil, ":shard": evil, ":worker": evil}
        return properties, b""
    worker = PikaWorker(cluster.amqp[0], [stream], answer)
    targets = ["/\"}", "/a\\", "/%0d%0a", "/\"%20200%20in=0"]
    with Connection(proxy.port) as client:
        for target in targets:
            assert client.request("GET", target, [("X-Request-Id", 'a"b\\c')]).status == 200
        client.send(b"GET /a\x1b[2J HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read().status in (200, 400)
        entry(proxy, len(targets))
    worker.close()
    found = proxy.entries()
    assert len(found) == len(targets) + 1
    if form == "json":
        assert [line["target"] for line in found[:-1]] == targets
        assert {line["shard"] for line in found[:-1]} in ({evil}, {evil.encode().decode("latin-1")})
    assert proxy.metric("warren_proxy_request_seconds_count", node="other", phase="total") >= len(targets)


@pytest.mark.usefixtures("stream")
def test_the_file_may_be_moved_away(logged, tmp_path):
    proxy = logged("json", "--timeout", "50ms")
    moved = tmp_path / "access.log.1"
    with Connection(proxy.port) as client:
        client.request("GET", "/before")
        entry(proxy, 0)
        os.rename(proxy.path, moved)
        client.request("GET", "/between")
        wait_until(lambda: len(proxy.entries(moved)) == 2, 20, "the old file is written on")
        os.kill(proxy.pid, signal.SIGHUP)
        wait_until(proxy.path.exists, 20, "a new file is there")
        client.request("GET", "/after")
        assert entry(proxy, 0)["target"] == "/after"
    assert [line["target"] for line in proxy.entries(moved)] == ["/before", "/between"]
    assert proxy.terminate(60) == 0


def settled_log(proxy):  # pylint: disable=redefined-outer-name
    """What it has said of its connections, once it says no more."""
    last = {"text": "", "since": time.monotonic()}

    def still():
        text = proxy.log()
        if text != last["text"]:
            last.update(text=text, since=time.monotonic())
        return time.monotonic() - last["since"] > 1
    wait_until(still, 30, "its log comes to rest")
    return last["text"]


@pytest.mark.usefixtures("stream")
def test_nothing_is_logged_about_requests_unless_asked(cluster, programs):
    proxy = programs.proxy(cluster, EXCHANGE, "--timeout", "50ms", "--log-level", "debug")
    before = settled_log(proxy)
    with Connection(proxy.port) as client:
        assert [client.request("GET", f"/{number}").status for number in range(20)] == [504] * 20
    os.kill(proxy.pid, signal.SIGHUP)
    assert request(proxy.port, "GET", "/still").status == 504
    assert proxy.log() == before
