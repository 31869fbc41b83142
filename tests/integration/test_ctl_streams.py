"""warrenctl on whole streams: apply through drains, drain_node, purge_stream, delete_stream, status."""

import contextlib
import json

import pytest

from support import amqp
from support.waiting import wait_until

CLUSTER_NODES = 1
CLUSTER_STATISTICS_MS = 1000
QUICK = ("--statistics-interval", "1s")
EXCHANGE = "shard.web"


@pytest.fixture(name="stream")
def fixture_stream(clean, ctl):
    """stream(shards, **definition) makes EXCHANGE a stream with that many shards."""
    def make(shards, **definition):
        clean.define_stream("web", {"shards-per-node": shards} | definition, "^shard")
        clean.declare_exchange(EXCHANGE)
        ctl("apply", *QUICK, check=True)
        assert len(clean.shards(EXCHANGE)) == shards
    return make


def publish(cluster, count):
    """Persistent messages to the exchange, confirmed, spread over its shards."""
    amqp.publish_many(cluster.amqp[0], EXCHANGE, [f"key{number}" for number in range(count)], delivery_mode=2)


def messages(cluster, clean):
    """Messages ready in all shards, exactly."""
    return sum(amqp.ready_count(cluster.amqp[0], name) for name in clean.shards(EXCHANGE))


@contextlib.contextmanager
def consumer(cluster, queue):
    """A consumer of a queue that takes nothing."""
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, lambda *_: None)
        yield channel


def wait_counted(clean, predicate):
    """Waits until the statistics of every shard satisfy `predicate`."""
    def counted():
        found = [clean.get(f"queues/%2F/{name.replace(' ', '%20')}") for name in clean.shards(EXCHANGE)]
        return all("messages" in queue for queue in found) and predicate(found)
    wait_until(counted, 30, "the broker's statistics")


def test_apply_deletes_a_shard_too_many_after_a_second_look(ctl, clean, stream):
    stream(3)
    ctl("set_parameter", "stream-definition", "web", '{"shards-per-node": 2}', check=True)
    rows = json.loads(ctl("--formatter", "json", "apply", *QUICK, check=True).stdout)
    assert rows[-1] == {"vhost": "/", "exchange": EXCHANGE, "action": "delete-shard", "outcome": "done",
                        "queue": next(row["queue"] for row in rows if row["action"] == "unbind-shard")}, rows
    assert ctl("--formatter", "json", "apply", check=True).stdout == "[]\n"
    ctl("set_parameter", "stream-definition", "web", '{"shards-per-node": 1}', check=True)
    result = ctl("apply", *QUICK)
    assert result.returncode == 0, result.stderr
    assert list(clean.shards(EXCHANGE)) == [name for name in clean.shards(EXCHANGE) if name.endswith(" - 0")]
    assert "delete queue" in result.stdout and "1 of 1 streams ready" in result.stdout


def test_apply_does_not_wait_for_consumers_and_says_what_drains_wait_for(cluster, ctl, clean, stream):
    stream(2)
    publish(cluster, 40)
    held = amqp.ready_count(cluster.amqp[0], next(name for name in clean.shards(EXCHANGE) if name.endswith(" - 1")))
    ctl("set_parameter", "stream-definition", "web", '{"shards-per-node": 1}', check=True)
    result = ctl("apply", *QUICK)
    assert result.returncode == 3, result.stdout
    assert f"{held} messages ready" in result.stderr and "waits for consumers" in result.stderr
    assert len(clean.shards(EXCHANGE)) == 2 and messages(cluster, clean) == 40
    clean.delete(f"queues/%2F/stream:%20{EXCHANGE}%20-%20{cluster.names[0]}%20-%201/contents")
    wait_counted(clean, lambda queues: sum(queue["messages"] for queue in queues) == 40 - held)
    assert ctl("apply", *QUICK).returncode == 0
    assert len(clean.shards(EXCHANGE)) == 1


