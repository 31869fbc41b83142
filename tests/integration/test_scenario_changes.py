"""Weights, keys, places in the ring and queue templates change under traffic: one shard at a time, nothing lost,
the exchange never without a shard."""

import pytest

from support import amqp
from support.management import part
from support.status import QUICK, shard_names, states, stream, wait_condition, wait_ready
from support.traffic import Traffic
from support.waiting import wait_until

CLUSTER_NODES = 2
CLUSTER_PLUGINS = ["rabbitmq_sharding"]  # It brings x-modulus-hash.
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.orders"
FOREIGN = "somebody's own queue"


@pytest.fixture(name="names")
def fixture_names(cluster):
    """The stream's four shards."""
    return shard_names(cluster.names, EXCHANGE, 2)


@pytest.fixture(name="start")
def fixture_start(cluster, clean, programs):
    """start(kind, **definition): a stream, with two shards per node if not told otherwise, ready; returns the coordinator."""
    def run(kind="x-consistent-hash", **definition):
        define(clean, **definition)
        clean.declare_exchange(EXCHANGE, kind)
        program = programs.coordinator(cluster, *QUICK)
        wait_ready(program, EXCHANGE, shard_names(cluster.names, EXCHANGE, definition.get("shards_per_node", 2)))
        return program
    return run


def define(api, **definition):
    """The stream's definition, `_` for `-`."""
    api.define_stream("orders", {"shards-per-node": 2} | {key.replace("_", "-"): value for key, value in definition.items()},
                      r"^shard\.")


def keys(api):
    """Queue -> its routing keys, of everything bound to the exchange."""
    found = {}
    for entry in api.bindings(EXCHANGE):
        found.setdefault(entry["destination"], []).append(entry["routing_key"])
    return found


def bind(api, queue, key):
    """A binding made by hand."""
    api.post(f"bindings/%2F/e/{part(EXCHANGE)}/q/{part(queue)}", {"routing_key": key})


def unbind(api, queue, key):
    """Removes one."""
    api.delete(f"bindings/%2F/e/{part(EXCHANGE)}/q/{part(queue)}/{part(key)}")


def counts(cluster, queues):
    """Messages ready in each queue, exactly."""
    return {name: amqp.ready_count(cluster.amqp[0], name) for name in queues}


def lose_place(api, queue):
    """What leaves a binding in the list and nothing in the ring."""
    bind(api, queue, "7")
    unbind(api, queue, "7")


def test_weights_follow_the_definition_beside_a_foreign_binding(cluster, clean, start, names):
    program = start(routing_key="20")
    assert keys(clean) == {name: ["1"] for name in names}
    clean.put(f"queues/%2F/{part(FOREIGN)}", {"durable": True})
    with Traffic(cluster, EXCHANGE, also=[FOREIGN]) as traffic:
        traffic.wait_confirmed()
        bind(clean, FOREIGN, "5")
        wait_until(lambda: keys(clean) == {name: ["20"] for name in names} | {FOREIGN: ["5"]}, 30, lambda: keys(clean))
        define(clean, routing_key="10")
        wait_until(lambda: keys(clean) == {name: ["10"] for name in names} | {FOREIGN: ["5"]}, 30, lambda: keys(clean))
        wait_ready(program, EXCHANGE, names)
        unbind(clean, FOREIGN, "5")
        wait_until(lambda: keys(clean) == {name: ["1"] for name in names}, 30, lambda: keys(clean))
        traffic.wait_confirmed()
        traffic.finish()
        assert not traffic.publisher.returned
    amqp.publish_many(cluster.amqp[0], EXCHANGE, [f"key-{number}" for number in range(400)])
    assert min(counts(cluster, names).values()) > 50, "every shard has its place in the ring"


def test_keys_of_a_modulus_hash_exchange_follow_the_definition(cluster, clean, start, names):
    program = start("x-modulus-hash", routing_key="1234")
    assert keys(clean) == {name: ["1234"] for name in names}
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        define(clean, routing_key="4321")
        wait_until(lambda: keys(clean) == {name: ["4321"] for name in names}, 30, lambda: keys(clean))
        wait_ready(program, EXCHANGE, names)
        traffic.wait_confirmed()
        traffic.finish()
        assert not traffic.publisher.returned


def test_a_place_lost_in_the_ring_is_repaired_at_once_when_its_loss_was_seen(cluster, clean, start, names):
    program = start(routing_key="1")
    victim = sorted(names)[1]
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_received_from(victim)
        lose_place(clean, victim)
        wait_until(lambda: keys(clean)[victim] == ["1"], 20)
        traffic.wait_received_from(victim, 20)
        wait_ready(program, EXCHANGE, names)
        traffic.finish()
        assert not traffic.publisher.returned


def test_a_place_lost_in_the_ring_is_found_by_counters_when_nobody_saw_it_go(cluster, clean, start, names, programs):
    start(routing_key="1").terminate()
    victim = sorted(names)[1]
    lose_place(clean, victim)
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed(400)
        assert keys(clean)[victim] == ["1"] and not traffic.consumers.by_queue[victim], "bound, and gets nothing"
        program = programs.coordinator(cluster, *QUICK)
        # Counters are seconds old and have to agree; what does not show within a minute shows in the next.
        traffic.wait_received_from(victim, 20, 150)
        wait_ready(program, EXCHANGE, names)
        traffic.finish()  # No message but those published here: nothing was sent to find out.
        assert not traffic.publisher.returned


TEMPLATES = {
    "other arguments": ({"arguments": {"x-max-length": 100000}}, lambda queue: queue["arguments"].get("x-max-length") == 100000),
    "quorum": ({"type": "quorum"}, lambda queue: queue["type"] == "quorum"),
    "transient": ({"durable": False}, lambda queue: queue["durable"] is False),
}


@pytest.mark.parametrize("case", TEMPLATES)
def test_a_changed_template_rolls_shard_by_shard(cluster, clean, start, case):
    template, is_new = TEMPLATES[case]
    names = shard_names(cluster.names, EXCHANGE, 1)
    program = start(shards_per_node=1)
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        define(clean, shards_per_node=1, queue=template)
        wait_until(lambda: all(map(is_new, clean.shards(EXCHANGE).values())) and clean.shards(EXCHANGE).keys() == names, 60,
                   lambda: stream(program, EXCHANGE))
        wait_ready(program, EXCHANGE, names)
        traffic.finish()
        assert not traffic.publisher.returned


def test_a_template_taken_back_in_the_middle_of_its_roll_leaves_all_as_it_was(cluster, clean, start, names):
    program = start()
    with Traffic(cluster, EXCHANGE, consume=False) as traffic:
        traffic.wait_confirmed()
        define(clean, queue=TEMPLATES["other arguments"][0])
        wait_until(lambda: "draining" in states(program, EXCHANGE).values(), 20)
        define(clean)
        wait_ready(program, EXCHANGE, names)
        assert not clean.bindings("warren.draining"), "no mark is left"
        traffic.finish()
        assert not traffic.publisher.returned


def test_a_roll_waits_for_messages_that_nobody_consumes_and_loses_none(cluster, clean, start, names):
    program = start()
    with Traffic(cluster, EXCHANGE, consume=False) as traffic:
        traffic.wait_confirmed()
        define(clean, queue={"arguments": {"x-max-length": 100000}})
        wait_condition(program, EXCHANGE, "DrainStalled")
        found = states(program, EXCHANGE)
        assert found.keys() == names and list(found.values()).count("draining") == 1, "one at a time"
        traffic.consumers.pause(False)
        wait_ready(program, EXCHANGE, names)
        traffic.finish()
        assert not traffic.publisher.returned
