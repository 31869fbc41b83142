"""The memory of warren-proxy and warren-worker is bounded whatever clients do: thousands of idle connections, slow heads,
slow bodies, readers that do not read, floods of pipelined requests, requests that no worker takes; and running out of
file descriptors ends nothing. What is measured is resident memory, against bounds that follow from the limits."""

import contextlib
import os
import resource
import socket
import time

import pytest

from support.backend import Response
from support.http_client import Connection, request, wait_serving
from support.management import ManagementApi
from support.ports import free_port
from support.processes import Program, binary, nodes
from support.waiting import wait_until

CLUSTER_NODES = 1
EXCHANGE, IDLE_EXCHANGE = "shard.web", "shard.idle"
CONNECTIONS = 4_000
HELD = 3_000
MIB = 1 << 20
MAX_BYTES = 32 * MIB
LARGE = MIB // 2
PER_CONNECTION = 32 * 1024
SLACK = 24 * MIB  # The allocator's, and buffers of the two connections to the broker.
LIMITS = ["--max-connections", CONNECTIONS + 500, "--max-requests", HELD, "--max-bytes", "32MiB", "--max-body-bytes", "2MiB",
          "--header-timeout", "60s", "--body-timeout", "60s"]
SANITIZED = bool(os.environ.get("WARREN_TEST_SANITIZE"))  # Sanitizers keep freed memory and shadow the rest.


