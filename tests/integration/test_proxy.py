"""warren-proxy on a real broker, with workers in pika that answer as told, and with warren-worker."""

import contextlib
import hashlib
import os
import signal
import socket
import time

import pika
import pytest

from pika_worker import PikaWorker, echo, pika_workers, response
from support import http_client
from support.amqp import connect
from support.backend import Response
from support.waiting import wait_until

CLUSTER_NODES = 1
EXCHANGE = "shard.web"
SHARDS = [f"stream: {EXCHANGE} - test - {index}" for index in range(2)]
SIZES = [0, 1, 65_535, 131_072, 1_000_000, 16 * 1024 * 1024]


def declare(cluster):
    """The exchange and two shards, with the dead-letter exchange from birth."""
    with connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        channel.exchange_declare("warren.dead", "headers", durable=True)
        channel.exchange_declare(EXCHANGE, "x-consistent-hash", durable=True)
        for shard in SHARDS:
            channel.queue_declare(shard, durable=True, arguments={"x-dead-letter-exchange": "warren.dead"})
            channel.queue_bind(shard, EXCHANGE, "1")


@pytest.fixture(name="shards")
def _shards(cluster, clean):  # pylint: disable=unused-argument
    declare(cluster)
    return cluster


@pytest.fixture(name="worker")
def _worker(shards):
    with pika_workers(shards.amqp[0]) as make:
        yield lambda answer=echo: make(SHARDS, answer)


def test_carries_every_method_and_size_byte_for_byte(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE)
    worker()
    with http_client.Connection(proxy.port) as client:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
            answer = client.request(method, "/a?b=%20c")
            assert (answer.status, answer.value("x-method"), answer.value("x-path")) == (200, method, "/a?b=%20c")
        for size in SIZES:
            body = os.urandom(size)
            answer = client.request("POST", "/", body=body)
            assert answer.status == 200
            assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest(), size


def test_keeps_field_values_as_they_are_both_ways(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE)
    seen = worker(lambda headers, body: (
        response(**{"set-cookie": ["a=1", "b=2; Path=/", "c=3"], "x-raw": [b"caf\xe9 \xff"]}), body)).seen
    answer = http_client.request(proxy.port, "GET", "/", [("X-Twice", "1"), ("X-Twice", "2"), ("X-Raw", b"\xe9\xff")])
    assert answer.values("set-cookie") == [b"a=1", b"b=2; Path=/", b"c=3"]
    assert answer.values("x-raw") == [b"caf\xe9 \xff"]
    fields = seen[0][1].headers["http"]
    assert fields["x-twice"] == ["1", "2"]
    assert bytes(fields["x-raw"][0]) == b"\xe9\xff"


def test_takes_the_smallest_answer_there_is(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE)
    worker(lambda headers, body: (pika.BasicProperties(), b"hello"))
    answer = http_client.request(proxy.port, "GET", "/")
    assert (answer.status, answer.body) == (200, b"hello")


def test_answers_pipelined_requests_in_order(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE)
    worker()
    with http_client.Connection(proxy.port) as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(100)))
        assert [client.read().value("x-path") for _ in range(100)] == [f"/{number}" for number in range(100)]