def test_apply_ends_when_its_time_is_up_and_goes_on_the_next_time(ctl, clean, stream):
    stream(2)
    wait_counted(clean, lambda queues: all(queue["messages"] == 0 for queue in queues))
    ctl("set_parameter", "stream-definition", "web", '{"shards-per-node": 1}', check=True)
    result = ctl("apply", "--timeout", "2s")
    assert result.returncode == 75 and "1 shard drains" in result.stderr, result.stderr
    assert len(clean.bindings(EXCHANGE)) == 1 and len(clean.shards(EXCHANGE)) == 2
    assert ctl("apply", *QUICK).returncode == 0
    assert len(clean.shards(EXCHANGE)) == 1


def test_apply_never_deletes_when_told_so(ctl, clean, stream):
    stream(2)
    ctl("set_parameter", "stream-definition", "web", '{"shards-per-node": 1}', check=True)
    result = ctl("apply", "--never-delete", *QUICK)
    assert result.returncode == 0, result.stderr
    assert len(clean.shards(EXCHANGE)) == 2 and len(clean.bindings(EXCHANGE)) == 1
    assert {row["state"] for row in json.loads(ctl("--formatter=json", "list_shards", check=True).stdout)} == {
        "active", "draining"}


def test_plan_says_how_many_keys_move(ctl, clean, stream):
    stream(2)
    ctl("set_parameter", "stream-definition", "web", '{"shards-per-node": 4}', check=True)
    assert "50 % of the keys will go to another shard" in ctl("plan", check=True).stdout
    rows = json.loads(ctl("--formatter", "json", "plan", check=True).stdout)
    assert len(rows) == 4 and all(abs(row["moved_keys_most"] - 0.5) < 0.01 for row in rows)
    assert len(clean.shards(EXCHANGE)) == 2


def test_purge_stream_empties_all_shards_and_keeps_them(cluster, ctl, clean, stream):
    stream(3)
    publish(cluster, 30)
    result = ctl("purge_stream", EXCHANGE)
    assert result.returncode == 0, result.stderr
    assert "Purging shard 3 of 3" in result.stdout and "Purged 3 shards" in result.stdout
    assert messages(cluster, clean) == 0 and len(clean.bindings(EXCHANGE)) == 3
    rows = json.loads(ctl("--formatter", "json", "purge-stream", EXCHANGE, check=True).stdout)
    assert [row["outcome"] for row in rows] == ["purged"] * 3


@pytest.mark.parametrize("command", ["purge_stream", "delete_stream", "status"])
def test_an_exchange_without_shards_is_an_error(ctl, clean, command):
    clean.declare_exchange("plain")
    result = ctl(command, "plain")
    assert (result.returncode, result.stdout) == (69, "") and "'plain'" in result.stderr


def test_delete_stream_refuses_while_a_policy_matches(ctl, clean, stream):
    stream(2)
    result = ctl("delete_stream", EXCHANGE)
    assert result.returncode == 69 and "policy 'web'" in result.stderr and "clear_policy web" in result.stderr
    assert len(clean.bindings(EXCHANGE)) == 2


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_delete_stream_removes_every_shard_once_no_policy_matches(ctl, clean, stream, kind):
    stream(2, queue={"type": kind})
    ctl("clear_policy", "web", check=True)
    result = ctl("delete_stream", *QUICK, EXCHANGE)
    assert result.returncode == 0, result.stderr
    assert "0 of 2 shards deleted" in result.stdout and "Deleted 2 shards" in result.stdout
    assert not clean.shards(EXCHANGE)
    assert [entry["name"] for entry in clean.get("exchanges/%2F?columns=name")].count(EXCHANGE) == 1


def test_delete_stream_removes_shards_whose_exchange_is_gone(ctl, clean, stream):
    stream(2)
    ctl("clear_policy", "web", check=True)
    clean.delete_exchange(EXCHANGE)
    result = ctl("delete_stream", *QUICK, EXCHANGE)
    assert result.returncode == 0, result.stderr
    assert not clean.shards(EXCHANGE)


