"""What people change by hand, and what policies of the broker move: put right at once where it is Warren's,
reported and left alone where it is not."""

import pytest

from support import amqp
from support.management import part
from support.status import QUICK, conditions, shard_names, states, stream, wait_condition, wait_ready
from support.traffic import Traffic
from support.waiting import always, wait_until

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.orders"


@pytest.fixture(name="names")
def fixture_names(cluster):
    """The stream's four shards."""
    return shard_names(cluster.names, EXCHANGE, 2)


@pytest.fixture(name="program")
def fixture_program(cluster, clean, programs, names):
    """The coordinator, with a stream of two shards per node that is ready."""
    clean.define_stream("orders", {"shards-per-node": 2}, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster, *QUICK)
    wait_ready(program, EXCHANGE, names)
    yield program
    for entry in clean.get("policies/%2F"):
        clean.delete(f"policies/%2F/{part(entry['name'])}")


def bind(api, queue, key="1", exchange=EXCHANGE):
    """A binding made by hand."""
    api.post(f"bindings/%2F/e/{part(exchange)}/q/{part(queue)}", {"routing_key": key})


def unbind(api, queue, key="1"):
    """Removes one."""
    api.delete(f"bindings/%2F/e/{part(EXCHANGE)}/q/{part(queue)}/{part(key)}")


def homes(api):
    """Queue -> its node."""
    return {name: queue["node"] for name, queue in api.shards(EXCHANGE).items()}


def expected_homes(names):
    """Queue -> the node in its name."""
    return {name: name.split(" - ")[1] for name in names}


def test_a_queue_deleted_by_hand_is_declared_and_bound_again(cluster, clean, program, names):
    victim = sorted(names)[2]
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_received_from(victim)
        traffic.rest()
        clean.delete(f"queues/%2F/{part(victim)}")
        clean.wait_shards_bound(EXCHANGE, names)
        traffic.resume()
        traffic.wait_received_from(victim)
        traffic.finish()
    wait_ready(program, EXCHANGE, names)
    assert homes(clean) == expected_homes(names)


def test_a_binding_deleted_by_hand_is_made_again_under_traffic(cluster, clean, program, names):
    victim = sorted(names)[1]
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_received_from(victim)
        unbind(clean, victim)
        clean.wait_shards_bound(EXCHANGE, names)
        traffic.wait_received_from(victim)
        wait_ready(program, EXCHANGE, names)
        traffic.finish()
        assert not traffic.publisher.returned


def test_all_bindings_deleted_by_hand_are_made_again_under_traffic(cluster, clean, program, names):
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        for name in names:
            unbind(clean, name)
        wait_ready(program, EXCHANGE, names)
        traffic.finish()


def test_a_binding_doubled_by_hand_is_made_single_and_the_shard_keeps_its_place(cluster, clean, program, names):
    victim = sorted(names)[3]
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        bind(clean, victim, "9")
        wait_until(lambda: [entry["routing_key"] for entry in clean.bindings(EXCHANGE)] == ["1"] * 4, 20,
                   lambda: clean.bindings(EXCHANGE))
        traffic.wait_received_from(victim, 20)
        wait_ready(program, EXCHANGE, names)
        traffic.finish()
        assert not traffic.publisher.returned


def test_queues_that_are_not_of_a_known_stream_are_never_touched(clean, program, names):
    strangers = [f"stream: {EXCHANGE} - rabbit1@localhost", f"stream: {EXCHANGE} - rabbit1@localhost - x",
                 f"stream: {EXCHANGE} - rabbit1@localhost - 00", "stream: unknown - rabbit1@localhost - 0",
                 f"sharding: {EXCHANGE} - rabbit1@localhost - 7", f"{EXCHANGE} - rabbit1@localhost - 0"]
    for name in strangers:
        clean.put(f"queues/%2F/{part(name)}", {"durable": True})
    always(lambda: all(name in clean.queues() for name in strangers), 4)
    wait_ready(program, EXCHANGE, names)
    assert {entry["destination"] for entry in clean.bindings(EXCHANGE)} == names


