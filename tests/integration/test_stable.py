"""Stable placement on a real cluster: keys stay where they are. A node's death moves the keys of its shards alone, each
shard's to one other; its return, a drain and its end bring them back; a placement changes under traffic. Nothing is lost
or doubled on the way."""

import collections

import pytest

from support.backend import Backend
from support.http_client import request, wait_serving
from support.management import part
from support.owners import node_of, owners, take_all
from support.processes import urls
from support.status import QUICK, shard_names, stream, wait_condition
from support.traffic_publisher import Publisher
from support.waiting import wait_until

CLUSTER_NODES = 3
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.orders"
KEYS = [f"key {number}" for number in range(3000)]
SOME = KEYS[:1000]
STABLE = {"shards-per-node": 2, "placement": "stable"}


@pytest.fixture(name="names")
def fixture_names(cluster):
    """The stream's six shards."""
    return shard_names(cluster.names, EXCHANGE, 2)


@pytest.fixture(name="program")
def fixture_program(cluster, clean, programs, names):
    """A coordinator, and the stream ready with stable placement."""
    clean.define_stream("orders", STABLE, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster, *QUICK)
    wait_settled(program, EXCHANGE, names)
    return program


def wait_settled(program, exchange, names, timeout=60):
    """Waits until the stream has exactly these shards, all active, and nothing to do. (It is not "ready" while messages
    wait in shards that nobody consumes.)"""
    def settled():
        seen = stream(program, exchange)
        found = {shard["queue"]: shard["state"] for shard in seen["shards"]}
        return not seen["actions"] and found == dict.fromkeys(names, "active")
    wait_until(settled, timeout, lambda: f"{sorted(names)} are active: {stream(program, exchange)}")


def wiring(api):
    """Every binding of the stream's exchanges."""
    return {(entry["source"], entry["destination"], entry["destination_type"], entry["routing_key"])
            for entry in api.get("bindings/%2F") if entry["source"].startswith((EXCHANGE, "stream: "))}


def shard_exchanges(api):
    """Names of the exchanges that stable placement declared."""
    return {entry["name"] for entry in api.get("exchanges/%2F?columns=name") if entry["name"].startswith("stream: ")}


def moved(before, after):
    """Keys that have another shard."""
    return {key for key, queue in before.items() if after[key] != queue}


def wait_down(api, cluster, index, names):
    """Until the broker shows the shards of a killed node as down, so that nothing more changes by itself."""
    gone = {name for name in names if node_of(name) == cluster.names[index]}

    def down():
        return {name for name, queue in api.shards(EXCHANGE).items() if queue.get("state") == "down"} == gone
    wait_until(down, 30, "the killed node's shards are down")


def assert_only_those_of(node, before, after):
    """The keys of the node's shards have moved and no others, each shard's to one, of a node of its own."""
    assert moved(before, after) == {key for key, queue in before.items() if node_of(queue) == node}
    targets = collections.defaultdict(set)
    for key, queue in before.items():
        if node_of(queue) == node:
            targets[queue].add(after[key])
    assert [len(queues) for queues in targets.values()] == [1, 1], targets
    assert len({node_of(queue) for queues in targets.values() for queue in queues}) == 2, targets


def test_a_nodes_death_moves_its_keys_alone_and_its_return_brings_them_back(cluster, clean, program, names):
    before = owners(cluster.amqp[0], EXCHANGE, KEYS, names)
    wired = wiring(clean)
    cluster.kill(1)
    wait_down(clean, cluster, 1, names)
    living = {name for name in names if node_of(name) != cluster.names[1]}
    assert_only_those_of(cluster.names[1], before, owners(cluster.amqp[0], EXCHANGE, KEYS, living))
    assert cluster.names[1] in wait_condition(program, EXCHANGE, "NodeDown")
    # Two of three nodes gone: what has been wired beforehand is enough, whoever is there to look.
    cluster.kill(2)
    last = {name for name in names if node_of(name) == cluster.names[0]}
    wait_until(lambda: clean.nodes()[cluster.names[2]] is False, 30, "two nodes are down")
    alone = owners(cluster.amqp[0], EXCHANGE, SOME, last)
    assert {key for key in SOME if alone[key] == before[key]} == {key for key in SOME if before[key] in last}
    cluster.start_stopped_nodes()
    wait_settled(program, EXCHANGE, names)
    assert wiring(clean) == wired
    assert owners(cluster.amqp[0], EXCHANGE, KEYS, names) == before


