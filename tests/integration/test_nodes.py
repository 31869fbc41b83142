"""Nodes come, go, die, return, rest and are drained while messages flow: the shards follow, nothing is lost or stranded."""

import pytest

from support.status import QUICK, get, shard_names, states, stream, wait_ready
from support.traffic import Traffic
from support.waiting import always, wait_until

CLUSTER_NODES = 3
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.orders"
LATER = "shard.later"
CATCH_UP_S = 90


@pytest.fixture(name="names")
def fixture_names(cluster):
    """names(indices): the stream's shards, one a node, on the nodes with these indices, or on all there are now."""
    return lambda indices=None, exchange=EXCHANGE: shard_names(
        [cluster.names[index] for index in indices] if indices is not None else cluster.names, exchange, 1)


@pytest.fixture(name="program")
def fixture_program(cluster, clean, programs, names):
    """The coordinator, with a stream that has one shard per node and is ready."""
    clean.define_stream("orders", {"shards-per-node": 1}, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster, *QUICK)
    wait_ready(program, EXCHANGE, names())
    return program


@pytest.fixture(name="traffic")
def fixture_traffic(cluster, program):
    """Traffic that flows; the test ends it with finish()."""
    assert program.running()
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        yield traffic


def wait_node(program, name, wanted, timeout=30):
    """Waits until the coordinator sees what is wanted of a node."""
    def entry():
        return next((node for node in get(program, "nodes")["nodes"] if node["name"] == name), None)
    wait_until(lambda: wanted(entry()), timeout, lambda: f"{name}: {entry()}")


@pytest.mark.parametrize("way", ["kill", "stop_node"])
def test_a_node_that_dies_or_leaves_and_returns_gets_its_shards_and_their_messages_back(cluster, clean, program, traffic,
                                                                                        names, way):
    traffic.consumers.pause()
    traffic.wait_confirmed(60)  # Some wait on the node that goes.
    getattr(cluster, way)(2)
    wait_until(lambda: states(program, EXCHANGE)[names([2]).pop()] == "down", 30, lambda: stream(program, EXCHANGE))
    traffic.consumers.pause(False)
    traffic.wait_confirmed(200)
    clean.declare_exchange(LATER)
    wait_until(lambda: clean.shards(LATER).keys() == names([0, 1], LATER), 20)
    cluster.start_node(2)
    wait_ready(program, EXCHANGE, names(), CATCH_UP_S)
    wait_ready(program, LATER, names(exchange=LATER), CATCH_UP_S)
    traffic.wait_confirmed()
    traffic.finish(CATCH_UP_S)


def test_a_node_joins_and_after_drain_node_leaves_for_good(cluster, clean, program, traffic, names, programs):
    joined = cluster.join()
    wait_ready(program, EXCHANGE, names(), CATCH_UP_S)
    assert len(names()) == 4
    traffic.wait_received_from(f"stream: {EXCHANGE} - {joined} - 0", 20)
    programs.ctl(cluster, "drain_node", joined, check=True)
    wait_ready(program, EXCHANGE, names([0, 1, 2]), CATCH_UP_S)
    assert clean.shards(EXCHANGE).keys() == names([0, 1, 2])
    assert not traffic.publisher.returned
    cluster.forget(3)
    wait_node(program, joined, lambda entry: entry is None)
    programs.ctl(cluster, "undrain_node", joined, check=True)
    wait_ready(program, EXCHANGE, names(), CATCH_UP_S)
    traffic.finish(CATCH_UP_S)


def test_a_dead_node_that_is_forgotten_takes_its_shards_and_one_of_the_same_name_gets_new_ones(cluster, program, traffic,
                                                                                              names):
    traffic.rest()  # A forgotten node takes what its classic queues hold; nothing can bring that back.
    cluster.kill(2)
    cluster.forget(2)
    wait_ready(program, EXCHANGE, names(), CATCH_UP_S)
    assert len(names()) == 2
    traffic.resume()
    traffic.wait_confirmed()
    cluster.join()
    wait_ready(program, EXCHANGE, names(), CATCH_UP_S)
    assert len(names()) == 3
    traffic.wait_received_from(names([2]).pop(), 20)
    traffic.finish(CATCH_UP_S)


