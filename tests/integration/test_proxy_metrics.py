"""What warren-proxy tells Prometheus, under real requests: latencies by node and phase, and a counter for every way in
which a request can fail. The manual page and the published rules name what is there."""

import re
import socket
import struct
import threading
import time

import pytest

from pika_worker import echo, pika_workers, response
from support.amqp import connect, ready_count
from support.backend import Response
from support.http_client import Connection, request
from support.management import ManagementApi
from support.ports import REPOSITORY
from support.processes import samples
from support.waiting import wait_until

CLUSTER_NODES = 2
EXCHANGE = "shard.web"
ODD = "odd.web"
BUSY_S = 0.15


@pytest.fixture(scope="module", name="shards")
def _shards(cluster, module_programs, module_backend):
    """A stream with a worker on each node, and another one without any; returns that one's shards."""
    api = ManagementApi(cluster.management[0])
    for name, exchange, queue in (
            ("web", EXCHANGE, {}),
            ("odd", ODD, {"queue": {"arguments": {"x-max-length": 2, "x-overflow": "reject-publish-dlx"}}})):
        api.define_stream(name, {"shards-per-node": 1, "routing-key": "1", "http": True, **queue},
                          f"^{re.escape(exchange)}$")
        api.declare_exchange(exchange)
    module_programs.ctl(cluster, "apply", check=True)
    api.wait_shards(EXCHANGE, 2)
    odd = sorted(api.wait_shards(ODD, 2))

    def busy(_):
        time.sleep(BUSY_S)
        return Response(200, [], b"done")
    for index, name in enumerate(cluster.names):
        module_programs.worker(cluster, EXCHANGE, module_backend(name, busy).url, node=index)
    return odd


@pytest.fixture(name="worker")
def _worker(cluster):
    with pika_workers(cluster.amqp[0]) as make:
        yield make


@pytest.mark.usefixtures("shards")
def test_latencies_are_told_apart_by_node_and_phase(cluster, programs):
    proxy = programs.proxy(cluster, EXCHANGE, "--threads", "2")

    def count(node, phase):
        return proxy.metric("warren_proxy_request_seconds_count", exchange=EXCHANGE, node=node, phase=phase)

    def seconds(phase):
        return proxy.metric("warren_proxy_request_seconds_sum", phase=phase)
    asked = 0
    while not all(count(node, "total") for node in cluster.names):
        assert asked < 60, "one of two nodes answers nothing"
        for _ in range(5):
            assert request(proxy.port, "POST", "/", body=b"abc").status == 200
            asked += 1
    # An answer is counted once it is written, when its client may have it already.
    wait_until(lambda: proxy.metric("warren_proxy_requests_total", method="POST", status="200") == asked, 20, "all are counted")
    for phase in ("total", "queue", "work", "transport"):
        wait_until(lambda which=phase: sum(count(node, which) for node in cluster.names) == asked, 20, phase)
    assert seconds("work") >= asked * BUSY_S
    assert seconds("total") >= seconds("work") + seconds("transport")
    assert proxy.metric("warren_proxy_body_bytes_total", direction="in") == 3 * asked
    assert proxy.metric("warren_proxy_body_bytes_total", direction="out") == 4 * asked
    assert count("none", "total") == 0
    assert request(proxy.port, "CONNECT", "a:1").status == 501
    wait_until(lambda: count("none", "total") == 1, 20, "an answer of the proxy's own is nobody's")


