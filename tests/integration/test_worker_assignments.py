"""warren-worker and what coordinators tell it to consume: hello, following, bye, and what it does with assignments that are
wrong, old or do not come. The coordinator is made of pika, so that it can be all that; test_assignments.py has the real one."""

import json
import random
import threading
import time

import pytest

from assigning import CONTROL, PikaCoordinator
from support import amqp
from support.backend import Response
from support.processes import HTTP
from support.waiting import always, wait_until
from worker_calls import STREAM, Caller, holders, make_shards, shard, status

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 300
PER_NODE = 2
SILENCE_S = 15


@pytest.fixture
def stream(cluster, clean):
    """The stream with two shards on each node; gives the management API."""
    make_shards(clean, cluster.names, per_node=PER_NODE)
    return clean


@pytest.fixture
def shards(cluster):
    """Names of all shards, the first node's first."""
    return [shard(node, index) for node in cluster.names for index in range(PER_NODE)]


@pytest.fixture
def coordinator(cluster, stream):  # pylint: disable=unused-argument
    """coordinator(policy, …): PikaCoordinator on the second node, which says that consumers are on the first."""
    made = []

    def make(*arguments, **options):
        made.append(PikaCoordinator(cluster.amqp[1], cluster.names[0], *arguments, **options))
        return made[-1]
    yield make
    for each in made:
        each.close()


@pytest.fixture
def caller(cluster):
    """A caller on the first node."""
    made = Caller(cluster.amqp[0])
    yield made
    made.close()


@pytest.fixture
def blind(cluster, programs, free_port):
    """blind(url, …): a worker on the first node whose management API is not there, and which is not told its node."""
    def start(url, *arguments, **options):
        return programs.start("warren-worker", "--stream", STREAM, "--upstream", url, "--node", cluster.amqp[0],
                              "--management", f"http://127.0.0.1:{free_port()}", *arguments, **options)
    return start


def source(worker):
    """Where it knows from what to consume, by its metric."""
    return [name for name in ("coordinator", "management", "probe")
            if worker.metric("warren_worker_assignment_source", source=name) == 1]


def wait_source(worker, *names, timeout=20):
    """Waits until it goes by that, or by nothing."""
    wait_until(lambda: source(worker) == list(names), timeout, lambda: f"{names}, not {source(worker)}:\n{worker.log_tail()}")


def wait_held(api, queues, timeout=20):
    """Waits until exactly these shards have consumers."""
    wait_until(lambda: sorted(holders(api)) == sorted(queues), timeout, lambda: f"{queues}, not {holders(api)}", 0.05)


def test_needs_nobody_but_a_coordinator_to_serve(cluster, stream, shards, coordinator, blind, backend, caller):
    asked = coordinator(lambda said: shards[:2])
    worker = blind(backend("web").url, "--instance", "w:1", "--concurrency", "8")
    wait_held(stream, shards[:2])
    hello = asked.said[0]
    assert (hello.type, hello.instance, hello.content["kind"], hello.holds) == ("warren.hello", "w-1", "worker", [])
    assert hello.content["exchange"] == STREAM
    assert stream.queues()[hello.inbox]["exclusive"], "its inbox is a queue of its own"
    answer = caller.ask(shards[0])[0].headers
    assert (answer[":status"], answer[":node"], answer[":worker"]) == (200, cluster.names[0], "w-1")
    wait_source(worker, "coordinator")
    ready = HTTP.get(f"{worker.metrics}/readyz", timeout=5).text
    assert "as a coordinator assigned" in ready and cluster.names[0] in ready, ready
    prefetch = {entry["queue"]["name"]: entry["prefetch_count"] for entry in stream.get("consumers/%2F")
                if entry["queue"]["name"] in shards}
    assert prefetch == {shards[0]: 4, shards[1]: 4}, "the two local shards share the concurrency"
    assert "cannot" not in worker.log(), "the management API was not asked"


