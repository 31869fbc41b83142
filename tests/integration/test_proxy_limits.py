"""warren-proxy's limits, timeouts, threads and end, with a real worker behind it."""

import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from proxy_load import EXCHANGE, Ledger, Load, expected
from support.http_client import Connection, request
from support.management import ManagementApi
from support.ports import free_port
from support.processes import nodes
from support.waiting import always, wait_until

CLUSTER_NODES = 1
GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module", name="ledger")
def _ledger(cluster, module_programs, module_backend):
    """The stream with two shards, a worker and an application behind it."""
    api = ManagementApi(cluster.management[0])
    api.define_stream("web", {"shards-per-node": 2, "routing-key": "1", "http": True}, "^shard\\.")
    api.declare_exchange(EXCHANGE)
    module_programs.ctl(cluster, "apply", check=True)
    made = Ledger()
    back = module_backend("back", made.respond("back"))
    module_programs.worker(cluster, EXCHANGE, back.url, "--concurrency", "64")
    return made


@pytest.fixture(name="held")
def _held(ledger):
    """held(path) waits until the application holds that request; all are let go at the end of the test."""
    ledger.release.clear()
    yield lambda path: wait_until(lambda: path in ledger.held, 20, f"{path} is with the application")
    ledger.release.set()


def test_serves_with_several_threads(cluster, ledger, programs):
    proxy = programs.proxy(cluster, EXCHANGE, "--threads", "2")
    for link in ("publish", "consume"):
        wait_until(lambda which=link: proxy.metric("warren_proxy_links_up", link=which) == 2, 20, f"two threads {link}")
    with Load(proxy.port, 24) as load:
        wait_until(lambda: sum(len(client.answers) for client in load.clients) > 500, 30, "answers come")
    load.check(ledger)
    assert set(load.statuses("plain")) == {200}
    wait_until(lambda: proxy.metric("warren_proxy_connections") == 0, 20, "no connection stays")
    wait_until(lambda: proxy.metric("warren_proxy_requests_in_flight") == 0, 20, "no request stays")
    assert proxy.terminate(25) == 0


@pytest.mark.usefixtures("ledger")
def test_lets_clients_beyond_max_connections_wait(cluster, programs):
    proxy = programs.proxy(cluster, EXCHANGE, "--max-connections", "2")
    with Connection(proxy.port) as first, Connection(proxy.port) as second:
        assert [client.request("GET", "/a").status for client in (first, second)] == [200, 200]
        with Connection(proxy.port) as third:
            third.send(GET % b"/third")
            third.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                third.socket.recv(1, socket.MSG_PEEK)
            assert second.request("GET", "/b").status == 200
            first.close()
            third.socket.settimeout(40)
            assert third.read().body == expected("GET", "/third", b"")


