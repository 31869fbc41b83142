"""The consuming half of traffic.py: a consumer on every shard that needs one, as shards come, drain and go.

A shard needs one while it is bound to the exchange or holds messages; from one that is unbound and
empty the consumer goes away, else nobody could ever delete it. One thread looks through the management
API, one consumes on pika's I/O loop: a channel per shard, manual acknowledgements.
"""

import collections
import contextlib
import threading

import pika
import requests
from pika.adapters.select_connection import IOLoop

from .amqp import parameters
from .management import ManagementApi, part

LOOK_S = 0.3
RECONNECT_S = 0.3
GET_AGAIN_S = 0.1
PREFETCH = 100


class Consumers:
    """Consumes every shard of `exchange`, and the queues in `also`, which get a part. `addresses()` and `urls()` give AMQP and management addresses as they are now.

    With `by_get` they take messages one by one and are no consumers to the broker, so that no statistic of consumers
    holds up the end of a shard. `received` counts by message id, `by_queue` by queue; `consuming` are the queues with a consumer. Both may be read from any thread.
    """

    def __init__(self, addresses, urls, exchange, also=(), by_get=False, vhost="/"):
        self.by_get = by_get
        self.addresses, self.urls, self.exchange, self.also, self.vhost = addresses, urls, exchange, set(also), vhost
        self.received, self.by_queue = collections.Counter(), collections.Counter()
        self.without_id = 0
        self.wanted = set()
        self.paused = False
        self._channels = {}
        self._attempt = 0
        self._connection = None
        self._ending = threading.Event()
        self._loop = IOLoop()
        self._threads = [threading.Thread(target=self._work, name="consumers", daemon=True),
                         threading.Thread(target=self._look, name="finder", daemon=True)]
        for thread in self._threads:
            thread.start()

    @property
    def consuming(self):
        """Names of the queues that have a consumer of ours now."""
        return {name for name, channel in list(self._channels.items()) if channel is not None and channel.consumer_tags}

    def pause(self, paused=True):
        """Takes all consumers away until pause(False)."""
        self.paused = paused

    def close(self):
        """Ends both threads and the connection: what is not acknowledged goes back to its queue."""
        self._ending.set()
        for thread in self._threads:
            thread.join(20)

    # --- Which shards --------------------------------------------------------------------------------

    def _look(self):
        attempt = 0
        while not self._ending.wait(LOOK_S):
            urls = self.urls()
            try:
                self.wanted = set() if self.paused else self._shards(ManagementApi(urls[attempt % len(urls)]))
            except (requests.RequestException, ValueError, KeyError):
                attempt += 1

    def _shards(self, api):
        bound = {entry["destination"] for entry in api.get(f"bindings/{part(self.vhost)}")
                 if entry["source"] == self.exchange and entry["destination_type"] == "queue"}
        wanted = set(self.also)
        for name, queue in shard_queues(api, self.exchange, self.vhost).items():
            if queue.get("state") != "down" and (name in bound or queue.get("messages", 0) > 0):
                wanted.add(name)
        return wanted

    # --- Consuming -----------------------------------------------------------------------------------

    def _work(self):
        self._loop.call_later(0, self._connect)
        self._loop.call_later(LOOK_S, self._tick)
        self._loop.start()
        self._loop.close()

    def _connect(self):
        if self._ending.is_set():
            return
        addresses = self.addresses()
        address = addresses[self._attempt % len(addresses)]
        self._attempt += 1
        self._connection = pika.SelectConnection(parameters(address, vhost=self.vhost), custom_ioloop=self._loop,
                                                 on_open_callback=lambda _: None, on_open_error_callback=self._on_lost,
                                                 on_close_callback=self._on_lost)

    def _on_lost(self, connection, _reason):
        if connection is self._connection:
            self._channels.clear()
            if self._ending.is_set():
                self._loop.stop()
            else:
                self._loop.call_later(RECONNECT_S, self._connect)

    def _tick(self):
        if self._ending.is_set():
            if self._connection is not None and self._connection.is_open:
                self._connection.close()
            else:
                self._loop.stop()
            return
        self._loop.call_later(LOOK_S, self._tick)
        if self._connection is None or not self._connection.is_open:
            return
        wanted = self.wanted
        for queue in wanted - self._channels.keys():
            self._channels[queue] = None
            self._connection.channel(on_open_callback=lambda channel, queue=queue: self._consume(channel, queue))
        for queue in self._channels.keys() - wanted:
            channel = self._channels[queue]
            if channel is not None and channel.is_open:
                channel.close()  # Its closing takes it out of _channels.

    def _consume(self, channel, queue):
        self._channels[queue] = channel
        channel.add_on_close_callback(lambda closed, _reason: self._forget(closed, queue))
        channel.add_on_cancel_callback(lambda _frame: channel.is_open and channel.close())
        if self.by_get:
            channel.add_callback(lambda _: self._loop.call_later(GET_AGAIN_S, lambda: self._get(channel, queue)),
                                 [pika.spec.Basic.GetEmpty], one_shot=False)
            self._get(channel, queue)
            return
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(queue, self._on_message, consumer_tag=queue)

    def _get(self, channel, queue):
        if channel.is_open:
            channel.basic_get(queue, lambda *message: (self._on_message(*message), self._get(channel, queue)))

    def _forget(self, channel, queue):
        if self._channels.get(queue) is channel:
            del self._channels[queue]

    def _on_message(self, channel, method, properties, _body):
        if not self.by_get:
            self.by_queue[method.consumer_tag] += 1
        if properties.message_id:
            self.received[properties.message_id] += 1
        else:
            self.without_id += 1
        with contextlib.suppress(pika.exceptions.AMQPError):
            channel.basic_ack(method.delivery_tag)


def shard_queues(api, exchange, vhost="/"):
    """Every queue named as a shard of the exchange, in either naming."""
    return api.queues(vhost, (f"stream: {exchange} - ", f"sharding: {exchange} - "))