def test_follows_each_change(stream, shards, coordinator, blind, backend):
    asked = coordinator(lambda said: shards[:1])
    worker = blind(backend("web").url)
    first = asked.heard()
    for wanted in (shards, shards[2:], [], shards[1:3], shards[1:3]):
        asked.assign(first, wanted)
        wait_held(stream, wanted)
        # The broker shows what it does for the worker before the worker knows.
        wait_until(lambda count=len(wanted): worker.metric("warren_worker_shards") == count, 20, f"{len(wanted)} are counted")
        wait_until(lambda ready=bool(wanted): worker.is_ready() == ready, 20, worker.log_tail)


def test_shares_its_concurrency_anew_when_there_are_more_or_fewer_shards_of_its_node(stream, shards, coordinator, blind,
                                                                                   backend, caller):
    release = threading.Event()
    slow = backend("slow", lambda request: (release.wait(120), Response(200, [], b"slow"))[1])
    asked = coordinator(lambda said: shards[:2])
    worker = blind(slow.url, "--concurrency", "8")

    def prefetch():
        return sorted((entry["queue"]["name"], entry["prefetch_count"]) for entry in stream.get("consumers/%2F")
                      if entry["queue"]["name"] in shards)
    wait_until(lambda: prefetch() == [(shards[0], 4), (shards[1], 4)], 20, prefetch)
    held = caller.send(shards[0], "POST", "/held")
    wait_until(lambda: slow.requests, 20, "it is being worked on")
    for wanted, each in ((shards[:1], 8), (shards[:2], 4), (shards, 4)):
        asked.assign(asked.said[0], wanted)
        wait_until(lambda wanted=wanted, each=each: prefetch() == [(name, each) for name in wanted], 20, prefetch)
    release.set()
    caller.wait([held])
    assert len(caller.responses[held]) == 1 and len(slow.requests) == 1, "what it had is finished, once"
    assert worker.log().count("consuming a shard") == 2 + 1 + 2 + 2, worker.log()


def test_finishes_what_it_has_of_a_shard_that_is_assigned_to_another(stream, shards, coordinator, blind, backend, caller):
    release = threading.Event()
    slow = backend("slow", lambda request: (release.wait(120), Response(200, [], b"slow"))[1])
    fast = backend("fast", lambda request: Response(200, [], b"fast"))
    asked = coordinator(lambda said: shards[:1] if said.instance == "slow" else [])
    first = blind(slow.url, "--instance", "slow")
    second = blind(fast.url, "--instance", "fast", ready=False)
    leaving = asked.heard(matching=lambda said: said.instance == "slow")
    taking = asked.heard(matching=lambda said: said.instance == "fast")
    held = caller.send(shards[0], "POST", "/held")
    wait_until(lambda: slow.requests, 20, "it is being worked on")
    asked.assign(leaving, [])
    asked.assign(taking, shards[:1])
    wait_until(lambda: "released a shard" in first.log() and "consuming a shard" in second.log(), 20, "handed over")
    wait_until(lambda: len(holders(stream)[shards[0]]) == 1, 20, "one consumes it")
    assert caller.ask(shards[0], "POST", "/next")[1] == b"fast"
    release.set()
    caller.wait([held])
    properties, body = caller.responses[held][0]
    assert (properties.headers[":status"], body) == (200, b"slow")
    assert len(caller.responses[held]) == 1 and len(slow.requests) == 1


