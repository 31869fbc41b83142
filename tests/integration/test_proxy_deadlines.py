"""A request's deadline and its names from end to end: the proxy's own timer, the queue, the worker, an answer that
comes too late; X-Request-Id and traceparent passed on or made."""

import re
import threading
import time

import pytest

from pika_worker import echo, pika_workers
from support.amqp import ready_count
from support.http_client import Connection, request
from support.management import ManagementApi
from support.waiting import wait_until

CLUSTER_NODES = 1
EXCHANGE = "shard.web"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module", name="shards")
def _shards(cluster, module_programs):
    """Names of the stream's two shards."""
    api = ManagementApi(cluster.management[0])
    api.define_stream("web", {"shards-per-node": 2, "routing-key": "1", "http": True}, "^shard\\.")
    api.declare_exchange(EXCHANGE)
    module_programs.ctl(cluster, "apply", check=True)
    return sorted(api.wait_shards(EXCHANGE, 2))


@pytest.fixture(name="worker")
def _worker(cluster, shards):
    with pika_workers(cluster.amqp[0]) as make:
        yield lambda answer=echo: make(shards, answer)


@pytest.mark.usefixtures("shards")
def test_the_deadline_travels_with_the_request(cluster, programs, worker):
    proxy = programs.proxy(cluster, EXCHANGE, "--timeout", "20s")
    seen = worker().seen
    before = time.time() * 1000
    assert request(proxy.port, "GET", "/").status == 200
    after = time.time() * 1000
    properties = seen[0][1]
    left = int(properties.expiration)
    assert before - 1 <= properties.headers[":deadline"] - left <= after + 1
    assert 20_000 - (after - before) - 1 <= left <= 20_000


def test_the_proxys_own_timer_answers_and_a_late_answer_is_dropped(cluster, shards, programs, worker):
    proxy = programs.proxy(cluster, EXCHANGE, "--timeout", "4s")
    release = threading.Event()

    def late(headers, body):
        if headers[":path"] == "/late":
            release.wait(120)
        return echo(headers, body)
    seen = worker(late).seen
    with Connection(proxy.port) as client:
        answer = client.request("GET", "/late")
        assert (answer.status, answer.body) == (504, b"no answer in time\n")
        assert answer.value("connection") is None and len(seen) == 1
        release.set()
        wait_until(lambda: proxy.metric("warren_proxy_dropped_replies_total") == 1, 20, "the late answer came")
        answer = client.request("GET", "/next")
        assert (answer.status, answer.value("x-path")) == (200, "/next")
    wait_until(lambda: proxy.metric("warren_proxy_requests_in_flight") == 0, 20, "both have ended")
    assert proxy.metric("warren_proxy_deadlines_total") == 1
    assert proxy.metric("warren_proxy_failures_total", cause="deadline") == 1
    wait_until(lambda: proxy.metric("warren_proxy_requests_total", method="GET", status="504") == 1, 20, "it is counted")
    assert all(ready_count(cluster.amqp[0], shard) == 0 for shard in shards)


def test_what_expires_in_the_queue_is_never_run(cluster, shards, programs, backend):
    proxy = programs.proxy(cluster, EXCHANGE, "--timeout", "700ms")
    application = backend("application")
    with Connection(proxy.port) as client:
        assert [client.request("GET", f"/expired/{number}").status for number in range(4)] == [504] * 4
        wait_until(lambda: all(ready_count(cluster.amqp[0], shard) == 0 for shard in shards), 20, "the queues are empty")
        wait_until(lambda: proxy.metric("warren_proxy_dead_letters_total", reason="expired") == 4, 20, "all came back")
        worker = programs.worker(cluster, EXCHANGE, application.url)
        wait_until(lambda: client.request("GET", "/served").status == 200, 20, "the worker serves")
    assert {each.path for each in application.requests} == {"/served"}
    assert worker.terminate(60) == 0


@pytest.mark.usefixtures("shards")
def test_a_request_waits_for_its_first_worker(cluster, programs, backend):
    proxy = programs.proxy(cluster, EXCHANGE)
    application = backend("application")
    with Connection(proxy.port) as client:
        client.send(b"POST /waits HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
        wait_until(lambda: proxy.metric("warren_proxy_requests_in_flight") == 1, 20, "it is in a queue")
        programs.worker(cluster, EXCHANGE, application.url)
        assert client.read().status == 200
    assert application.executions("/waits") == 1


IDS = [
    ("X-Request-Id", "an-id.of/the:client", True),
    ("X-Request-Id", "x" * 128, True),
    ("X-Request-Id", "x" * 129, False),
    ("X-Request-Id", "two words", False),
    ("X-Request-Id", "caf\xe9", False),
    ("traceparent", TRACE, True),
    ("traceparent", TRACE.replace("00-0af", "ff-0af"), False),
    ("traceparent", TRACE.upper(), False),
    ("traceparent", "00-" + "0" * 32 + "-b7ad6b7169203331-01", False),
    ("traceparent", TRACE + "-more", False),
]


@pytest.mark.usefixtures("shards")
def test_ids_are_passed_on_when_they_are_good_and_made_when_not(cluster, programs, worker):
    proxy = programs.proxy(cluster, EXCHANGE)
    seen = worker().seen
    with Connection(proxy.port) as client:
        for name, value, kept in [*IDS, (None, None, False)]:
            assert client.request("GET", "/", [(name, value)] if name else []).status == 200
            properties = seen[-1][1]
            request_id, trace = properties.message_id, properties.headers["traceparent"]
            assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", trace) and trace[3:35] != "0" * 32
            assert re.fullmatch(r"[!-~]{1,128}", request_id)
            if name:
                assert (value in (request_id, trace)) == kept, value
    made = {properties.message_id for _, properties, _ in seen}
    assert len(made) == len(seen), "made ids differ"
