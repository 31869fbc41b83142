"""warren-worker beside applications, brokers and management APIs that come and go: several upstreams, health
checks, a second SIGTERM, connections that break. Requests are published with pika."""

import os
import signal
import threading

import pytest

from raw_backend import OK, RawBackend, always
from support import amqp
from support.management import part
from support.waiting import always as always_true
from support.waiting import wait_until
from worker_calls import STREAM, Caller, holders, make_shards, shard, status

CLUSTER_NODES = 1
CHANNELS = 8
CLUSTER_SETTINGS = [f"channel_max = {CHANNELS}"]
UNHEALTHY = b"HTTP/1.1 503 Unwell\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def stream(cluster, clean):
    """The stream with its one shard; gives the management API."""
    make_shards(clean, cluster.names)
    return clean


@pytest.fixture
def queue(cluster):
    """The shard's name."""
    return shard(cluster.names[0])


@pytest.fixture
def caller(cluster):
    """A caller on the node."""
    made = Caller(cluster.amqp[0])
    yield made
    made.close()


@pytest.fixture
def application():
    """application(script) starts a scripted application."""
    made = []

    def make(script=always(OK)):
        made.append(RawBackend(script))
        return made[-1]
    yield make
    for each in made:
        each.close()


def behind(relay, programs, application, *arguments, management=None, **options):
    """A worker whose broker is reached through a relay."""
    return programs.start("warren-worker", "--stream", STREAM, "--upstream", application.url, "--node", relay.address,
                          "--management", management, *arguments, **options)


@pytest.mark.usefixtures("stream")
def test_asks_several_applications_in_turn_and_leaves_out_the_dead(cluster, programs, application, caller, queue,
                                                                   free_port):
    living, leaving = application(), application()
    worker = programs.worker(cluster, STREAM, living.url, "--upstream", f"http://127.0.0.1:{free_port()}",
                             "--upstream", leaving.url)

    def ask(number):
        tokens = [caller.send(queue, "POST", "/x") for _ in range(number)]
        caller.wait(tokens)
        assert {status(caller.responses[token][0]) for token in tokens} == {200}
    wait_until(lambda: (ask(4), living.count("/x") and leaving.count("/x"))[1], 20, "both are asked")
    before = living.count("/x"), leaving.count("/x")
    ask(30)
    assert living.count("/x") - before[0] >= 10 and leaving.count("/x") - before[1] >= 10
    leaving.close()
    address = leaving.url.removeprefix("http://")
    wait_until(lambda: worker.metric("warren_worker_upstream_connections", upstream=address) == 0, 20, "its connections ended")
    before = living.count("/x")
    ask(30)
    assert living.count("/x") - before == 30


def test_consumes_only_while_the_health_path_says_so(cluster, stream, programs, application, caller, queue):
    answer = [UNHEALTHY]

    def script(request, connection):
        connection.sendall(answer[0] if request.path == "/health?deep=1" else OK)
    web = application(script)
    worker = programs.worker(cluster, STREAM, web.url, "--health-path", "/health?deep=1", "--host-header",
                             "app.internal:81", ready=False)
    wait_until(lambda: web.count("/health?deep=1") >= 2, 20, "it is asked for its health")
    assert not holders(stream) and not worker.is_ready()
    early = caller.send(queue)
    answer[0] = OK
    caller.wait([early])
    assert status(caller.responses[early][0]) == 200
    assert {host for request in web.requests for host in request.values("Host")} == {b"app.internal:81"}
    answer[0] = UNHEALTHY
    wait_until(lambda: not holders(stream) and not worker.is_ready(), 20, "it stops consuming")
    waiting = caller.send(queue, path="/waits")
    always_true(lambda: not web.count("/waits"), 1.5)
    answer[0] = OK
    caller.wait([waiting])
    assert status(caller.responses[waiting][0]) == 200
    worker.wait_ready()


