"""Streams behind warren-gateway, for tests: who consumes what by the management API, and clients made with pika whose every
wait has an end."""

import time

import pika

from support import amqp
from support.owners import node_of
from support.waiting import wait_until

EXCHANGE, SHORT = "shard.logs", "logs"
SHARDS_PER_NODE = 2
STEP_S = 0.05


def define(api, nodes, exchange=EXCHANGE, definition=None):
    """A definition, its policy and an exchange; returns the shards once a coordinator has made them."""
    name = exchange.replace(".", "-")
    api.define_stream(name, definition or {"shards-per-node": SHARDS_PER_NODE}, "^" + exchange.replace(".", "\\.") + "$")
    api.declare_exchange(exchange)
    return sorted(api.wait_shards(exchange, SHARDS_PER_NODE * nodes))


def consumers(api, queues):
    """Queue -> connection names of its consumers, from the management API; each of `queues` is there."""
    found = {queue: [] for queue in queues}
    for entry in api.get("consumers"):
        if entry["queue"]["name"] in found:
            found[entry["queue"]["name"]].append(entry["channel_details"]["connection_name"])
    return found


def wait_consumers(address, queues, count, timeout=20):
    """Waits until each queue has `count` consumers, as the broker at the address counts them: exact, not a statistic."""
    with amqp.connect(address) as connection:
        channel = connection.channel()

        def counts():
            return {queue: channel.queue_declare(queue, passive=True).method.consumer_count for queue in queues}
        wait_until(lambda: set(counts().values()) == {count}, timeout, lambda: f"{count} consumers each: {counts()}")


def wait_stream(address, name, timeout=20):
    """Waits until the gateway knows the name; returns the passive declare's answer."""
    def known():
        with amqp.connect(address) as connection:
            return connection.channel().queue_declare(name, passive=True).method
    return wait_until(known, timeout, f"{name} is a stream at {address}")


def publish(address, exchange, count, prefix="m"):
    """Publishes messages with ids, confirmed; returns the set of ids."""
    ids = {f"{prefix}-{number}" for number in range(count)}
    with amqp.connect(address) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for one in sorted(ids):
            channel.basic_publish(exchange, one, one.encode(), pika.BasicProperties(message_id=one, delivery_mode=1), mandatory=True)
    return ids


class Reader:
    """A consumer that holds what it gets until it is told to ack. `most` is the most that was in hand at a time."""

    def __init__(self, channel, name, tag="mine", prefetch=None, **options):
        self.channel, self.held, self.ids, self.tags, self.redelivered = channel, [], [], set(), 0
        self.most, self.cancelled = 0, []
        if prefetch is not None:
            channel.basic_qos(prefetch_count=prefetch)
        channel.add_on_cancel_callback(lambda frame: self.cancelled.append(frame.method.consumer_tag))
        self.auto_ack = options.get("auto_ack", False)
        self.tag = channel.basic_consume(name, self._on_message, consumer_tag=tag, **options)

    def _on_message(self, _channel, method, properties, _body):
        self.ids.append(properties.message_id)
        self.tags.add(method.consumer_tag)
        self.redelivered += method.redelivered
        if not self.auto_ack:
            self.held.append(method.delivery_tag)
            self.most = max(self.most, len(self.held))

    def pump(self, seconds=STEP_S):
        """Lets what there is come in; fails when the channel was closed, of which this tells nothing else."""
        assert self.channel.is_open, "the channel was closed"
        self.channel.connection.process_data_events(seconds)

    def ack_one(self):
        """The oldest that it holds."""
        if self.held:
            self.channel.basic_ack(self.held.pop(0))

    def ack_all(self):
        """By one ack of many."""
        if self.held:
            self.channel.basic_ack(self.held[-1], multiple=True)
            self.held.clear()

    def read(self, count, acks=True, timeout=30):
        """Until it has `count` messages in all."""
        end = time.monotonic() + timeout
        while len(self.ids) < count:
            assert time.monotonic() < end, f"{len(self.ids)} of {count} messages within {timeout} s"
            self.pump(0.01)
            if acks:
                self.ack_one()
        return self.ids

    def nothing_more(self, seconds=0.5):
        """Fails if another message comes."""
        before = len(self.ids)
        self.pump(seconds)
        assert len(self.ids) == before, f"{self.ids[before:]} came as well"


def local(shards, node):
    """Those of one node."""
    return {shard for shard in shards if node_of(shard) == node}