def everything_once(address, names, publisher):
    """Each confirmed message is in a shard; twice only where it was published again, or came back as redelivered."""
    counts, redelivered = collections.Counter(), set()
    for messages in take_all(address, names).values():
        for identity, again in messages:
            counts[identity] += 1
            if again:
                redelivered.add(identity)
    lost = publisher.confirmed - counts.keys()
    assert not lost, f"{len(lost)} lost: {sorted(lost)[:5]}"
    twice = {identity for identity, count in counts.items() if count > 1} - publisher.republished - redelivered
    assert not twice, f"{len(twice)} doubled: {sorted(twice)[:5]}"


def publishing(cluster, rate):
    """A publisher on the first node."""
    return Publisher(lambda: cluster.amqp[:1], EXCHANGE, rate, "t")


def test_ten_thousand_messages_through_a_death_and_a_return_are_there_once(cluster, clean, program, names):
    publisher = publishing(cluster, 500)
    try:
        wait_until(lambda: len(publisher.confirmed) > 1000, 30, "messages are confirmed")
        cluster.kill(2)
        wait_down(clean, cluster, 2, names)
        at = len(publisher.confirmed)
        wait_until(lambda: len(publisher.confirmed) > at + 1000, 30, "messages are confirmed without the node")
        cluster.start_node(2)
        wait_until(lambda: len(publisher.confirmed) >= 10_000, 60, "ten thousand are confirmed")
        publisher.issuing = False
        wait_until(publisher.settled, 30, lambda: f"{len(publisher.confirmed)} of {len(publisher.issued)} are confirmed")
    finally:
        publisher.close()
    wait_settled(program, EXCHANGE, names)
    everything_once(cluster.amqp[0], names, publisher)


def test_the_placement_changes_there_and_back_under_traffic(cluster, clean, program, names):
    before = owners(cluster.amqp[0], EXCHANGE, SOME, names)
    publisher = publishing(cluster, 1000)
    try:
        for placement, exchanges in (("ring", 0), ("stable", 12), ("ring", 0)):
            at = len(publisher.confirmed)
            wait_until(lambda start=at: len(publisher.confirmed) > start + 500, 30, "messages are confirmed")
            clean.define_stream("orders", STABLE | {"placement": placement}, r"^shard\.")
            wait_until(lambda want=exchanges: len(shard_exchanges(clean)) == want, 30,
                       lambda: f"{placement}: {sorted(shard_exchanges(clean))}")
            wait_settled(program, EXCHANGE, names)
            kind = "exchange" if exchanges else "queue"
            assert {entry["destination_type"] for entry in clean.bindings(EXCHANGE)} == {kind}
        publisher.issuing = False
        wait_until(publisher.settled, 30, "all are confirmed")
    finally:
        publisher.close()
    assert (publisher.returned, publisher.nacked, publisher.connections) == (0, 0, 1)
    taken = collections.Counter(identity for messages in take_all(cluster.amqp[0], names).values() for identity, _ in messages)
    assert taken == dict.fromkeys(publisher.issued, 1)
    assert owners(cluster.amqp[0], EXCHANGE, SOME, names) == before


def test_a_drained_node_gets_its_keys_back(cluster, clean, program, programs, names):
    before = owners(cluster.amqp[0], EXCHANGE, SOME, names)
    programs.ctl(cluster, "drain_node", "--wait", cluster.names[2], timeout=120, check=True)
    left = {name for name in names if node_of(name) != cluster.names[2]}
    wait_settled(program, EXCHANGE, left)
    assert clean.shards(EXCHANGE).keys() == left
    assert_only_those_of(cluster.names[2], before, owners(cluster.amqp[0], EXCHANGE, SOME, left))
    programs.ctl(cluster, "undrain_node", cluster.names[2], check=True)
    wait_settled(program, EXCHANGE, names)
    assert owners(cluster.amqp[0], EXCHANGE, SOME, names) == before


