"""warrenctl on queues that the rabbitmq_sharding plugin left behind."""

from support import amqp

CLUSTER_NODES = 1
CLUSTER_PLUGINS = ["rabbitmq_sharding"]
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.plugin"


def plugin_queues(clean):
    """Names of the plugin's queues."""
    return sorted(name for name in clean.queues() if name.startswith(f"sharding: {EXCHANGE} - "))


def test_queues_of_the_plugin_can_be_purged_and_removed_once_its_policy_is_gone(cluster, ctl, clean):
    clean.put("policies/%2F/plugin", {"pattern": "^shard", "apply-to": "exchanges", "definition": {
        "shards-per-node": 2, "routing-key": "1"}})
    clean.declare_exchange(EXCHANGE)
    names = plugin_queues(clean)
    assert len(names) == 2
    for command in ("purge_stream", "delete_stream"):
        result = ctl(command, EXCHANGE)
        assert (result.returncode, result.stdout) == (69, ""), result.stderr
        assert "rabbitmq_sharding" in result.stderr and "clear_policy -p '/' 'plugin'" in result.stderr
    amqp.publish_many(cluster.amqp[0], EXCHANGE, [f"key{number}" for number in range(20)], delivery_mode=2)

    clean.delete("policies/%2F/plugin")
    purged = ctl("purge_stream", EXCHANGE)
    assert purged.returncode == 0 and "Purged 2 shards" in purged.stdout, purged.stderr
    assert sum(amqp.ready_count(cluster.amqp[0], name) for name in names) == 0
    deleted = ctl("delete_stream", "--statistics-interval", "1s", EXCHANGE)
    assert deleted.returncode == 0 and "Deleted 2 shards" in deleted.stdout, deleted.stderr
    assert not plugin_queues(clean)
