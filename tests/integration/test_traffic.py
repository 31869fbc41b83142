"""The traffic harness itself, on shards made by hand: it has to fail when a message is lost, stranded or foreign."""

import pytest

from support import amqp
from support.management import part
from support.traffic import Traffic
from support.waiting import wait_until

CLUSTER_NODES = 1
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "by.hand"
NAMES = [f"stream: {EXCHANGE} - rabbit1@localhost - {index}" for index in range(3)]


def declare(api, name):
    """A queue with a shard's name."""
    api.put(f"queues/%2F/{part(name)}", {"durable": True})


def bind(api, name):
    """Binds it."""
    api.post(f"bindings/%2F/e/{part(EXCHANGE)}/q/{part(name)}", {"routing_key": "1"})


def unbind(api, name):
    """Unbinds it."""
    api.delete(f"bindings/%2F/e/{part(EXCHANGE)}/q/{part(name)}/1")


@pytest.fixture(name="api")
def fixture_api(clean):
    """A sharded exchange with two shards."""
    clean.declare_exchange(EXCHANGE)
    for name in NAMES[:2]:
        declare(clean, name)
        bind(clean, name)
    return clean


def test_all_is_well_through_a_restart_of_the_broker_and_an_exchange_that_goes_and_returns(cluster, api):
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed(300)
        cluster.restart(0)
        traffic.wait_confirmed(300)
        assert traffic.publisher.connections == 2
        api.delete_exchange(EXCHANGE)
        api.declare_exchange(EXCHANGE)
        wait_until(lambda: traffic.publisher.returned, 20, "messages without a shard are returned")
        for name in NAMES[:2]:
            bind(api, name)
        traffic.wait_confirmed(300)
        traffic.finish()
        assert traffic.consumers.received.keys() == traffic.publisher.issued


def test_consumers_come_to_new_shards_and_leave_those_that_are_unbound_and_empty(cluster, api):
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        wait_until(lambda: traffic.consumers.consuming == set(NAMES[:2]), 20)
        declare(api, NAMES[2])
        bind(api, NAMES[2])
        unbind(api, NAMES[0])
        wait_until(lambda: traffic.consumers.consuming == set(NAMES[1:]), 20)
        api.delete(f"queues/%2F/{part(NAMES[0])}?if-empty=true&if-unused=true")
        unbind(api, NAMES[2])
        traffic.consumers.pause()
        wait_until(lambda: not traffic.consumers.consuming, 20)
        bind(api, NAMES[2])
        wait_until(lambda: api.queues()[NAMES[2]].get("messages", 0) > 5, 20)
        unbind(api, NAMES[2])
        traffic.consumers.pause(False)
        traffic.finish()
        assert amqp.ready_count(cluster.amqp[0], NAMES[2]) == 0


def test_messages_taken_by_get_count_as_well_and_need_no_consumer(cluster, api):
    with Traffic(cluster, EXCHANGE, by_get=True) as traffic:
        traffic.wait_confirmed(300)
        assert not traffic.consumers.consuming
        traffic.rest()
        traffic.resume()
        traffic.wait_confirmed()
        traffic.finish()


def test_a_message_that_is_lost_is_noticed(cluster, api):
    with Traffic(cluster, EXCHANGE, consume=False) as traffic:
        traffic.wait_confirmed()
        api.delete(f"queues/%2F/{part(NAMES[0])}/contents")
        with pytest.raises(AssertionError, match="every confirmed message is received.*lost"):
            traffic.finish(8)


def test_a_shard_that_is_deleted_with_its_messages_is_noticed(cluster, api):
    with Traffic(cluster, EXCHANGE, consume=False) as traffic:
        traffic.wait_confirmed()
        api.delete(f"queues/%2F/{part(NAMES[0])}")
        with pytest.raises(AssertionError, match="every confirmed message is received.*lost"):
            traffic.finish(8)


def test_messages_of_nobody_are_noticed(cluster, api):
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        amqp.publish_many(cluster.amqp[0], "", [NAMES[0]], message_id="stranger")
        with pytest.raises(AssertionError, match="never published here: 1: stranger"):
            traffic.finish()


def test_a_message_in_a_queue_where_no_consumer_looks_is_stranded(cluster, api):
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.wait_confirmed()
        traffic.rest()
        traffic.close()
        amqp.publish_many(cluster.amqp[0], "", [NAMES[0]], message_id="late")
        with pytest.raises(AssertionError, match="no message is left in a shard"):
            traffic.finish()


def test_nothing_published_is_no_success(cluster, api):
    api.delete_exchange(EXCHANGE)
    with Traffic(cluster, EXCHANGE) as traffic:
        traffic.publisher.issuing = False
        with pytest.raises(AssertionError, match="nothing was published|every message is confirmed"):
            traffic.finish(3)