def test_a_node_in_maintenance_keeps_its_shards_and_gets_no_new_ones_until_it_is_revived(cluster, clean, program, traffic,
                                                                                        names):
    cluster.drain(1)
    wait_node(program, cluster.names[1], lambda entry: not entry["reachable"])
    clean.declare_exchange(LATER)
    wait_until(lambda: clean.shards(LATER).keys() == names([0, 2], LATER), 20)
    always(lambda: clean.shards(LATER).keys() == names([0, 2], LATER), 1)
    traffic.wait_received_from(names([1]).pop(), 20)  # It routes and delivers on, through the other nodes.
    cluster.revive(1)
    wait_ready(program, LATER, names(exchange=LATER), CATCH_UP_S)
    wait_ready(program, EXCHANGE, names(), CATCH_UP_S)
    traffic.wait_confirmed()
    traffic.finish(CATCH_UP_S)


def test_drain_node_empties_a_node_and_undrain_node_fills_it_again(cluster, clean, program, traffic, names, programs):
    programs.ctl(cluster, "drain_node", cluster.names[0], check=True)
    wait_ready(program, EXCHANGE, names([1, 2]), CATCH_UP_S)
    assert clean.shards(EXCHANGE).keys() == names([1, 2])
    clean.declare_exchange(LATER)
    wait_ready(program, LATER, names([1, 2], LATER))
    programs.ctl(cluster, "undrain_node", cluster.names[0], check=True)
    wait_ready(program, EXCHANGE, names())
    wait_ready(program, LATER, names(exchange=LATER))
    traffic.wait_received_from(names([0]).pop(), 20)
    traffic.finish(CATCH_UP_S)
    assert not traffic.publisher.returned


def test_a_node_that_dies_while_it_is_drained_is_drained_on_when_it_returns(cluster, clean, program, traffic, names, programs):
    traffic.consumers.pause()
    traffic.wait_confirmed(60)
    programs.ctl(cluster, "drain_node", cluster.names[2], check=True)
    clean.wait_shards_bound(EXCHANGE, names([0, 1]))
    cluster.kill(2)
    wait_node(program, cluster.names[2], lambda entry: not entry["running"])
    assert clean.shards(EXCHANGE).keys() == names(), "its shard holds messages"
    cluster.start_node(2)
    traffic.consumers.pause(False)
    wait_ready(program, EXCHANGE, names([0, 1]), CATCH_UP_S)
    assert clean.shards(EXCHANGE).keys() == names([0, 1])
    programs.ctl(cluster, "undrain_node", cluster.names[2], check=True)
    wait_ready(program, EXCHANGE, names(), CATCH_UP_S)
    traffic.finish(CATCH_UP_S)


def test_draining_every_node_keeps_a_shard_bound(cluster, clean, program, traffic, names, programs):
    for name in cluster.names:
        programs.ctl(cluster, "drain_node", name, check=True)
    wait_until(lambda: len(clean.bindings(EXCHANGE)) == 1, 30, lambda: clean.bindings(EXCHANGE))
    always(lambda: len(clean.bindings(EXCHANGE)) == 1, 2)
    traffic.wait_confirmed()
    for name in cluster.names:
        programs.ctl(cluster, "undrain_node", name, check=True)
    wait_ready(program, EXCHANGE, names(), CATCH_UP_S)
    traffic.finish(CATCH_UP_S)
    assert not traffic.publisher.returned


def test_all_nodes_are_restarted_one_after_the_other(cluster, program, traffic, names):
    for index in range(3):
        cluster.restart(index)
        wait_ready(program, EXCHANGE, names(), CATCH_UP_S)
        traffic.wait_confirmed(50)
    traffic.finish(CATCH_UP_S)
    assert traffic.publisher.connections >= 2
