"""The rabbitmq_sharding plugin's own test cases, seen from outside, with Warren in its place; and the way from the
plugin to Warren with the queues and messages there are. docs/comparison.md has the table of all cases."""

import pytest

from support import amqp
from support.management import part
from support.status import QUICK, conditions, shard_names, stream, wait_condition, wait_ready
from support.traffic import Traffic
from support.waiting import always, wait_until

CLUSTER_NODES = 2
CLUSTER_PLUGINS = ["rabbitmq_sharding"]
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.test"
PATTERN = r"^shard\."
KINDS = ["x-modulus-hash", "x-consistent-hash"]


@pytest.fixture(name="names")
def fixture_names(cluster):
    """names(count): the stream's shards with `count` per node, in Warren's naming or the plugin's."""
    return lambda count, prefix="stream": shard_names(cluster.names, EXCHANGE, count, prefix)


@pytest.fixture(name="coordinator")
def fixture_coordinator(cluster, clean, programs):
    """The coordinator; afterwards no policy of the broker is left."""
    yield programs.coordinator(cluster, *QUICK)
    for entry in clean.get("policies/%2F"):
        clean.delete(f"policies/%2F/{part(entry['name'])}")


def define(api, **definition):
    """The stream's definition, `_` for `-`."""
    api.define_stream("test", {key.replace("_", "-"): value for key, value in definition.items()}, PATTERN)


def bound_keys(api):
    """The routing keys of all bindings of the exchange."""
    return {entry["routing_key"] for entry in api.bindings(EXCHANGE)}


def ready(cluster, queues):
    """Messages in these queues, exactly."""
    return sum(amqp.ready_count(cluster.amqp[0], name) for name in queues)


@pytest.mark.parametrize("kind", KINDS)
def test_shards_without_a_routing_key_are_bound_and_get_messages(cluster, clean, coordinator, names, kind):
    clean.declare_exchange(EXCHANGE, kind)
    define(clean, shards_per_node=3)
    wait_ready(coordinator, EXCHANGE, names(3))
    amqp.publish_many(cluster.amqp[0], EXCHANGE, [f"key-{number}" for number in range(60)])
    assert ready(cluster, names(3)) == 60


def test_an_empty_routing_key_is_refused_where_it_would_leave_shards_without_messages(clean, coordinator, names):
    clean.declare_exchange(EXCHANGE, "x-consistent-hash")
    define(clean, shards_per_node=3, routing_key="")
    message = wait_until(lambda: [entry["message"] for entry in stream(coordinator, EXCHANGE)["conditions"]
                                  if entry["blocks"]], 20)[0]
    assert "routing-key" in message and not clean.shards(EXCHANGE)
    clean.delete_exchange(EXCHANGE)
    clean.declare_exchange(EXCHANGE, "x-modulus-hash")
    wait_ready(coordinator, EXCHANGE, names(3))
    assert bound_keys(clean) == {""}


@pytest.mark.parametrize("kind", KINDS)
def test_shards_are_made_for_an_exchange_that_is_there_before_its_policy(clean, coordinator, names, kind):
    clean.declare_exchange(EXCHANGE, kind)
    define(clean, shards_per_node=3, routing_key="1234")
    wait_ready(coordinator, EXCHANGE, names(3))
    assert bound_keys(clean) == {"1234" if kind == "x-modulus-hash" else "1"}


@pytest.mark.parametrize("kind", KINDS)
def test_shards_are_made_for_an_exchange_that_comes_after_its_policy(clean, coordinator, names, kind):
    define(clean, shards_per_node=3, routing_key="1234")
    always(lambda: not clean.queues(prefix="stream: "), 1)
    clean.declare_exchange(EXCHANGE, kind)
    wait_ready(coordinator, EXCHANGE, names(3))


def test_more_shards_per_node_add_queues_and_fewer_take_away_those_that_are_empty(clean, coordinator, names):
    clean.declare_exchange(EXCHANGE, "x-modulus-hash")
    define(clean, shards_per_node=3, routing_key="1234")
    wait_ready(coordinator, EXCHANGE, names(3))
    define(clean, shards_per_node=5, routing_key="1234")
    wait_ready(coordinator, EXCHANGE, names(5))
    define(clean, shards_per_node=3, routing_key="1234")
    wait_ready(coordinator, EXCHANGE, names(3))
    assert clean.shards(EXCHANGE).keys() == names(3)


