"""warrenctl with nodes and beside a coordinator: drain_node, undrain_node, status and events of the coordinator."""

import csv
import io
import json

import pytest

from support import amqp, status
from support.waiting import wait_until

CLUSTER_NODES = 3
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.web"


@pytest.fixture(name="stream")
def fixture_stream(clean):
    """A stream with two shards on each node."""
    clean.define_stream("web", {"shards-per-node": 2}, "^shard")
    clean.declare_exchange(EXCHANGE)


def url(coordinator):
    """What --coordinator takes."""
    return coordinator.api.removesuffix("/api/v1")


def nodes_of(clean):
    """Nodes that have a shard of the stream, sorted."""
    return sorted({queue["node"] for queue in clean.shards(EXCHANGE).values()})


def drained(ctl):
    """Nodes that list_nodes shows as drained."""
    rows = json.loads(ctl("--formatter", "json", "list_nodes", check=True).stdout)
    return [row["name"] for row in rows if row["drained"]]


def test_drain_node_empties_the_node_and_undrain_refills_it(cluster, ctl, clean, programs, stream):
    # pylint: disable=unused-argument
    programs.coordinator(cluster, *status.QUICK)
    clean.wait_shards(EXCHANGE, 6)
    gone, *rest = cluster.names
    result = ctl("drain_node", "--wait", gone, timeout=150)
    assert result.returncode == 0, result.stderr
    assert f"Node '{gone}' is being drained" in result.stdout and f"shards are on {gone}: 0 messages" in result.stdout
    assert f"Node '{gone}' has no shards any more." in result.stdout
    assert nodes_of(clean) == sorted(rest) and len(clean.wait_shards(EXCHANGE, 4)) == 4
    assert drained(ctl) == [gone]
    again = ctl("drain-node", gone, check=True)
    assert "already" in again.stdout

    assert "may have shards again" in ctl("undrain_node", gone, check=True).stdout
    clean.wait_shards(EXCHANGE, 6)
    assert not drained(ctl)
    assert "was not being drained" in ctl("undrain_node", gone, check=True).stdout


def test_drain_node_waits_for_messages_until_the_time_is_up(cluster, ctl, clean, programs, stream):
    # pylint: disable=unused-argument
    coordinator = programs.coordinator(cluster, *status.QUICK)
    clean.wait_shards(EXCHANGE, 6)
    amqp.publish_many(cluster.amqp[0], EXCHANGE, [f"key{number}" for number in range(60)])
    node = cluster.names[1]
    held = sum(amqp.ready_count(cluster.amqp[1], name) for name, queue in clean.shards(EXCHANGE).items()
               if queue["node"] == node)
    result = ctl("drain_node", "--wait", "--timeout", "8s", node)
    assert result.returncode == 75, result.stdout
    assert f"2 shards are on {node}: {held} messages ready" in result.stderr and "coordinator" in result.stderr
    assert held == sum(amqp.ready_count(cluster.amqp[1], name) for name, queue in clean.shards(EXCHANGE).items()
                       if queue["node"] == node)

    text = ctl("status", "--coordinator", url(coordinator), check=True).stdout
    assert f"by coordinator {url(coordinator)} (leader), by events" in text and "unbound since 20" in text and text.count("\n  drain  ") == 2
    rows = list(csv.DictReader(io.StringIO(ctl("--formatter", "csv", "status", "--coordinator", url(coordinator), EXCHANGE,
                                               check=True).stdout)))
    assert all(row["since"].startswith("20") for row in rows) and any(
        row["reason"].startswith("Drain") for row in rows)

    ctl("undrain_node", node, check=True)
    status.wait_ready(coordinator, EXCHANGE, status.shard_names(cluster.names, EXCHANGE, 2))
    assert len(clean.bindings(EXCHANGE)) == 6


def test_apply_drains_a_node_without_a_coordinator(cluster, ctl, clean, stream):
    # pylint: disable=unused-argument
    ctl("apply", check=True)
    ctl("drain_node", cluster.names[2], check=True)
    assert "of the keys will go to another shard" in ctl("plan", check=True).stdout
    result = ctl("apply", "--statistics-interval", "1s")
    assert result.returncode == 0, result.stderr
    assert nodes_of(clean) == sorted(cluster.names[:2])
    assert ctl("drain_node", "--wait", cluster.names[2], check=True)