def test_drain_node_is_not_done_while_shards_stay_there(cluster, ctl, clean, stream):
    node, = cluster.names
    stream(2)
    lone = ctl("drain_node", "--wait", "--vhost", "no.such", "--timeout", "3s", node)
    assert lone.returncode == 75 and f"2 shards are on {node}" in lone.stderr, "a drain takes in every virtual host"
    ctl("apply", *QUICK)
    lone = ctl("drain_node", "--wait", node)
    assert lone.returncode == 3 and "only one bound" in lone.stderr, lone.stderr

    publish(cluster, 7)
    ctl("clear_policy", "web", check=True)
    wait_counted(clean, lambda queues: sum(queue["messages"] for queue in queues) == 7)
    orphaned = ctl("drain_node", "--wait", node)
    assert orphaned.returncode == 3 and "1 orphaned shard with 7 messages stays on it" in orphaned.stderr, orphaned.stderr
    assert "no shards" not in orphaned.stdout
    rows = json.loads(ctl("--formatter", "json", "drain_node", "--wait", node).stdout)
    assert rows == [{"node": node, "shards": 1, "messages": 7, "outcome": "stays"}]
    ctl("delete_stream", "--purge", *QUICK, EXCHANGE, check=True)
    empty = ctl("drain_node", "--wait", node)
    assert empty.returncode == 0 and "no shards any more" in empty.stdout, empty.stderr


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_delete_stream_keeps_messages_until_the_time_is_up(cluster, ctl, clean, stream, kind):
    stream(2, queue={"type": kind})
    publish(cluster, 10)
    ctl("clear_policy", "web", check=True)
    result = ctl("delete_stream", *QUICK, "--timeout", "8s", EXCHANGE)
    assert result.returncode == 75, result.stderr
    assert "--purge" in result.stderr and "10 messages ready" in result.stderr
    assert messages(cluster, clean) == 10
    assert ctl("delete_stream", "--purge", *QUICK, EXCHANGE).returncode == 0
    assert not clean.shards(EXCHANGE)


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_delete_stream_does_not_believe_old_counts(cluster, ctl, clean, stream, kind):
    stream(2, queue={"type": kind})
    wait_counted(clean, lambda queues: all(queue["messages"] == 0 for queue in queues))
    ctl("clear_policy", "web", check=True)
    publish(cluster, 10)  # A quorum queue tells of these only at its next tick, up to 5 s later.
    result = ctl("delete_stream", "--statistics-interval", "100ms", "--timeout", "3s", EXCHANGE)
    assert result.returncode == 75, result.stdout
    assert messages(cluster, clean) == 10


def test_delete_stream_waits_for_a_consumer_to_go(cluster, ctl, clean, stream):
    stream(1)
    ctl("clear_policy", "web", check=True)
    name, = clean.shards(EXCHANGE)
    with consumer(cluster, name):
        wait_counted(clean, lambda queues: queues[0]["consumers"] == 1)
        result = ctl("delete_stream", "--purge", *QUICK, "--timeout", "5s", EXCHANGE)
        assert result.returncode == 75 and "1 consumer" in result.stderr
        assert name in clean.shards(EXCHANGE)
    assert ctl("delete_stream", *QUICK, EXCHANGE).returncode == 0


def test_status_shows_conditions_and_what_is_left_in_a_drain(cluster, ctl, clean, stream):
    stream(2)
    publish(cluster, 40)
    ctl("set_parameter", "stream-definition", "web", '{"shards-per-node": 1}', check=True)
    ctl("apply", *QUICK)
    wait_counted(clean, lambda queues: sum(queue["messages"] for queue in queues) == 40)
    text = ctl("status", EXCHANGE, check=True).stdout
    drained = next(name for name in clean.shards(EXCHANGE) if name.endswith(" - 1"))
    assert "1 draining" in text and "Draining" in text
    assert f"drain  {drained}: {amqp.ready_count(cluster.amqp[0], drained)} ready, 0 unacknowledged" in text
    found, = json.loads(ctl("--formatter", "json", "status", check=True).stdout)["streams"]
    assert {condition["reason"] for condition in found["conditions"]} >= {"Draining"}
    assert "Draining" in ctl("--formatter", "csv", "status", check=True).stdout