@pytest.mark.usefixtures("stream")
def test_a_second_sigterm_ends_it_at_once_and_the_broker_requeues(cluster, programs, application, caller, queue):
    hang = threading.Event()

    def script(request, connection):
        hang.wait(120)
        return always(OK)(request, connection)
    web = application(script)
    worker = programs.worker(cluster, STREAM, web.url)
    safe, unsafe = caller.send(queue, "GET", "/get"), caller.send(queue, "POST", "/post")
    wait_until(lambda: len(web.requests) == 2, 20, "both are being worked on")
    worker.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "draining" in worker.log(), 10, "it drains")
    always_true(worker.running, 0.3)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 128 + signal.SIGTERM  # It would drain for 30 s.
    wait_until(lambda: amqp.ready_count(cluster.amqp[0], queue) == 2, 20, "both are requeued")
    hang.set()
    programs.worker(cluster, STREAM, web.url)
    caller.wait([safe, unsafe])
    assert status(caller.responses[safe][0]) == 200
    assert status(caller.responses[unsafe][0]) == 502
    assert (web.count("/get"), web.count("/post")) == (2, 1)


@pytest.mark.usefixtures("stream")
def test_sigterm_ends_it_only_when_a_large_answer_is_with_the_broker(cluster, programs, application, relay, caller,
                                                                      queue):
    large, ended = os.urandom(16 << 20), threading.Event()

    def script(request, connection):
        if request.path == "/large":
            ended.wait(120)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(large) + large)
        else:
            connection.sendall(OK)
    web = application(script)
    slow = relay(cluster.amqp[0], bytes_per_s=20_000_000)
    worker = behind(slow, programs, web, management=cluster.management[0])
    token = caller.send(queue, "POST", "/large")
    wait_until(lambda: web.count("/large") == 1, 20, "it is being worked on")
    worker.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "draining" in worker.log(), 10, "it drains")
    ended.set()
    assert worker.wait(60) == 0
    programs.worker(cluster, STREAM, web.url)
    caller.wait([token])
    properties, body = caller.responses[token][0]
    assert (properties.headers[":status"], body == large) == (200, True)
    assert len(caller.responses[token]) == 1
    assert web.count("/large") == 1


@pytest.mark.parametrize("mode", ["nothing", "error500", "cut"])
def test_keeps_its_shards_while_the_management_api_cannot_be_asked(cluster, stream, programs, application, relay,
                                                                    caller, queue, mode):
    web = application()
    api = relay(cluster.management[0])
    worker = programs.start("warren-worker", "--stream", STREAM, "--upstream", web.url, "--node", cluster.amqp[0],
                            "--management", api.url, "--refresh", "100ms")
    kept = {queue: cluster.names}
    wait_until(lambda: holders(stream) == kept, 20, "it consumes the shard")
    api.mode = mode
    wait_until(lambda: "cannot look at the stream" in worker.log(), 20, "it noticed")
    assert status(caller.ask(queue)) == 200
    always_true(lambda: holders(stream) == kept and worker.is_ready(), 1)
    make_shards(stream, cluster.names, per_node=2)
    api.mode = "pass"
    wait_until(lambda: len(holders(stream)) == 2, 20, "it finds the new shard")
    wait_until(lambda: worker.metric("warren_worker_shards") == 2, 20, "and counts it")


def test_looks_for_the_shards_of_a_named_node_itself_while_the_management_api_cannot_be_asked(
        cluster, stream, programs, application, relay, caller, queue):
    api = relay(cluster.management[0], "error500")
    worker = programs.start("warren-worker", "--stream", STREAM, "--upstream", application().url, "--node", cluster.amqp[0],
                            "--local-node", cluster.names[0], "--management", api.url, "--refresh", "100ms")
    wait_until(lambda: holders(stream) == {queue: cluster.names}, 20, lambda: holders(stream))
    assert worker.metric("warren_worker_assignment_source", source="probe") == 1
    assert status(caller.ask(queue)) == 200
    make_shards(stream, cluster.names, per_node=2)
    api.mode = "pass"
    wait_until(lambda: worker.metric("warren_worker_assignment_source", source="management") == 1, 20, "it goes by the API")
    wait_until(lambda: len(holders(stream)) == 2, 20, "it finds the new shard")
    stream.delete(f"queues/%2F/{part(queue)}")
    wait_until(lambda: worker.metric("warren_worker_shards") == 1, 20, "it notices that one has gone")