def test_refuses_bodies_beyond_max_bytes(cluster, ledger, programs, held):
    proxy = programs.proxy(cluster, EXCHANGE, "--max-bytes", "100KiB", "--max-body-bytes", "60KiB")
    body = b"x" * 60 * 1024
    with Connection(proxy.port) as first, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(first.request, "POST", "/hold/bytes", body=body)
        held("/hold/bytes")
        with Connection(proxy.port) as second:
            refused = second.request("POST", "/more", body=body)
            assert (refused.status, refused.value("retry-after")) == (503, "1")
        with Connection(proxy.port) as third:  # Of unknown length: charged as it comes.
            third.send(b"POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                       b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            refused = third.read()
            assert (refused.status, refused.value("retry-after")) == (503, "1")
        assert request(proxy.port, "GET", "/small").status == 200
        ledger.release.set()
        assert answer.result(60).body == expected("POST", "/hold/bytes", body)
    wait_until(lambda: proxy.metric("warren_proxy_bytes_in_flight") == 0, 20, "nothing stays charged")
    assert request(proxy.port, "POST", "/more", body=body).status == 200


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("sent, status", [
    (b"GET / HTTP/1.1\r\nHo", 408),
    (GET % b"/" + b"GET / HT", 408),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", 408),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 408),
    (b"", None),
    (GET % b"/", None),
])
def test_ends_connections_that_stand_still(cluster, programs, sent, status):
    long, short = ("60s", "500ms") if status else ("500ms", "60s")
    proxy = programs.proxy(cluster, EXCHANGE, "--idle-timeout", long, "--header-timeout", short,
                           "--body-timeout", short)
    with Connection(proxy.port) as client:
        client.send(sent)
        if sent.startswith(GET % b"/"):
            assert client.read().status == 200
        if status:
            answer = client.read()
            assert (answer.status, answer.value("connection")) == (status, "close")
        assert client.file.read() == b""


@pytest.mark.usefixtures("ledger")
def test_ends_heads_that_trickle(cluster, programs):
    proxy = programs.proxy(cluster, EXCHANGE, "--header-timeout", "1s")
    with Connection(proxy.port) as client:
        stop = threading.Event()

        def trickle():
            client.send(b"GET / HTTP/1.1\r\nX: ")
            while not stop.wait(0.1):
                try:
                    client.send(b"a")
                except OSError:
                    return
        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        assert client.read().status == 408
        stop.set()
        thread.join(5)


def test_waits_for_answers_longer_than_idle_connections_live(cluster, ledger, programs, held):
    proxy = programs.proxy(cluster, EXCHANGE, "--idle-timeout", "300ms", "--header-timeout", "300ms")
    with Connection(proxy.port) as client:
        client.send(GET % b"/hold/idle")
        held("/hold/idle")
        client.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            client.socket.recv(1, socket.MSG_PEEK)
        ledger.release.set()
        client.socket.settimeout(40)
        assert client.read().body == expected("GET", "/hold/idle", b"")


def test_answers_what_is_in_flight_at_sigterm(cluster, ledger, programs, held):
    proxy = programs.proxy(cluster, EXCHANGE, "--threads", "2")
    with Connection(proxy.port) as client, Connection(proxy.port) as idle, Connection(proxy.port) as sending:
        assert idle.request("GET", "/").status == 200
        client.send(GET % b"/hold/term")
        sending.send(b"POST /sent HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        held("/hold/term")
        os.kill(proxy.pid, signal.SIGTERM)
        assert idle.file.read() == b""  # Nothing was in flight there.
        with pytest.raises(OSError):
            Connection(proxy.port).close()
        always(proxy.running, 0.5, "it waits for what is in flight")
        sending.send(b"def")
        ledger.release.set()
        answer = client.read()
        assert (answer.body, answer.value("connection")) == (expected("GET", "/hold/term", b""), "close")
        assert sending.read().body == expected("POST", "/sent", b"abcdef")
    assert proxy.wait(25) == 0


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("arguments, signals", [(["--drain-timeout", "1s"], 1), ([], 2)])
def test_cuts_off_what_does_not_end(cluster, programs, held, arguments, signals):
    proxy = programs.proxy(cluster, EXCHANGE, *arguments)
    with Connection(proxy.port) as client:
        client.send(GET % b"/hold/cut%d" % signals)
        held(f"/hold/cut{signals}")
        os.kill(proxy.pid, signal.SIGTERM)
        if signals == 2:
            wait_until(lambda: "draining" in proxy.log(), 10, "the first one is heard")
            os.kill(proxy.pid, signal.SIGTERM)
        assert proxy.wait(15) == 1  # It would drain for 30 s.
        with pytest.raises(ConnectionError):
            client.read()


@pytest.mark.usefixtures("ledger")
def test_listens_on_ipv6(cluster, programs):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    port = free_port()
    programs.start("warren-proxy", "--exchange", EXCHANGE, "--listen", f"[::1]:{port}", *nodes(cluster))
    with Connection(port, host="::1") as client:
        assert client.request("GET", "/six").body == expected("GET", "/six", b"")