def test_takes_the_newer_of_two_and_leaves_the_rest(stream, shards, coordinator, blind, backend):
    asked = coordinator(lambda said: None)
    blind(backend("web").url, "--instance", "w", ready=False)
    hello = asked.heard()
    asked.assign(hello, shards[:2], term=5_000, sequence=3)
    wait_held(stream, shards[:2])
    asked.assign(hello, shards, term=5_000, sequence=2)
    asked.assign(hello, shards, term=4_999, sequence=100)
    asked.assign(hello, shards, term=5_000, sequence=4, instance="another")
    asked.assign(hello, shards, term=5_000, sequence=4, exchange="shard.other")
    always(lambda: sorted(holders(stream)) == shards[:2], 2)
    asked.assign(hello, shards[:3], term=5_000, sequence=4)
    wait_held(stream, shards[:3])
    asked.assign(hello, shards[:1], term=5_001, sequence=1)
    wait_held(stream, shards[:1])


def nonsense(good):
    """Bodies that are no assignments."""
    text = json.dumps(good)
    yield from ("", "{", "[]", "null", "17", '"x"', text[:-1], text + "}", "\x00", b"\xff\xfe", "[" * 100_000, " " * 3_000_000)
    for key in ("exchange", "instance", "term", "sequence"):
        yield json.dumps({name: value for name, value in good.items() if name != key})
    for key, value in (("shards", "all"), ("shards", [1]), ("shards", {}), ("shards", [""]), ("shards", ["x" * 300]),
                       ("local", 3), ("term", -1), ("term", "now"), ("sequence", 1.5), ("sequence", None), ("node", []),
                       ("shards", [f"stream: {STREAM} - n - {number}" for number in range(20_000)])):
        yield json.dumps(good | {key: value})
    chaos = random.Random(3)
    for _ in range(200):
        broken = bytearray(text.encode())
        for _ in range(3):
            broken[chaos.randrange(len(broken))] = chaos.randrange(256)
        # A number that reads as a greater one would count.
        yield bytes(broken).replace(b'"term"', b'"Term"')


def test_nonsense_changes_nothing(stream, shards, coordinator, blind, backend, caller):
    asked = coordinator(lambda said: shards[:1])
    worker = blind(backend("web").url, "--instance", "w")
    hello = asked.heard()
    wait_held(stream, shards[:1])
    good = asked.assignment(hello, shards, term=asked.term + 1)
    for body in nonsense(good):
        asked.send(hello, body)
    asked.send(hello, good, kind="warren.other")
    assert status(caller.ask(shards[0])) == 200
    always(lambda: sorted(holders(stream)) == shards[:1] and worker.is_ready(), 1)
    asked.assign(hello, shards[:2])  # Behind all of it.
    wait_held(stream, shards[:2])
    assert worker.log().count("left an assignment aside") == 1, "one line is enough"


def test_consumes_nothing_but_shards_of_its_stream_whatever_it_is_assigned(cluster, stream, shards, coordinator, blind,
                                                                         backend):
    make_shards(stream, cluster.names, stream="shard.other")
    stream.put("queues/%2F/orders", {"durable": True})
    with amqp.connect(cluster.amqp[0]) as connection:
        connection.channel().basic_publish("", "orders", b"not for a worker")
    asked = coordinator(lambda said: ["orders", shard(cluster.names[0], stream="shard.other")] + shards[:1] * 3)
    worker = blind(backend("web").url)
    wait_held(stream, shards[:1])
    assert amqp.ready_count(cluster.amqp[0], "orders") == 1
    wait_until(lambda: worker.metric("warren_worker_shards") == 1, 20, "one is counted")
    many = [f"stream: {STREAM} - {cluster.names[0]} - {number}" for number in range(300)]
    asked.policy = lambda said: many
    asked.assign(asked.heard(), many)
    wait_until(lambda: sorted(holders(stream)) == shards[:2], 20, lambda: f"those that are there: {holders(stream)}")
    asked.policy = lambda said: shards
    asked.assign(asked.heard(), shards)
    wait_held(stream, shards)
    worker.wait_ready()


