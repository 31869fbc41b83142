"""Fewer shards, or none, wanted: whatever the reason, they leave the exchange at once and the cluster only when
they are empty, unconsumed and nobody wants them any more. Traffic runs through every change."""

import contextlib

import pytest

from support import amqp
from support.management import part
from support.status import QUICK, conditions, get, shard_names, states, stream, wait_condition, wait_ready
from support.traffic import Traffic
from support.waiting import always, wait_until

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.orders"


@pytest.fixture(name="names")
def fixture_names(cluster):
    """names(count): the stream's shards with `count` shards per node."""
    return lambda count, exchange=EXCHANGE: shard_names(cluster.names, exchange, count)


@pytest.fixture(name="start")
def fixture_start(cluster, clean, programs, names):
    """start(count): a stream with that many shards per node, ready; returns the coordinator."""
    def run(count, **definition):
        clean.define_stream("orders", {"shards-per-node": count} | definition, r"^shard\.")
        clean.declare_exchange(EXCHANGE)
        program = programs.coordinator(cluster, *QUICK)
        wait_ready(program, EXCHANGE, names(count))
        return program
    return run


@contextlib.contextmanager
def unacknowledged(address, queue):
    """Takes one message of the queue and holds it, consuming no further; yields a function that acknowledges it."""
    with amqp.connect(address) as connection:
        channel = connection.channel()
        method, _, _ = channel.basic_get(queue)
        assert method, f"{queue} holds no message"
        yield lambda: channel.basic_ack(method.delivery_tag)


def fill(cluster, count=60):
    """Publishes messages that spread over all shards."""
    amqp.publish_many(cluster.amqp[0], EXCHANGE, [f"key-{number}" for number in range(count)])


def test_fewer_shards_per_node_under_traffic_lose_and_strand_nothing(cluster, clean, start, names):
    program = start(3)
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        clean.define_stream("orders", {"shards-per-node": 1}, r"^shard\.")
        wait_ready(program, EXCHANGE, names(1))
        traffic.wait_confirmed()
        assert clean.shards(EXCHANGE).keys() == names(1)
        traffic.finish()
        assert not traffic.publisher.returned, "the exchange had a shard all the time"


def test_another_definition_with_fewer_shards_is_followed(cluster, clean, start, names):
    program = start(2)
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        clean.set_global("stream-definition.smaller", {"shards-per-node": 1})
        clean.set_global("stream-policy.%2F.orders", {"pattern": r"^shard\.", "definition": {"stream-definition": "smaller"}})
        wait_ready(program, EXCHANGE, names(1))
        traffic.finish()
        assert not traffic.publisher.returned


def test_shards_with_messages_stay_are_reported_and_are_taken_back_when_wanted_again(cluster, clean, start, names):
    program = start(2)
    fill(cluster)
    surplus = names(2) - names(1)
    held = {name: amqp.ready_count(cluster.amqp[0], name) for name in surplus}
    assert all(held.values())
    clean.define_stream("orders", {"shards-per-node": 1}, r"^shard\.")
    clean.wait_shards_bound(EXCHANGE, names(1))
    wait_until(lambda: all(f"{count} ready" in conditions(program, EXCHANGE)["DrainStalled"] for count in held.values()), 20,
               lambda: conditions(program, EXCHANGE))
    assert stream(program, EXCHANGE)["state"] == "degraded"
    assert {name for name, state in states(program, EXCHANGE).items() if state == "draining"} == surplus
    always(lambda: names(2) == clean.shards(EXCHANGE).keys(), 2, "no shard with messages is deleted")

    clean.define_stream("orders", {"shards-per-node": 2}, r"^shard\.")
    wait_ready(program, EXCHANGE, names(2))
    assert "DrainStalled" not in conditions(program, EXCHANGE)
    assert {name: amqp.ready_count(cluster.amqp[0], name) for name in surplus} == held, "the same queues, bound again"


def test_a_shard_whose_messages_are_all_unacknowledged_is_not_deleted(cluster, clean, start, names):
    program = start(2)
    queue = sorted(names(2) - names(1))[0]
    # The broker's statistics say "empty" for up to ten seconds on: what is decided on them is wrong.
    wait_until(lambda: clean.get(f"queues/%2F/{part(queue)}").get("messages_ready") == 0, 20)
    amqp.publish_many(cluster.amqp[0], "", [queue])
    with unacknowledged(cluster.amqp[0], queue) as acknowledge:
        clean.define_stream("orders", {"shards-per-node": 1}, r"^shard\.")
        wait_until(lambda: clean.shards(EXCHANGE).keys() == names(1) | {queue}, 20, "the empty one goes")
        wait_condition(program, EXCHANGE, "DrainStalled")
        always(lambda: queue in clean.shards(EXCHANGE), 4)
        acknowledge()
        wait_ready(program, EXCHANGE, names(1))
    assert queue not in clean.shards(EXCHANGE)


