"""warren-worker on a real cluster: which shards it consumes, and what becomes of requests when it,
its application or its node fails. Requests are published with pika: no proxy is needed."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from support.backend import Response
from support.management import part
from support.ports import REPOSITORY
from support.processes import binary, die_with_parent
from support.waiting import wait_until
from worker_calls import STREAM, Caller, holders, make_shards, shard, status


@pytest.fixture
def stream(cluster, clean):
    """The stream with one shard on each node; gives the management API."""
    make_shards(clean, cluster.names)
    return clean


@pytest.fixture
def caller(cluster):
    """A caller on the first node."""
    made = Caller(cluster.amqp[0])
    yield made
    made.close()


def test_covers_its_node_and_uncovered_shards_and_hands_them_over(cluster, stream, programs, backend):
    web = backend("web")
    first, second, third = cluster.names
    programs.worker(cluster, STREAM, web.url, node=0)
    wait_until(lambda: holders(stream) == {shard(name): [first] for name in cluster.names}, 20,
               lambda: f"one worker covers all: {holders(stream)}")
    joined = programs.worker(cluster, STREAM, web.url, node=1)
    expected = {shard(first): [first], shard(second): [second], shard(third): [first]}
    wait_until(lambda: holders(stream) == expected, 20, lambda: f"handed over: {holders(stream)}")
    joined.kill()
    wait_until(lambda: holders(stream) == {shard(name): [first] for name in cluster.names}, 20,
               lambda: f"taken back: {holders(stream)}")


@pytest.mark.usefixtures("stream")
def test_passes_requests_and_responses_through_as_they_are(cluster, programs, backend, caller):
    web = backend("web", lambda request: Response(
        418, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Raw", "caf\xe9"), ("Connection", "X-Hop"),
              ("X-Hop", "gone")], b"\x00\xff" + request.body))
    programs.worker(cluster, STREAM, web.url, node=0)
    properties, body = caller.ask(shard(cluster.names[0]), "PATCH", "/a%20b?c=\u00e9", b"\x01\x02",
                                  {"x-many": ["1", "2"], "x-raw": [b"\xe9"], "connection": ["x-drop"],
                                   "x-drop": ["1"]})
    assert (properties.type, properties.app_id) == ("http.response", "warren")
    assert properties.headers[":status"] == 418
    assert properties.headers[":node"] == cluster.names[0]
    assert properties.headers[":shard"] == shard(cluster.names[0])
    assert properties.headers[":work-us"] > 0
    assert body == b"\x00\xff\x01\x02"
    fields = properties.headers["http"]
    assert fields["set-cookie"] == ["a=1", "b=2"]
    assert "x-hop" not in fields and "content-length" not in fields
    request = web.requests[0]
    assert (request.method, request.body) == ("PATCH", b"\x01\x02")
    assert request.values("Host") == ["site.example"]
    assert request.values("X-Many") == ["1", "2"]
    assert request.values("X-Raw") == ["\xe9"]
    assert not request.values("X-Drop")


@pytest.mark.parametrize("size", [0, 1, 65_535, 131_072, 1_000_000, 16 << 20])
@pytest.mark.usefixtures("stream")
def test_carries_bodies_of_every_size_both_ways(cluster, programs, backend, caller, size):
    web = backend("web", lambda request: Response(200, [], request.body))
    programs.worker(cluster, STREAM, web.url, node=0)
    sent = os.urandom(size)
    assert caller.ask(shard(cluster.names[0]), "POST", "/", sent)[1] == sent


def test_answers_502_when_the_response_is_too_large_and_504_when_it_is_late(cluster, stream, programs, backend, caller):
    def respond(request):
        if request.path == "/late":
            time.sleep(8)
        return Response(200, [], b"x" * 2000)
    web = backend("web", respond)
    programs.worker(cluster, STREAM, web.url, "--max-body-bytes", "1000", "--upstream-timeout", "3s", node=0)
    queue = shard(cluster.names[0])
    assert status(caller.ask(queue, path="/big")) == 502
    assert status(caller.ask(queue, path="/late")) == 504


@pytest.mark.usefixtures("stream")
def test_answers_502_to_what_is_no_request(cluster, programs, backend, caller):
    web = backend("web")
    programs.worker(cluster, STREAM, web.url, node=0)
    queue = shard(cluster.names[0])
    assert status(caller.ask(queue, headers={":path": None})) == 502
    assert status(caller.ask(queue, fields={"x": ["a\r\nb: c"]})) == 502
    assert not web.requests


@pytest.mark.usefixtures("stream")
def test_drops_what_nobody_waits_for_any_more(cluster, programs, backend, caller):
    web = backend("web")
    worker = programs.worker(cluster, STREAM, web.url, node=0)
    queue = shard(cluster.names[0])
    late = caller.send(queue, path="/late", headers={":deadline": int(time.time() * 1000) - 1})
    assert status(caller.ask(queue, path="/now")) == 200
    assert late not in caller.responses
    assert web.executions("/late") == 0
    assert worker.metric("warren_worker_expired_total") == 1


@pytest.mark.usefixtures("stream")
def test_a_killed_worker_s_requests_run_again_unless_that_could_do_harm(cluster, programs, backend, caller):
    hang = threading.Event()
    web = backend("web", lambda request: (hang.wait(60), Response(200))[1])
    worker = programs.worker(cluster, STREAM, web.url, node=0)
    queue = shard(cluster.names[0])
    safe, unsafe = caller.send(queue, "GET", "/get"), caller.send(queue, "POST", "/post")
    wait_until(lambda: len(web.requests) == 2, 20, "both are being worked on")
    worker.kill()
    hang.set()
    second = programs.worker(cluster, STREAM, web.url, node=0)
    caller.wait([safe, unsafe])
    assert status(caller.responses[safe][0]) == 200
    assert status(caller.responses[unsafe][0]) == 502
    assert (web.executions("/get"), web.executions("/post")) == (2, 1)
    assert second.metric("warren_worker_redelivered_total") == 2


def test_runs_no_more_at_once_than_it_was_told(cluster, stream, programs, backend, caller):
    running, most, lock = [0], [0], threading.Lock()

    def respond(_request):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.05)
        with lock:
            running[0] -= 1
        return Response(200)
    web = backend("web", respond)
    programs.worker(cluster, STREAM, web.url, "--concurrency", "2", node=0)
    wait_until(lambda: len(holders(stream)) == 3, 20, "all shards are covered")
    tokens = [caller.send(shard(name)) for name in cluster.names for _ in range(10)]
    caller.wait(tokens)
    assert most[0] == 2


@pytest.mark.usefixtures("stream")
def test_sigterm_finishes_what_is_under_way_and_loses_nothing(cluster, programs, backend, caller):
    web = backend("web", lambda request: (time.sleep(0.05), Response(200))[1])
    leaving = programs.worker(cluster, STREAM, web.url, "--concurrency", "4", node=0)
    queue = shard(cluster.names[0])
    tokens = [caller.send(queue, "POST", f"/{number}") for number in range(60)]
    wait_until(lambda: len(web.requests) >= 4, 20, "it works")
    assert leaving.terminate() == 0
    programs.worker(cluster, STREAM, web.url, node=0)
    caller.wait(tokens)
    assert {status(caller.responses[token][0]) for token in tokens} == {200}
    assert all(len(caller.responses[token]) == 1 for token in tokens)
    assert len(web.requests) == 60


def test_consumes_only_while_the_application_can_be_reached(cluster, stream, programs, backend, caller, free_port):
    port = free_port()
    worker = programs.worker(cluster, STREAM, f"http://127.0.0.1:{port}", node=0, ready=False)
    time.sleep(3)
    assert not holders(stream) and not worker.is_ready()
    queue = shard(cluster.names[0])
    early = caller.send(queue)
    backend("web", port=port)
    caller.wait([early])
    assert status(caller.responses[early][0]) == 200


def test_picks_up_a_stream_that_appears_later(cluster, clean, programs, backend, caller):
    web = backend("web")
    programs.worker(cluster, STREAM, web.url, node=0, ready=False)
    time.sleep(2)
    make_shards(clean, cluster.names)
    wait_until(lambda: len(holders(clean)) == 3, 20, lambda: f"picked up: {holders(clean)}")
    clean.delete(f"queues/%2F/{part(shard(cluster.names[0]))}")
    make_shards(clean, cluster.names)
    wait_until(lambda: len(holders(clean)) == 3, 20, lambda: f"picked up again: {holders(clean)}")
    assert status(caller.ask(shard(cluster.names[0]))) == 200


def refused_declares(cluster, index):
    """How often a node has logged that a declared queue is not there."""
    with open(cluster.status()["nodes"][index]["log"], encoding="utf-8", errors="replace") as log:
        return log.read().count("operation queue.declare caused a channel exception not_found")


def test_finds_its_node_s_shards_without_the_management_api(cluster, stream, programs, backend):
    make_shards(stream, cluster.names, per_node=2)
    web = backend("web")
    local = cluster.names[1]
    programs.start("warren-worker", "--stream", STREAM, "--upstream", web.url, "--node", cluster.amqp[1],
                   "--local-node", local, "--yield-every", "0s")
    expected = {shard(local, 0): [local], shard(local, 1): [local]}
    wait_until(lambda: holders(stream) == expected, 20, lambda: f"its own alone: {holders(stream)}")
    time.sleep(3)
    before = refused_declares(cluster, 1)
    time.sleep(4)
    assert refused_declares(cluster, 1) == before, "it does not ask each second for shards that are not there"
    stream.delete(f"queues/%2F/{part(shard(local))}")
    wait_until(lambda: list(holders(stream)) == [shard(local, 1)], 20, lambda: f"lost one: {holders(stream)}")
    make_shards(stream, cluster.names)
    wait_until(lambda: holders(stream) == expected, 20, lambda: f"found it again: {holders(stream)}")


def test_moves_to_another_node_when_its_own_dies(cluster, stream, programs, backend):
    web = backend("web")
    worker = programs.start("warren-worker", "--stream", STREAM, "--upstream", web.url, "--node", cluster.amqp[2],
                            "--node", cluster.amqp[0], "--management", cluster.management[0])
    wait_until(lambda: len(holders(stream)) == 3, 20, lambda: f"covers all: {holders(stream)}")
    try:
        cluster.kill(2)
        first, second, _ = cluster.names
        wait_until(lambda: {queue: nodes for queue, nodes in holders(stream).items()
                            if queue in (shard(first), shard(second))} ==
                   {shard(first): [first], shard(second): [first]}, 40, lambda: f"moved: {holders(stream)}")
        worker.wait_ready()
        caller = Caller(cluster.amqp[0])
        assert caller.ask(shard(first))[0].headers[":node"] == first
        caller.close()
    finally:
        cluster.start_stopped_nodes()
    wait_until(lambda: len(holders(stream)) == 3, 30, lambda: f"covers the returned shard: {holders(stream)}")


def started_example(command, environment=None):
    """A worker that is no program of ours."""
    # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent,
                            env=os.environ | (environment or {}))


def ended(process):
    """Ends it."""
    process.send_signal(signal.SIGTERM)
    process.wait(30)


@pytest.mark.usefixtures("stream")
def test_the_example_in_python_serves(cluster, caller):
    process = started_example([sys.executable, os.path.join(REPOSITORY, "docs/examples/worker.py"), cluster.amqp[0],
                               STREAM, cluster.names[0], "1"])
    try:
        properties, body = caller.ask(shard(cluster.names[0]), path="/hello?x=1")
        assert properties.headers[":status"] == 200
        assert body == b"GET /hello?x=1\n"
    finally:
        ended(process)


@pytest.mark.usefixtures("stream")
def test_the_example_in_cpp_serves(cluster, caller):
    process = started_example([binary("cpp_worker_example")], {
        "WORKER_STREAM": STREAM, "WORKER_NODE": cluster.amqp[0], "WORKER_MANAGEMENT": cluster.management[0]})
    try:
        assert caller.ask(shard(cluster.names[2]), path="/you")[1] == b"hello, /you\n"
    finally:
        ended(process)
    assert process.returncode == 0