@pytest.fixture(scope="module", autouse=True, name="descriptors")
def _descriptors():
    """Enough for the tests, which hold one for each client; root may raise the hard limit as well."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = max(before[1], CONNECTIONS + 2_000) if before[1] != resource.RLIM_INFINITY else before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (CONNECTIONS + 2_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module", name="worker")
def _worker(cluster, module_programs, module_backend):
    """Two streams; the worker serves one of them. /large is answered with LARGE bytes."""
    api = ManagementApi(cluster.management[0])
    api.define_stream("web", {"shards-per-node": 2, "routing-key": "1", "http": True}, "^shard\\.")
    for exchange in (EXCHANGE, IDLE_EXCHANGE):
        api.declare_exchange(exchange)
    module_programs.ctl(cluster, "apply", check=True)
    large = b"x" * LARGE
    back = module_backend("back", lambda asked: Response(200, [], large if asked.path == "/large" else b"small"))
    return module_programs.worker(cluster, EXCHANGE, back.url)


@pytest.fixture(name="proxy")
def _proxy(cluster, worker, programs):  # pylint: disable=unused-argument
    made = programs.proxy(cluster, EXCHANGE, *LIMITS)
    wait_serving(made.port)
    return made


def memory(program):
    """Resident bytes."""
    with open(f"/proc/{program.pid}/status", encoding="ascii") as text:
        return next(int(line.split()[1]) * 1024 for line in text if line.startswith("VmRSS:"))


def check(program, before, bound):
    """Grown by no more than `bound` bytes."""
    grown = memory(program) - before
    assert SANITIZED or grown < bound, f"{program.name} grew by {grown / MIB:.1f} MiB, more than {bound / MIB:.1f} MiB"


@contextlib.contextmanager
def clients(proxy, count, receive_bytes=None):
    """That many open connections, all of them accepted."""
    made = []
    try:
        for _ in range(count):
            client = socket.socket()
            if receive_bytes:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            client.settimeout(30)
            client.connect(("127.0.0.1", proxy.port))
            made.append(client)
        wait_until(lambda: proxy.metric("warren_proxy_connections") == count, 20, "all are accepted")
        yield made
    finally:
        for client in made:
            client.close()
    wait_until(lambda: proxy.metric("warren_proxy_connections") == 0, 20, "all are gone")
    wait_until(lambda: proxy.metric("warren_proxy_bytes_in_flight") == 0, 20, "nothing stays charged")
    wait_until(lambda: proxy.metric("warren_proxy_requests_in_flight") == 0, 20, "nothing is left of them")


def answers(program):
    """A new client is served, whatever the others do."""
    return request(program.port, "GET", "/", timeout=60).status == 200


def test_idle_connections_and_slow_heads_cost_little(proxy):
    before = memory(proxy)
    with clients(proxy, CONNECTIONS) as made:
        check(proxy, before, CONNECTIONS * PER_CONNECTION // 2)
        for client in made[:1_000]:  # Some that were used, with a large head, and are idle now.
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: %s\r\n\r\n" % (b"c" * 12_000))
        for client in made[:1_000]:
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        check(proxy, before, CONNECTIONS * PER_CONNECTION)
        assert answers(proxy)
        for client in made[1_000:]:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: " + b"c" * 15_000)
        assert answers(proxy)
        check(proxy, before, CONNECTIONS * PER_CONNECTION + SLACK)


@pytest.mark.parametrize("framing", [b"Content-Length: 1048576", b"Transfer-Encoding: chunked"])
def test_announced_bodies_cost_what_came_of_them(proxy, framing):
    before = memory(proxy)
    with clients(proxy, HELD) as made:
        for client in made:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
        for client in made:
            client.sendall(b"1\r\ny")
        wait_until(lambda: proxy.metric("warren_proxy_bytes_in_flight") >= 50 * HELD, 20, "all heads are there")
        time.sleep(0.5)  # For the pieces.
        check(proxy, before, HELD * PER_CONNECTION)
        assert proxy.metric("warren_proxy_shed_total") == 0


def test_slow_bodies_are_bounded_by_max_bytes(proxy):
    before = memory(proxy)
    with clients(proxy, 2_000) as made:
        for number, client in enumerate(made):
            head = b"Content-Length: 1048576" if number % 2 else b"Transfer-Encoding: chunked"
            piece = b"y" * 40_000 if number % 2 else b"9c40\r\n" + b"y" * 40_000
            with contextlib.suppress(OSError):  # Refused, and closed, in the middle of it.
                client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n" + piece)
        wait_until(lambda: proxy.metric("warren_proxy_shed_total", reason="bytes") > 500, 20, "most are refused")
        check(proxy, before, MAX_BYTES + 2_000 * PER_CONNECTION + SLACK)
        assert proxy.metric("warren_proxy_bytes_in_flight") <= MAX_BYTES
    assert answers(proxy)


def test_answers_that_nobody_reads_are_bounded_by_max_bytes(proxy, worker):
    before, worker_before = memory(proxy), memory(worker)
    with clients(proxy, 120, receive_bytes=4_096) as made:
        for client in made:
            client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: sum(proxy.metric("warren_proxy_requests_total", status=status) for status in ("200", "503"))
                   + proxy.metric("warren_proxy_bytes_in_flight") // LARGE >= 115, 40,
                   "each is answered, refused, or held")
        wait_until(lambda: proxy.metric("warren_proxy_shed_total", reason="answer_bytes") > 0, 20, "some are dropped")
        check(proxy, before, 2 * MAX_BYTES + SLACK)
        assert proxy.metric("warren_proxy_bytes_in_flight") <= MAX_BYTES + LARGE
        assert answers(proxy), "small answers go on"
        check(worker, worker_before, 128 * MIB)


def test_floods_of_pipelined_requests_are_taken_at_the_pace_of_their_answers(proxy):
    flood = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 3_000
    before = memory(proxy)
    with clients(proxy, 20, receive_bytes=4_096) as made:
        for client in made:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.send(flood)
        wait_until(lambda: proxy.metric("warren_proxy_shed_total", reason="answer_bytes") > 0, 30, "answers pile up")
        assert proxy.metric("warren_proxy_requests_in_flight") <= 20 * 16
        check(proxy, before, 2 * MAX_BYTES + SLACK)
        assert answers(proxy)


@pytest.mark.usefixtures("worker")
def test_requests_that_no_worker_takes_are_bounded_and_leave_nothing_behind(cluster, programs):
    proxy = programs.proxy(cluster, IDLE_EXCHANGE, *LIMITS, "--timeout", "15s")  # All of them are there before the first expires.
    before = memory(proxy)
    fields = b"".join(b"X-Field-%d: some value of a field\r\n" % number for number in range(40))
    after = []
    for _ in range(2):
        with clients(proxy, HELD + 100) as made:
            for client in made:
                client.sendall(b"GET /held HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
            wait_until(lambda: proxy.metric("warren_proxy_requests_in_flight") == HELD, 20, "they wait in the queues")
            wait_until(lambda: proxy.metric("warren_proxy_shed_total", reason="requests") >= 100, 20, "the rest is refused")
            check(proxy, before, HELD * PER_CONNECTION + SLACK)
            statuses = [client.recv(4096)[:16] for client in made]
            assert statuses.count(b"HTTP/1.1 504 Gat") == HELD, set(statuses)
            assert statuses.count(b"HTTP/1.1 503 Ser") == 100
        after.append(memory(proxy))
    assert SANITIZED or after[1] - after[0] < SLACK, after


def cpu_seconds(program):
    """Processor time used so far."""
    with open(f"/proc/{program.pid}/stat", encoding="ascii") as text:
        fields = text.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_running_out_of_file_descriptors_pauses_accepting_and_nothing_else(proxy):
    with Connection(proxy.port) as served:
        assert served.request("GET", "/").status == 200
        limits = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
        in_use = len(os.listdir(f"/proc/{proxy.pid}/fd"))
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (in_use + 3, limits[1]))
        waiting = [Connection(proxy.port) for _ in range(20)]
        wait_until(lambda: "cannot accept clients" in proxy.log(), 20, proxy.log_tail)
        used, started = cpu_seconds(proxy), time.monotonic()
        assert served.request("GET", "/").status == 200, "who is connected is served"
        time.sleep(1)
        assert cpu_seconds(proxy) - used < 0.5 * (time.monotonic() - started), "it does not spin"
        assert proxy.log().count("cannot accept clients") == 1, "said once"
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, limits)
        assert [client.request("GET", "/").status for client in waiting] == [200] * 20
        for client in waiting:
            client.close()
    assert proxy.metric("warren_proxy_accept_pauses_total", reason="error") > 0


@pytest.mark.usefixtures("worker")
def test_a_low_limit_of_open_files_is_raised_or_told(cluster, tmp_path):
    port, metrics_port = free_port(), free_port()
    command = [binary("warren-proxy"), "--exchange", EXCHANGE, "--listen", f"127.0.0.1:{port}", "--metrics-listen",
               f"127.0.0.1:{metrics_port}", *nodes(cluster), "--max-connections", "1000"]
    for soft, hard, fits in ((128, 4096, True), (128, 160, False)):
        log = str(tmp_path / f"{hard}.log")
        proxy = Program(["/usr/bin/prlimit", f"--nofile={soft}:{hard}", *command], log, metrics_port)
        try:
            proxy.wait_ready()
            assert resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE) == (hard, hard)
            assert ("--max-connections does not fit" in proxy.log()) == (not fits)
            with contextlib.ExitStack() as stack:
                made = [stack.enter_context(Connection(port)) for _ in range(200)]
                assert made[0].request("GET", "/").status == 200
                wait_until(lambda: proxy.metric("warren_proxy_connections") == (200 if fits else 84), 20, proxy.log_tail)
                assert proxy.metric("warren_proxy_accept_pauses_total", reason="error") == 0
        finally:
            proxy.terminate(40)