def test_fewer_shards_per_node_keep_the_queues_with_on_remove_retain(clean, coordinator, names):
    clean.declare_exchange(EXCHANGE, "x-modulus-hash")
    define(clean, shards_per_node=5, on_remove="retain")
    wait_ready(coordinator, EXCHANGE, names(5))
    define(clean, shards_per_node=3, on_remove="retain")
    clean.wait_shards_bound(EXCHANGE, names(3))
    always(lambda: clean.shards(EXCHANGE).keys() == names(5), 3)


def test_a_changed_routing_key_changes_the_bindings(clean, coordinator, names):
    clean.declare_exchange(EXCHANGE, "x-modulus-hash")
    define(clean, shards_per_node=3, routing_key="1234")
    wait_ready(coordinator, EXCHANGE, names(3))
    define(clean, shards_per_node=3, routing_key="4321")
    wait_until(lambda: bound_keys(clean) == {"4321"}, 30)
    wait_ready(coordinator, EXCHANGE, names(3))


@pytest.mark.parametrize("locator", ["client-local", "min-masters", "random"])
def test_a_locator_policy_is_obeyed_or_named(cluster, clean, coordinator, names, locator):
    clean.put("policies/%2F/locator", {"pattern": "^stream: ", "apply-to": "queues",
                                       "definition": {"queue-master-locator": locator}})
    clean.declare_exchange(EXCHANGE, "x-modulus-hash")
    define(clean, shards_per_node=3, routing_key="1234")
    clean.wait_shards_bound(EXCHANGE, names(3))

    def settled():
        elsewhere = [name for name, queue in clean.shards(EXCHANGE).items() if f" - {queue['node']} - " not in name]
        named = "locator" in conditions(coordinator, EXCHANGE).get("Misplaced", "")
        return stream(coordinator, EXCHANGE)["actions"] == [] and named == bool(elsewhere)
    wait_until(settled, 40, lambda: (clean.shards(EXCHANGE), conditions(coordinator, EXCHANGE)))
    if locator == "client-local":
        assert sorted(queue["node"] for queue in clean.shards(EXCHANGE).values()) == sorted(cluster.names * 3)


@pytest.mark.parametrize("shards,messages,expected", [(0, 5, 0), (3, 1, 1), (3, 5, 5)],
                         ids=["zero shards", "one message", "many messages"])
def test_modulus_routing_gives_each_message_to_one_shard(cluster, clean, coordinator, names, shards, messages, expected):
    clean.declare_exchange(EXCHANGE, "x-modulus-hash")
    if shards:
        define(clean, shards_per_node=shards)
        wait_ready(coordinator, EXCHANGE, names(shards))
    with amqp.connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(messages):
            channel.basic_publish(EXCHANGE, f"key-{number * 7919}", b"")
    assert ready(cluster, clean.shards(EXCHANGE)) == expected


# --- From the plugin to Warren -----------------------------------------------------------------------


def shard_by_plugin(cluster, api, names, kind, count=2):
    """The exchange, sharded by the plugin, with messages in every queue; returns messages by queue."""
    api.put("policies/%2F/plugin", {"pattern": PATTERN, "apply-to": "exchanges",
                                    "definition": {"shards-per-node": count, "routing-key": "1234"}})
    api.declare_exchange(EXCHANGE, kind)
    api.wait_shards_bound(EXCHANGE, names(count, "sharding"))
    amqp.publish_many(cluster.amqp[0], EXCHANGE, [f"key-{number}" for number in range(60)])
    held = {name: amqp.ready_count(cluster.amqp[0], name) for name in names(count, "sharding")}
    assert all(held.values()) and sum(held.values()) == 60
    return held


def test_while_the_plugins_policy_matches_warren_waits_and_says_so(cluster, clean, coordinator, names):
    held = shard_by_plugin(cluster, clean, names, "x-modulus-hash")
    bindings = clean.bindings(EXCHANGE)
    define(clean, shards_per_node=2, routing_key="1234", names="sharding")
    assert "plugin" in wait_condition(coordinator, EXCHANGE, "ShardingPluginActive")
    always(lambda: clean.bindings(EXCHANGE) == bindings and clean.queues(prefix="sharding: ").keys() == held.keys(), 2)