def test_serves_http_1_0_chunks_and_100_continue(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE)
    worker()
    with http_client.Connection(proxy.port) as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert client.read().value("connection") == "close"
        assert client.file.read() == b""
    with http_client.Connection(proxy.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert client.file.readline() == b"\r\n"
        client.send(b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: t\r\n\r\n")
        assert client.read().body == b"hello world"


@pytest.mark.parametrize("head, status", [
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
    (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
])
def test_refuses_ambiguous_requests_and_closes(shards, programs, worker, head, status):
    proxy = programs.proxy(shards, EXCHANGE)
    seen = worker().seen
    with http_client.Connection(proxy.port) as client:
        client.send(head + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read().status == status
        assert client.file.read() == b""
    assert http_client.request(proxy.port, "GET", "/after").status == 200
    assert [entry[1].headers[":path"] for entry in seen] == ["/after"]


def test_gives_a_precise_status_for_each_failure(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE, "--timeout", "3s")
    answers = {"/reject": "reject", "/silent": None,
               "/status": (pika.BasicProperties(type="http.response", headers={":status": "abc"}), b""),
               "/split": (response(**{"x": ["a\r\nb: c"]}), b"")}
    worker(lambda headers, body: answers[headers[":path"]])
    statuses = {path: http_client.request(proxy.port, "GET", path).status for path in answers}
    assert statuses == {"/reject": 502, "/silent": 504, "/status": 502, "/split": 502}
    wait_until(lambda: proxy.metric("warren_proxy_requests_total", status="502") == 3, 20, "each is counted")


def test_answers_503_when_no_shard_is_bound_or_no_exchange_there(cluster, clean, programs):  # pylint: disable=unused-argument
    proxy = programs.proxy(cluster, EXCHANGE, ready=False)
    answer = wait_until(lambda: http_client.request(proxy.port, "GET", "/"), 20, "the proxy listens")
    assert answer.status == 503
    wait_until(lambda: EXCHANGE.encode() in http_client.request(proxy.port, "GET", "/").body, 20, "it is named")
    assert not proxy.is_ready()
    with connect(cluster.amqp[0]) as connection:
        connection.channel().exchange_declare(EXCHANGE, "x-consistent-hash", durable=True)
    proxy.wait_ready()
    answer = http_client.request(proxy.port, "GET", "/")
    assert (answer.status, answer.value("retry-after")) == (503, "1")
    assert b"shard" in answer.body
    with connect(cluster.amqp[0]) as connection:
        connection.channel().exchange_delete(EXCHANGE)
    assert http_client.request(proxy.port, "GET", "/").status == 503
    declare(cluster)
    worker_now = PikaWorker(cluster.amqp[0], SHARDS, echo)
    http_client.wait_serving(proxy.port)
    worker_now.close()


def test_fails_without_consumers_only_when_told(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE, "--no-consumers", "fail", "--management", shards.management[0],
                           "--timeout", "4s")
    wait_until(lambda: http_client.request(proxy.port, "GET", "/").status == 503, 20, "no consumer is noticed")
    worker()
    http_client.wait_serving(proxy.port)


def test_takes_its_connections_up_again(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE)
    worker()
    assert http_client.request(proxy.port, "GET", "/").status == 200
    shards.ctl(0, "close_all_connections", "test")
    replacement = PikaWorker(shards.amqp[0], SHARDS, echo)
    wait_until(lambda: http_client.request(proxy.port, "GET", "/", timeout=5).status == 200, 20, "it serves again")
    wait_until(lambda: proxy.metric("warren_proxy_reconnects_total") >= 1, 20, "it is counted")
    replacement.close()


def test_drains_on_sigterm(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE)

    def slow(headers, body):
        time.sleep(1.5)
        return echo(headers, body)
    seen = worker(slow).seen
    with http_client.Connection(proxy.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: seen, 20, "the request is with the worker")
        os.kill(proxy.pid, signal.SIGTERM)
        answer = client.read()
        assert (answer.status, answer.value("connection")) == (200, "close")
    assert proxy.wait(25) == 0


def test_limits_requests_in_flight(shards, programs):
    proxy = programs.proxy(shards, EXCHANGE, "--max-requests", "2", "--timeout", "3s")
    with http_client.Connection(proxy.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        assert [client.read().status for _ in range(3)] == [504, 504, 503]


def test_ends_clients_that_take_an_answer_too_slowly(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE, "--body-timeout", "500ms")
    worker(lambda headers, body: (response(), b"x" * 16 * 1024 * 1024))
    with http_client.Connection(proxy.port) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(ConnectionResetError):  # Some bytes all the time, but far from 16 KiB in half a second.
            for _ in range(200):
                assert client.socket.recv(1024)
                time.sleep(0.05)
    wait_until(lambda: proxy.metric("warren_proxy_bytes_in_flight") == 0, 20, "the answer's memory is free")


def test_charges_bodies_as_they_arrive_and_not_as_announced(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE, "--max-bytes", "1MiB", "--max-body-bytes", "600KiB")
    worker()
    announced = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(20):  # Twelve times the memory, were it taken at their word.
            stack.enter_context(http_client.Connection(proxy.port)).send(announced + b"x" * 10)
        assert http_client.request(proxy.port, "POST", "/", body=b"y" * 500_000).status == 200
    wait_until(lambda: proxy.metric("warren_proxy_bytes_in_flight") == 0, 20, "nothing stays charged")


def test_survives_clients_that_send_rubbish_or_go_away(shards, programs, worker):
    proxy = programs.proxy(shards, EXCHANGE)
    worker()
    for size in range(1, 200):
        with http_client.Connection(proxy.port) as client:
            client.send(os.urandom(size * 7))
    for _ in range(50):
        with http_client.Connection(proxy.port) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000)
    assert http_client.request(proxy.port, "GET", "/").status == 200
    wait_until(lambda: proxy.metric("warren_proxy_bytes_in_flight") == 0, 30, "nothing stays charged")
    wait_until(lambda: proxy.metric("warren_proxy_connections") == 0, 20, "no connection stays")


def test_is_transparent_between_client_and_back_end(shards, programs, backend):
    back = backend("b", lambda request: Response(
        201, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Set-Cookie", "c=3"), ("X-Raw", "caf\xe9 \xff")],
        request.body))
    proxy = programs.proxy(shards, EXCHANGE, "--expose-origin")
    programs.worker(shards, EXCHANGE, back.url)
    own = {"via", "date", "connection", "warren-node", "warren-shard", "warren-worker"}
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        for size in SIZES if method == "POST" else [0]:
            body = os.urandom(size)
            direct = http_client.request(back.port, method, "/a", [("X-A", b"\xe9")], body)
            through = http_client.request(proxy.port, method, "/a", [("X-A", b"\xe9")], body)
            assert (through.status, through.body) == (direct.status, direct.body)

            def plain(answer):
                return sorted((key.lower(), value) for key, value in answer.fields if key.lower().decode() not in own)
            assert plain(through) == plain(direct)
            assert through.value("warren-shard") in SHARDS
    assert back.requests[-1].values("x-a") == ["\xe9"]
