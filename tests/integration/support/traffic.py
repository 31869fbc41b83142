"""Continuous traffic through a sharded exchange, and the account of it: at least once, nothing stranded.

    with Traffic(cluster, EXCHANGE) as traffic:
        ...           # whatever happens to the cluster
        traffic.finish()

Publisher and consumers follow the cluster as it is (`cluster` may gain and lose nodes meanwhile). What
`finish` asserts is exact: it asks the queues themselves, not statistics.
"""

import os
import time

import pika
import requests

from . import amqp
from .management import ManagementApi
from .traffic_consumers import Consumers, shard_queues
from .traffic_publisher import Publisher
from .waiting import wait_until

NAMES_SHOWN = 10
DEFAULT_RATE = 250


class Traffic:
    """Publishes and consumes until `finish` or `close`. For one thread. `consumers`: options of Consumers."""

    def __init__(self, cluster, exchange, rate=DEFAULT_RATE, consume=True, **consumers):
        self.cluster, self.exchange = cluster, exchange
        self.consumers = Consumers(lambda: list(cluster.amqp), lambda: list(cluster.management), exchange,
                                   **consumers)
        self.consumers.pause(not consume)
        self.publisher = Publisher(lambda: list(cluster.amqp), exchange, rate, f"{os.getpid()}.{time.monotonic_ns()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def wait_confirmed(self, more=100, timeout=30):
        """Waits until `more` messages are confirmed than now: traffic flows."""
        target = len(self.publisher.confirmed) + more
        wait_until(lambda: len(self.publisher.confirmed) >= target, timeout, lambda: f"traffic flows: {self}", 0.05)

    def wait_received_from(self, queue, more=5, timeout=30):
        """Waits until `more` messages than now came through this queue."""
        target = self.consumers.by_queue[queue] + more
        wait_until(lambda: self.consumers.by_queue[queue] >= target, timeout, lambda: f"{queue} gets messages: {self}")

    def rest(self, timeout=30):
        """Publishes nothing new until resume(), and waits until no message is under way."""
        self.publisher.issuing = False
        wait_until(lambda: self.publisher.settled() and not self.lost(), timeout, lambda: f"{self}; lost {_some(self.lost())}")

    def resume(self):
        """Publishes on."""
        self.publisher.issuing = True

    def lost(self):
        """Ids that were confirmed and not received yet."""
        return self.publisher.confirmed - self.consumers.received.keys()

    def finish(self, timeout=60):
        """Ends publishing, waits for what is under way, and asserts that nothing is lost, stranded or unexpected."""
        self.consumers.pause(False)
        self.publisher.issuing = False
        try:
            wait_until(self.publisher.settled, timeout, lambda: f"every message is confirmed: {self}")
            assert self.publisher.confirmed, f"nothing was published: {self}"
            wait_until(lambda: not self.lost(), timeout, lambda: f"every confirmed message is received: {self}; lost "
                       f"{_some(self.lost())}; {self._stranded()}")
        finally:
            self.close()
        stranded = {}

        def empty():
            stranded.clear()
            stranded.update(self._stranded())
            return not stranded
        def taken():
            # What was received and not yet acknowledged when the connection closed goes back and stays; it was received.
            if not empty():
                self._receive_the_rest(stranded)
            return empty()
        wait_until(taken, 15, lambda: f"no message is left in a shard: {stranded}")
        unexpected = self.consumers.received.keys() - self.publisher.issued
        assert not unexpected, f"received, and never published here: {_some(unexpected)}"
        assert not self.consumers.without_id, f"{self.consumers.without_id} messages received that carry no id"
        return self

    def close(self):
        """Ends both halves."""
        self.publisher.close()
        self.consumers.close()

    def _api(self):
        for url in self.cluster.management:
            api = ManagementApi(url)
            try:
                api.get("overview?columns=node")
                return api
            except requests.RequestException:
                continue
        raise AssertionError("no management API of the cluster answers")

    def _stranded(self):
        """Queue -> messages ready, for every shard that holds some or cannot be asked; exact."""
        found = {}
        for name in shard_queues(self._api(), self.exchange):
            count = self._ready_count(name)
            if count:
                found[name] = count
        return found

    def _ready_count(self, name):
        error = "no node answers"
        for address in self.cluster.amqp:
            try:
                return amqp.ready_count(address, name)
            except pika.exceptions.ChannelClosedByBroker as closed:
                return 0 if "no queue" in closed.reply_text else closed.reply_text
            except (pika.exceptions.AMQPError, OSError) as failed:
                error = repr(failed)
        return error

    def _receive_the_rest(self, stranded):
        """Takes what was delivered before and requeued by the end of the consumers; anything else stays."""
        for name in stranded:
            with amqp.connect(self.cluster.amqp[0]) as connection:
                channel = connection.channel()
                while True:
                    method, properties, _ = channel.basic_get(name)
                    if method is None or properties.message_id not in self.consumers.received:
                        break
                    channel.basic_ack(method.delivery_tag)

    def __str__(self):
        sent, received = self.publisher, self.consumers.received
        return (f"{len(sent.issued)} issued, {len(sent.confirmed)} confirmed, {sent.returned} returned, {sent.nacked} nacked, "
                f"{sent.connections} connections, {len(received)} received ({received.total()} deliveries), "
                f"consuming {sorted(self.consumers.consuming)}")


def _some(names):
    shown = sorted(names)[:NAMES_SHOWN]
    return f"{len(names)}: {', '.join(shown)}{', …' if len(names) > len(shown) else ''}"