def test_a_modulus_exchange_comes_over_with_its_messages_when_the_policy_is_cleared(cluster, clean, coordinator, names):
    held = shard_by_plugin(cluster, clean, names, "x-modulus-hash")
    define(clean, shards_per_node=2, routing_key="1234", names="sharding")
    wait_condition(coordinator, EXCHANGE, "ShardingPluginActive")
    clean.delete("policies/%2F/plugin")
    wait_ready(coordinator, EXCHANGE, names(2, "sharding"))
    assert {name: amqp.ready_count(cluster.amqp[0], name) for name in held} == held
    assert not clean.shards(EXCHANGE), "no queues of Warren's own naming"
    with Traffic(cluster, EXCHANGE) as traffic:
        wait_until(lambda: traffic.consumers.without_id == 60, 20, "what the plugin's queues held is received")
        traffic.consumers.without_id = 0
        traffic.wait_confirmed()
        define(clean, shards_per_node=1, routing_key="1234", names="sharding")
        wait_ready(coordinator, EXCHANGE, names(1, "sharding"))
        traffic.finish()
        assert not traffic.publisher.returned


def test_another_style_of_names_leaves_the_plugins_queues_alone_and_drains_warrens_own(cluster, clean, coordinator, names):
    clean.declare_exchange(EXCHANGE)
    define(clean, shards_per_node=1, names="sharding")
    wait_ready(coordinator, EXCHANGE, names(1, "sharding"))
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        define(clean, shards_per_node=1)
        assert "sharding: " in wait_condition(coordinator, EXCHANGE, "ShardingQueues")
        clean.wait_shards_bound(EXCHANGE, names(1) | names(1, "sharding"))
        for name in names(1) | names(1, "sharding"):
            traffic.wait_received_from(name)
        define(clean, shards_per_node=1, names="sharding")
        wait_ready(coordinator, EXCHANGE, names(1, "sharding"))
        assert not clean.shards(EXCHANGE)
        traffic.finish()
        assert not traffic.publisher.returned


def test_shards_that_the_plugin_left_behind_are_drained(cluster, clean, coordinator, names):
    shard_by_plugin(cluster, clean, names, "x-modulus-hash", 3)
    clean.put("policies/%2F/plugin", {"pattern": PATTERN, "apply-to": "exchanges",
                                      "definition": {"shards-per-node": 1, "routing-key": "1234"}})
    always(lambda: len(clean.bindings(EXCHANGE)) == 6, 1, "the plugin leaves them bound")
    define(clean, shards_per_node=1, routing_key="1234", names="sharding")
    clean.delete("policies/%2F/plugin")
    clean.wait_shards_bound(EXCHANGE, names(1, "sharding"))
    wait_condition(coordinator, EXCHANGE, "DrainStalled")
    with Traffic(cluster, EXCHANGE) as traffic:
        wait_ready(coordinator, EXCHANGE, names(1, "sharding"))
        wait_until(lambda: traffic.consumers.without_id == 60, 20, "what the shards that stay held is received, too")
        traffic.consumers.without_id = 0
        traffic.wait_confirmed()
        traffic.finish()


def test_a_consistent_hash_exchange_comes_over_without_a_gap_when_the_plugin_is_disabled_first(cluster, clean, coordinator,
                                                                                               names):
    held = shard_by_plugin(cluster, clean, names, "x-consistent-hash")
    define(clean, shards_per_node=2, routing_key="1234", names="sharding")
    wait_condition(coordinator, EXCHANGE, "ShardingPluginActive")
    try:
        with Traffic(cluster, EXCHANGE) as traffic:
            traffic.wait_confirmed()
            for node in cluster.names:
                cluster.command("plugins", node, "disable", "rabbitmq_sharding")
            assert {entry["destination"] for entry in clean.bindings(EXCHANGE)} == held.keys()
            clean.delete("policies/%2F/plugin")
            wait_ready(coordinator, EXCHANGE, names(2, "sharding"))
            traffic.wait_confirmed()
            wait_until(lambda: traffic.consumers.without_id == 60, 20)
            traffic.consumers.without_id = 0
            traffic.finish()
            assert not traffic.publisher.returned, "the exchange had a shard all the time"
        assert bound_keys(clean) == {"1"}
    finally:
        for node in cluster.names:
            cluster.command("plugins", node, "enable", "rabbitmq_sharding")