def test_delete_stream_leaves_nothing_and_apply_without_a_daemon_builds_it(cluster, clean, program, programs):
    program.terminate()
    programs.ctl(cluster, "-p", "/", "clear_policy", "orders", check=True)
    assert len(shard_exchanges(clean)) == 12
    programs.ctl(cluster, "delete_stream", EXCHANGE, timeout=120, check=True)
    assert (clean.shards(EXCHANGE), shard_exchanges(clean), clean.bindings(EXCHANGE)) == ({}, set(), [])
    clean.define_stream("orders", STABLE, r"^shard\.")
    programs.ctl(cluster, "apply", timeout=120, check=True)
    assert (len(clean.shards(EXCHANGE)), len(shard_exchanges(clean)), len(clean.bindings(EXCHANGE))) == (6, 12, 6)
    assert "Nothing to do." in programs.ctl(cluster, "plan", check=True).stdout


def test_the_least_privileges_of_a_streams_user_are_enough(cluster, clean, programs, tmp_path):
    own = r"^(stream: |warren\.)"
    clean.put("users/alice", {"password": "secret", "tags": ""})
    clean.put(f"permissions/{part('/')}/alice", {"configure": own, "write": own, "read": own[:-1] + r"|shard\.)"})
    secrets = tmp_path / "credentials.json"
    secrets.touch(0o600)
    secrets.write_text('{"alice": "secret"}')
    clean.define_stream("orders", STABLE | {"local-username": "alice"}, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster, *QUICK, "--credentials-file", str(secrets))
    wait_settled(program, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    clean.define_stream("orders", {"shards-per-node": 1, "local-username": "alice"}, r"^shard\.")
    wait_settled(program, EXCHANGE, shard_names(cluster.names, EXCHANGE, 1))
    wait_until(lambda: not shard_exchanges(clean), 30, lambda: f"the exchanges go: {shard_exchanges(clean)}")
    program.terminate()
    clean.delete("users/alice")


def test_requests_are_served_through_a_nodes_death(cluster, clean, program, programs, names):
    clean.define_stream("orders", STABLE | {"http": True}, r"^shard\.")
    wait_settled(program, EXCHANGE, names)
    back = Backend()
    workers = [programs.worker(cluster, EXCHANGE, back.url, node=index) for index in range(CLUSTER_NODES)]
    proxy = programs.proxy(cluster, EXCHANGE, "--hash-on", "path", "--no-consumers", "fail", *urls(cluster))
    wait_serving(proxy.port)

    def all_served(what):
        answers = collections.Counter(request(proxy.port, "GET", f"/{what}/{number}").status for number in range(40))
        assert answers == {200: 40}, f"{what}: {answers}"
    try:
        all_served("before")
        cluster.kill(1)
        all_served("during")
        cluster.start_node(1)
        wait_settled(program, EXCHANGE, names)
        all_served("after")
        # Whether a worker is there is asked of the queues, which are bound to their own exchanges here.
        for worker in workers:
            worker.terminate()
        wait_until(lambda: "no shard has a consumer" in proxy.log(), 30, "the proxy knows that nobody consumes")
        assert request(proxy.port, "GET", "/nobody").status == 503
    finally:
        back.close()


def test_a_node_more_takes_no_more_than_its_share(cluster, program, names):
    before = owners(cluster.amqp[0], EXCHANGE, SOME, names)
    node = cluster.join()
    more = names | shard_names([node], EXCHANGE, 2)
    wait_settled(program, EXCHANGE, more)
    after = owners(cluster.amqp[0], EXCHANGE, SOME, more)
    assert moved(before, after) == {key for key, queue in after.items() if node_of(queue) == node}
    assert moved(before, after), "the new shards have keys"