def test_says_bye_before_it_lets_go_and_finishes_what_it_has(stream, shards, coordinator, blind, backend, caller):
    release = threading.Event()
    web = backend("web", lambda request: (release.wait(120), Response(200))[1])
    asked = coordinator(lambda said: shards[:2])
    worker = blind(web.url)
    wait_held(stream, shards[:2])
    token = caller.send(shards[0], "POST", "/held")
    wait_until(lambda: web.requests, 20, "it is being worked on")
    worker.process.terminate()
    bye = asked.heard("warren.bye")
    assert bye.instance == asked.said[0].instance and bye.inbox == asked.said[0].inbox
    assert bye.holds == shards[:2], "said before anything is given up"
    wait_held(stream, [])
    asked.assign(bye, shards)
    always(lambda: not holders(stream), 1, "what is assigned to it now is nothing to it")
    release.set()
    assert worker.wait(60) == 0
    caller.wait([token])
    assert status(caller.responses[token][0]) == 200
    assert asked.said[-1].type == "warren.bye", "it says nothing more"


def test_says_bye_while_its_application_is_away_and_hello_when_it_is_back(stream, shards, coordinator, blind, backend,
                                                                          free_port):
    port = free_port()
    asked = coordinator(lambda said: shards[:2])
    web = backend("web", port=port)
    worker = blind(web.url, "--health-path", "/")
    wait_held(stream, shards[:2])
    web.close()
    asked.heard("warren.bye")
    wait_held(stream, [])
    wait_source(worker)
    before = len(asked.said)
    always(lambda: len(asked.said) == before, 2, "it asks for nothing")
    backend("again", port=port)
    asked.heard(after=before)
    wait_held(stream, shards[:2])


def delete_exclusive(cluster, queue):
    """Nobody but its connection may do that through AMQP or HTTP."""
    cluster.ctl(0, "eval", f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{queue}">>)), '
                'rabbit_amqqueue:delete(Q, false, false, <<"test">>).')


def test_opens_a_lost_inbox_again_and_says_hello_from_there_at_once(cluster, stream, shards, coordinator, blind, backend):
    asked = coordinator(lambda said: shards[:2])
    blind(backend("web").url)
    wait_held(stream, shards[:2])
    lost = asked.said[0].inbox
    time.sleep(1)
    before = len(asked.said)
    delete_exclusive(cluster, lost)
    hello = asked.heard(after=before, timeout=8, matching=lambda said: said.inbox != lost)  # It would say one each 10 s.
    assert hello.holds == shards[:2]
    assert sorted(holders(stream)) == shards[:2], "what is held stays held"
    asked.assign(hello, shards)
    wait_held(stream, shards)


def test_tells_soon_that_an_assigned_shard_cannot_be_consumed_and_takes_it_once_it_can(cluster, stream, shards,
                                                                                     coordinator, blind, backend):
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        channel.basic_consume(shards[0], lambda *_: None, exclusive=True, consumer_tag="theirs")
        asked = coordinator(lambda said: shards[:2])
        worker = blind(backend("web").url)
        asked.heard(after=1, timeout=8, matching=lambda said: said.holds == [shards[1]])
        assert worker.is_ready() and worker.metric("warren_worker_shards") <= 2
        wait_until(lambda: "cannot consume a shard" in worker.log(), 20, "it says so")
        channel.basic_cancel("theirs")
        wait_until(lambda: "consuming a shard" in worker.log() and
                   [entry for entry in stream.get("consumers/%2F")
                    if entry["queue"]["name"] == shards[0] and entry["consumer_tag"].startswith("warren:")], 20,
                   "it is taken")
    assert worker.log().count("cannot consume a shard") == 1, "told once"