def test_every_failure_is_counted(cluster, shards, programs, worker):
    proxy = programs.proxy(cluster, ODD, "--timeout", "4s")
    api = ManagementApi(cluster.management[0])
    held, release = threading.Event(), threading.Event()

    def answer(headers, body):
        path = headers[":path"]
        if path == "/late":
            held.set()
            release.wait(120)
        return {"/reject": "reject", "/malformed": (response(status="abc"), b""),
                "/twice": [(response(), b"1"), (response(), b"2")]}.get(path) or echo(headers, body)

    def failures(cause):
        return proxy.metric("warren_proxy_failures_total", cause=cause)

    def ask(path):
        return request(proxy.port, "POST", path, body=b"abc").status

    made = worker(shards, answer)
    assert [ask(path) for path in ("/good", "/reject", "/malformed", "/twice")] == [200, 502, 502, 200]
    wait_until(lambda: (failures("rejected"), failures("malformed_reply")) == (1, 1), 20, "both are counted")
    assert proxy.metric("warren_proxy_dead_letters_total", reason="rejected") == 1
    wait_until(lambda: proxy.metric("warren_proxy_dropped_replies_total", reason="malformed") == 1
               and proxy.metric("warren_proxy_dropped_replies_total", reason="unknown") == 1, 20,
               "the second answer is dropped")
    assert ask("/late") == 504 and held.is_set()
    release.set()
    wait_until(lambda: proxy.metric("warren_proxy_dropped_replies_total", reason="late") == 1, 20, "and the late one")
    made.close()

    fill(proxy, len(shards))
    wait_until(lambda: proxy.metric("warren_proxy_nacks_total") >= 1 and failures("nacked") + failures("queue_full") >= 1,
               20, "a full queue refuses")
    wait_until(lambda: proxy.metric("warren_proxy_dead_letters_total", reason="expired") > 0, 20, "what waited expires")
    wait_until(lambda: not any(ready_count(cluster.amqp[0], shard) for shard in shards), 20, "there is room again")
    with Connection(proxy.port) as gone:
        gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # It leaves with a reset.
        gone.send(b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: proxy.metric("warren_proxy_requests_in_flight") >= 1, 20, "it is in flight")
    wait_until(lambda: proxy.metric("warren_proxy_abandoned_total") >= 1, 20, "the client left")

    with connect(cluster.amqp[0]) as connection:
        for shard in shards:
            connection.channel().queue_unbind(shard, ODD, "1")
    wait_until(lambda: ask("/unbound") == 503 and failures("no_shard") >= 1, 20, "no shard is bound")
    assert proxy.metric("warren_proxy_returns_total") >= 1
    api.delete_exchange(ODD)
    wait_until(lambda: ask("/nothing") == 503 and failures("no_exchange") >= 1, 20, "the exchange is gone")


def fill(proxy, shards):
    """More requests than the queues hold; none is answered but by the proxy."""
    clients = [Connection(proxy.port) for _ in range(2 * shards + 12)]
    for client in clients:
        client.send(b"POST /full HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    assert {client.read().status for client in clients} <= {502, 503, 504}
    for client in clients:
        client.close()


@pytest.mark.usefixtures("shards")
def test_what_is_shed_is_counted_by_reason(cluster, programs):
    proxy = programs.proxy(cluster, EXCHANGE, "--max-requests", "1", "--max-bytes", "100KiB", "--max-body-bytes", "90KiB",
                           "--max-connections", "3")
    shed = "warren_proxy_shed_total"
    with Connection(proxy.port) as first, Connection(proxy.port) as second, Connection(proxy.port) as third:
        first.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
        wait_until(lambda: proxy.metric("warren_proxy_bytes_in_flight") > 0, 20, "the only request is taken")
        assert second.request("GET", "/").status == 503
        wait_until(lambda: proxy.metric(shed, reason="requests") == 1, 20, "it is counted")
        first.send(b"b")
        assert first.read().status == 200
        # Its place is free once the answer is written and counted.
        wait_until(lambda: proxy.metric("warren_proxy_requests_total", status="200") == 1, 20, "it is counted")
        assert second.request("GET", "/again").status == 200, "the connection was kept"
        third.request("GET", "/")
        with Connection(proxy.port):
            wait_until(lambda: proxy.metric("warren_proxy_accept_pauses_total", reason="connections") > 0, 20,
                       "a fourth client waits")
    assert proxy.metric(shed, reason="bytes") == 0


def names_in(*parts):
    """Metric names that a file of the repository mentions."""
    with open("/".join((REPOSITORY, *parts)), encoding="utf-8") as text:
        return set(re.findall(r"\bwarren_proxy_[a-z_]+", text.read()))


@pytest.mark.usefixtures("shards")
def test_the_manual_and_the_rules_name_what_is_there(cluster, programs):
    proxy = programs.proxy(cluster, EXCHANGE)
    assert request(proxy.port, "GET", "/").status == 200
    wait_until(lambda: proxy.metric("warren_proxy_requests_total") == 1, 20, "it is counted once it is answered")
    there = {re.sub(r"_(bucket|sum|count)$", "", name) if "seconds_" in name else name
             for name, _, _ in samples(proxy.metrics_text()) if name.startswith("warren_proxy_")}
    with open(f"{REPOSITORY}/docs/man/warren-proxy.1", encoding="utf-8") as text:
        section = text.read().partition(".SH METRICS")[2].partition(".SH ")[0]
    listed = {f"warren_proxy_{name}" for name in re.findall(r"\b([a-z]+(?:_[a-z]+)+|connections)\b",
                                                              re.sub(r"\([^)]*\)", "", section)) if name != "warren_proxy_"}
    assert listed == there, f"only in the manual {listed - there}; only in the program {there - listed}"
    for file in (("deploy", "prometheus", "rules.yml"), ("deploy", "prometheus", "dashboard.json"),
                 ("docs", "operations.md")):
        used = {re.sub(r"_(bucket|sum|count)$", "", name) if "seconds_" in name else name for name in names_in(*file)}
        assert used and used <= there, f"{file[-1]} names {used - there}"