def test_an_exchange_keeps_its_last_shard_when_all_nodes_are_drained(cluster, ctl, clean, stream):
    # pylint: disable=unused-argument
    ctl("apply", check=True)
    for node in cluster.names:
        ctl("drain_node", node, check=True)
    ctl("apply", "--statistics-interval", "1s")
    queue, = clean.shards(EXCHANGE).values()
    assert len(clean.bindings(EXCHANGE)) == 1
    result = ctl("drain_node", "--wait", "--timeout", "20s", queue["node"])
    assert result.returncode == 3 and "only one bound" in result.stderr, result.stderr


@pytest.mark.parametrize("command", ["drain_node", "undrain_node"])
def test_an_unknown_node_is_an_error_that_names_the_nearest(cluster, ctl, clean, command):
    result = ctl(command, cluster.names[0].replace("rabbit", "rabit"))
    assert (result.returncode, result.stdout) == (69, "")
    assert f"is '{cluster.names[0]}' meant?" in result.stderr
    result = ctl(command, "")
    assert result.returncode == 69 and cluster.names[2] in result.stderr
    assert not [entry for entry in clean.get("global-parameters") if entry["name"].startswith("stream")]


def test_undrain_node_forgets_a_node_that_left_the_cluster(ctl, clean):
    clean.set_global("stream-node.gone@host", {"drain": True})
    ctl("undrain_node", "gone@host", check=True)
    assert not [entry for entry in clean.get("global-parameters") if entry["name"].startswith("stream")]
    assert ctl("undrain_node", "gone@host").returncode == 69


def test_shards_on_a_node_that_is_down_are_left_and_named(cluster, ctl, clean, stream):
    # pylint: disable=unused-argument
    ctl("apply", check=True)
    amqp.publish_many(cluster.amqp[0], EXCHANGE, [f"key{number}" for number in range(30)], delivery_mode=2)
    cluster.kill(2)
    wait_until(lambda: not clean.nodes()[cluster.names[2]], 30, "the node is seen as down")
    purged = ctl("purge_stream", EXCHANGE)
    assert purged.returncode == 3, purged.stdout
    assert purged.stdout.count("  purged") == 4 and purged.stdout.count("  down") == 2
    held = ctl("drain_node", "--wait", cluster.names[2])
    assert held.returncode == 3 and "2 shards are down" in held.stderr and "only one" not in held.stderr, held.stderr
    ctl("undrain_node", cluster.names[2], check=True)
    ctl("clear_policy", "web", check=True)
    result = ctl("delete_stream", "--statistics-interval", "1s", EXCHANGE)
    assert result.returncode == 3 and "2 shards" in result.stderr and "down" in result.stderr, result.stderr
    assert nodes_of(clean) == [cluster.names[2]]
    cluster.start_node(2)
    again = ctl("delete_stream", "--purge", "--statistics-interval", "1s", EXCHANGE)
    assert again.returncode == 0, again.stderr
    assert not clean.shards(EXCHANGE)


def test_events_are_those_of_the_coordinator(cluster, ctl, clean, programs, stream):
    # pylint: disable=unused-argument
    coordinator = programs.coordinator(cluster, *status.QUICK)
    clean.wait_shards(EXCHANGE, 6)

    def events():
        found = json.loads(ctl("--formatter", "json", "events", "--coordinator", url(coordinator), check=True).stdout)
        return [event for event in found if event["exchange"] == EXCHANGE]
    found = wait_until(events, 20, "an event of the stream")
    assert all(event["at"] > "2020" and event["kind"] and event["message"] for event in found)
    text = ctl("events", "--coordinator", url(coordinator), check=True).stdout
    assert text.startswith("time") and EXCHANGE in text and "Z  " in text


@pytest.mark.parametrize("command", ["events", "list_assignments", "status"])
def test_a_coordinator_that_is_none_is_an_error_that_says_so(cluster, ctl, command):
    nobody = ctl(command, "--coordinator", "http://127.0.0.1:1")
    assert nobody.returncode == 69 and "--coordinator" in nobody.stderr and "management plugin" not in nobody.stderr
    broker = ctl(command, "--coordinator", cluster.management[0])
    assert (broker.returncode, broker.stdout) == (70, "") and "coordinator" in broker.stderr