def test_keeps_what_it_has_when_coordinators_fall_silent_and_goes_by_the_management_api_then(
        cluster, stream, shards, coordinator, programs, backend, caller):
    asked = coordinator(lambda said: shards[:1])
    worker = programs.worker(cluster, STREAM, backend("web").url, node=0)
    wait_held(stream, shards[:1])
    asked.close()
    always(lambda: sorted(holders(stream)) == shards[:1] and source(worker) == ["coordinator"], SILENCE_S - 6)
    wait_source(worker, "management")
    wait_held(stream, shards)
    assert status(caller.ask(shards[3])) == 200
    again = coordinator(lambda said: shards[1:3], term=1)
    assert again.heard(timeout=8).holds == shards, "it goes on asking, each second"
    wait_held(stream, shards[1:3])
    wait_source(worker, "coordinator")

    def told():
        return [line for line in worker.log().splitlines() if " consumes " in line]
    wait_until(lambda: len(told()) == 3, 20, told)


def test_an_alarm_that_silences_everybody_changes_nothing(cluster, stream, shards, coordinator, programs, backend, caller):
    coordinator(lambda said: shards[:1])
    worker = programs.worker(cluster, STREAM, backend("web").url, node=0)
    wait_held(stream, shards[:1])
    wait_source(worker, "coordinator")
    try:
        for index in range(CLUSTER_NODES):
            cluster.ctl(index, "set_vm_memory_high_watermark", "0")
        # The broker stops reading from this worker once it publishes: its next hello comes within ten seconds.
        always(lambda: sorted(holders(stream)) == shards[:1] and source(worker) == ["coordinator"], 10 + 2 * SILENCE_S)
    finally:
        for index in range(CLUSTER_NODES):
            cluster.ctl(index, "set_vm_memory_high_watermark", "0.4")
    wait_until(lambda: status(caller.ask(shards[0])) == 200, 30, "it serves on")
    assert source(worker) == ["coordinator"]


def test_without_any_coordinator_nothing_waits_for_one(cluster, stream, shards, programs, backend):
    """The exchange is there, and nobody listens, as beside coordinators that know nothing of assignments."""
    worker = programs.worker(cluster, STREAM, backend("web").url, node=0)
    wait_held(stream, shards, SILENCE_S - 1)
    wait_source(worker, "management")
    probing = programs.start("warren-worker", "--stream", STREAM, "--upstream", backend("web").url, "--node",
                             cluster.amqp[1], "--local-node", cluster.names[1])
    wait_source(probing, "probe")
    wait_until(lambda: probing.metric("warren_worker_shards") == PER_NODE, 20, "its own")
    worker.kill()
    wait_held(stream, shards[PER_NODE:])


@pytest.mark.parametrize("configure", [".*", "^amq\\.gen-"])
def test_says_once_that_it_may_not_talk_to_coordinators_and_does_without(cluster, stream, shards, coordinator, programs,
                                                                       backend, configure):
    asked = coordinator(lambda said: shards[:1])
    stream.put("users/mute", {"password": "mute", "tags": "monitoring"})
    permissions = {"configure": configure, "write": "^amq\\.default$", "read": "^(amq\\.gen-|stream: )"}
    stream.put("permissions/%2F/mute", permissions)
    try:
        worker = programs.worker(cluster, STREAM, backend("web").url, "--user", "mute", node=0,
                                 env={"WARREN_PASSWORD": "mute"})
        wait_held(stream, shards)
        wait_source(worker, "management")
        assert not asked.said
        stream.put("permissions/%2F/mute", permissions | {"write": f"^(amq\\.default|{CONTROL})$"})
        wait_source(worker, "coordinator", timeout=30)
        wait_held(stream, shards[:1])
        assert worker.log().count("cannot ask coordinators") == 1, worker.log()
    finally:
        stream.delete("users/mute")


def test_declares_the_exchange_again_when_it_was_deleted(cluster, stream, shards, programs, backend):
    worker = programs.worker(cluster, STREAM, backend("web").url, node=0)
    wait_held(stream, shards)
    stream.delete(f"exchanges/%2F/{CONTROL}")
    wait_until(lambda: stream.get(f"exchanges/%2F/{CONTROL}")["type"] == "direct", 20, "it is there again")
    assert worker.is_ready() and "cannot ask coordinators" not in worker.log()