def test_learns_its_node_once_the_management_api_answers(cluster, stream, programs, application, relay, queue):
    api = relay(cluster.management[0], "error500")
    web = application()
    worker = programs.start("warren-worker", "--stream", STREAM, "--upstream", web.url, "--node", cluster.amqp[0],
                            "--management", api.url, "--refresh", "100ms", "--log-level", "debug", ready=False)
    wait_until(lambda: worker.log().count("cannot find out the node") >= 5, 20, "it asks again and again")
    told = [line for line in worker.log().splitlines() if "cannot find out the node" in line]
    assert [line.split()[1] for line in told].count("warning") == 1, "told once"
    assert not worker.is_ready()
    own = [entry["name"] for entry in stream.get("queues/%2F") if entry["name"].startswith("amq.gen")]
    assert len(own) == 1, f"one queue tells the node, however often it asks: {own}"
    api.mode = "pass"
    worker.wait_ready()
    wait_until(lambda: list(holders(stream)) == [queue], 20, "it consumes the shard")


def test_says_so_when_it_may_not_declare_the_queue_that_tells_its_node(cluster, stream, programs, application):
    stream.put("users/narrow", {"password": "narrow", "tags": "monitoring"})
    stream.put("permissions/%2F/narrow", {"configure": "^stream: ", "write": ".*", "read": ".*"})
    worker = programs.worker(cluster, STREAM, application().url, "--user", "narrow", "--refresh", "100ms", ready=False,
                             env={"WARREN_PASSWORD": "narrow"})
    try:
        wait_until(lambda: "cannot declare a queue" in worker.log(), 20, "it says what is missing")
        stream.put("permissions/%2F/narrow", {"configure": ".*", "write": ".*", "read": ".*"})
        worker.wait_ready()
    finally:
        stream.delete("users/narrow")


def test_says_once_why_a_broker_cannot_be_reached(programs, application, free_port):
    worker = programs.start("warren-worker", "--stream", STREAM, "--upstream", application().url, "--node",
                            f"127.0.0.1:{free_port()}", "--log-level", "debug", ready=False)
    wait_until(lambda: worker.log().count("cannot reach the broker") >= 4, 20, "it tries again and again")
    told = [line for line in worker.log().splitlines() if "cannot reach the broker" in line]
    assert [line.split()[1] for line in told[:2]] == ["warning", "debug"], told
    assert {line.split()[1] for line in told[1:]} == {"debug"}, told


def test_says_once_that_there_are_more_shards_than_channels(cluster, stream, programs, application):
    make_shards(stream, cluster.names, per_node=CHANNELS + 4)
    worker = programs.worker(cluster, STREAM, application().url, "--refresh", "100ms")
    consumed = CHANNELS - 2  # One channel has the inbox, one asks for coordinators.
    wait_until(lambda: len(holders(stream)) == consumed, 20, lambda: f"as many as it can: {holders(stream)}")
    always_true(lambda: worker.is_ready() and len(holders(stream)) == consumed, 2)
    told = [line for line in worker.log().splitlines() if "channels are in use" in line]
    assert len(told) == 1 and told[0].split()[1] == "warning", told


@pytest.mark.usefixtures("stream")
def test_counts_requests_of_a_lost_connection_no_longer_than_they_run(cluster, programs, application, relay, caller,
                                                                       queue):
    hang = threading.Event()

    def script(request, connection):
        hang.wait(120)
        return always(OK)(request, connection)
    web, broker = application(script), relay(cluster.amqp[0])
    worker = behind(broker, programs, web, "--concurrency", "4", management=cluster.management[0])
    tokens = [caller.send(queue, "GET", f"/{number}") for number in range(3)]
    wait_until(lambda: worker.metric("warren_worker_in_flight") == 3, 20, "three are being worked on")
    broker.drop()
    wait_until(lambda: worker.metric("warren_worker_connects_total") == 2 and
               worker.metric("warren_worker_redelivered_total") == 3, 20, "they are delivered again")
    wait_until(lambda: worker.metric("warren_worker_in_flight") == 4, 20, "all the room is used")
    always_true(lambda: worker.metric("warren_worker_in_flight") == 4, 0.5, "no more at once than it was told")
    hang.set()
    caller.wait(tokens)
    assert {status(caller.responses[token][0]) for token in tokens} == {200}
    assert all(len(caller.responses[token]) == 1 for token in tokens)
    wait_until(lambda: worker.metric("warren_worker_in_flight") == 0, 20, "none is left")