def test_somebody_elses_queue_with_a_shards_name_is_reported_and_left_alone(cluster, clean, program, names):
    taken = f"stream: {EXCHANGE} - {cluster.names[0]} - 2"
    clean.put(f"queues/%2F/{part(taken)}", {"durable": True, "arguments": {"x-max-length": 3}})
    amqp.publish_many(cluster.amqp[0], "", [taken])
    clean.define_stream("orders", {"shards-per-node": 3}, r"^shard\.")
    assert taken in wait_condition(program, EXCHANGE, "QueueConflict") or states(program, EXCHANGE)[taken] == "conflict"
    others = shard_names(cluster.names, EXCHANGE, 3) - {taken}
    clean.wait_shards_bound(EXCHANGE, others)
    assert clean.shards(EXCHANGE)[taken]["arguments"] == {"x-max-length": 3}
    clean.define_stream("orders", {"shards-per-node": 2}, r"^shard\.")
    clean.wait_shards_bound(EXCHANGE, names)
    clean.delete(f"queues/%2F/{part(taken)}/contents")
    always(lambda: taken in clean.shards(EXCHANGE), 4, "not wanted, empty and somebody else's")


@pytest.mark.parametrize("held", [0, 5], ids=["empty", "with messages"])
def test_a_shard_on_the_wrong_node_is_moved_and_loses_nothing(cluster, clean, program, names, held):
    victim = sorted(names)[0]
    program.terminate()
    clean.delete(f"queues/%2F/{part(victim)}")
    clean.put(f"queues/%2F/{part(victim)}", {"durable": True, "node": cluster.names[1],
                                            "arguments": {"x-queue-type": "classic"}})
    bind(clean, victim)
    with Traffic(cluster, EXCHANGE, consume=False) as traffic:
        if held:
            traffic.wait_confirmed()
            program.start().wait_ready()
            wait_condition(program, EXCHANGE, "DrainStalled")
            assert homes(clean)[victim] == cluster.names[1], "it holds messages"
            traffic.consumers.pause(False)
        else:
            traffic.consumers.pause(False)
            traffic.wait_confirmed()
            program.start().wait_ready()
        wait_until(lambda: homes(clean) == expected_homes(names), 60, lambda: stream(program, EXCHANGE))
        wait_ready(program, EXCHANGE, names)
        traffic.finish()
        assert not traffic.publisher.returned


def test_a_policy_that_keeps_moving_shards_is_named_and_not_fought(cluster, clean, program, names):
    clean.put("policies/%2F/mover", {"pattern": "^stream: ", "apply-to": "queues",
                                     "definition": {"queue-master-locator": "min-masters"}})
    for index in range(5):  # The first node has the most queues: every new one is put on the second.
        clean.put(f"queues/%2F/ballast-{index}", {"durable": True, "node": cluster.names[0]})
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        victim = f"stream: {EXCHANGE} - {cluster.names[0]} - 2"
        clean.define_stream("orders", {"shards-per-node": 3}, r"^shard\.")
        wait_until(lambda: "mover" in conditions(program, EXCHANGE)["Misplaced"], 40, lambda: conditions(program, EXCHANGE))
        clean.wait_shards_bound(EXCHANGE, shard_names(cluster.names, EXCHANGE, 3))
        wait_until(lambda: stream(program, EXCHANGE)["actions"] == [], 20)
        created = clean.shards(EXCHANGE)[victim]["node"]
        assert created == cluster.names[1]
        always(lambda: not stream(program, EXCHANGE)["actions"] and len(clean.bindings(EXCHANGE)) == 6, 3)
        clean.delete("policies/%2F/mover")
        wait_until(lambda: homes(clean) == expected_homes(shard_names(cluster.names, EXCHANGE, 3)), 60,
                   lambda: conditions(program, EXCHANGE))
        traffic.finish()
        assert not traffic.publisher.returned