def test_a_shard_that_somebody_consumes_is_not_deleted(cluster, clean, start, names):
    program = start(2)
    queue = sorted(names(2) - names(1))[0]
    with amqp.connect(cluster.amqp[0]) as connection:
        connection.channel().basic_consume(queue, lambda *_: None)
        clean.define_stream("orders", {"shards-per-node": 1}, r"^shard\.")
        wait_until(lambda: clean.shards(EXCHANGE).keys() == names(1) | {queue}, 20, "the other one goes")
        assert "consumer" in wait_condition(program, EXCHANGE, "DrainStalled")
        always(lambda: queue in clean.shards(EXCHANGE), 2)
    wait_ready(program, EXCHANGE, names(1))


def test_no_deletion_with_never_delete(cluster, clean, programs, names):
    clean.define_stream("orders", {"shards-per-node": 2}, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster, *QUICK, "--never-delete")
    wait_ready(program, EXCHANGE, names(2))
    clean.define_stream("orders", {"shards-per-node": 1}, r"^shard\.")
    clean.wait_shards_bound(EXCHANGE, names(1))
    always(lambda: clean.shards(EXCHANGE).keys() == names(2), 4)


def test_on_remove_retain_keeps_unbound_shards_with_their_messages(cluster, clean, start, names):
    program = start(2, **{"on-remove": "retain"})
    fill(cluster)
    surplus = names(2) - names(1)
    clean.define_stream("orders", {"shards-per-node": 1, "on-remove": "retain"}, r"^shard\.")
    clean.wait_shards_bound(EXCHANGE, names(1))
    wait_until(lambda: {name for name, state in states(program, EXCHANGE).items() if state == "retained"} == surplus, 20)
    for name in surplus:
        clean.delete(f"queues/%2F/{part(name)}/contents")
    always(lambda: clean.shards(EXCHANGE).keys() == names(2), 4, "empty ones are kept as well")
    clean.define_stream("orders", {"shards-per-node": 2, "on-remove": "retain"}, r"^shard\.")
    wait_ready(program, EXCHANGE, names(2))


def test_a_deleted_exchange_drains_its_shards_and_one_declared_again_gets_new_ones(cluster, clean, start, names):
    program = start(2)
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        clean.delete_exchange(EXCHANGE)
        wait_until(lambda: not clean.shards(EXCHANGE), 30, lambda: f"all shards are gone: {clean.shards(EXCHANGE)}")
        assert not traffic.lost()
        clean.declare_exchange(EXCHANGE)
        wait_ready(program, EXCHANGE, names(2))
        traffic.wait_confirmed()
        traffic.finish()


def test_shards_of_a_deleted_exchange_that_hold_messages_wait_for_their_consumers(cluster, clean, start, names):
    program = start(1)
    with Traffic(cluster, EXCHANGE, consume=False) as traffic:
        traffic.wait_confirmed()
        clean.delete_exchange(EXCHANGE)
        wait_condition(program, EXCHANGE, "DrainStalled")
        assert clean.shards(EXCHANGE).keys() == names(1)
        clean.declare_exchange(EXCHANGE)
        wait_ready(program, EXCHANGE, names(1))
        traffic.finish()


def test_without_its_policy_a_stream_keeps_its_shards_bound_and_is_reported_as_orphaned(cluster, clean, start, names):
    program = start(2)
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        clean.clear_global("stream-policy.%2F.orders")
        wait_until(lambda: stream(program, EXCHANGE)["state"] == "orphaned", 20)
        assert set(states(program, EXCHANGE).values()) == {"orphaned"}
        traffic.wait_confirmed(300)
        clean.wait_shards_bound(EXCHANGE, names(2))
        clean.define_stream("orders", {"shards-per-node": 2}, r"^shard\.")
        wait_ready(program, EXCHANGE, names(2))
        traffic.finish()
        assert not traffic.publisher.returned


def test_a_narrowed_pattern_orphans_the_streams_it_leaves_and_them_alone(cluster, clean, start, names):
    program = start(1)
    clean.declare_exchange("shard.payments")
    wait_ready(program, "shard.payments", names(1, "shard.payments"))
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        clean.define_stream("orders", {"shards-per-node": 2}, r"^shard\.payments$")
        wait_ready(program, "shard.payments", names(2, "shard.payments"))
        wait_until(lambda: stream(program, EXCHANGE)["state"] == "orphaned", 20)
        clean.wait_shards_bound(EXCHANGE, names(1))
        traffic.finish()
        assert not traffic.publisher.returned


def test_delete_stream_removes_an_orphaned_stream_once_it_is_empty(cluster, clean, start, names, programs):
    program = start(2)
    fill(cluster)
    clean.clear_global("stream-policy.%2F.orders")
    wait_until(lambda: stream(program, EXCHANGE)["state"] == "orphaned", 20)
    programs.ctl(cluster, "--statistics-interval", "1s", "--timeout", "4s", "delete_stream", EXCHANGE)
    assert clean.shards(EXCHANGE).keys() == names(2), "they hold messages"
    with Traffic(cluster, EXCHANGE, rate=0.01) as traffic:
        wait_until(lambda: traffic.consumers.without_id >= 60, 20)
    programs.ctl(cluster, "--statistics-interval", "1s", "--timeout", "50s", "delete_stream", EXCHANGE, check=True)
    wait_until(lambda: not clean.shards(EXCHANGE), 20)
    wait_until(lambda: not [entry for entry in get(program, "streams")["streams"] if entry["shards"]], 20)
