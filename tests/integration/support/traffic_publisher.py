"""The publishing half of traffic.py: one connection in a thread of its own, on pika's I/O loop.

Every message is persistent and mandatory, carries an id of its own, and is published again until the
broker has confirmed it without returning it: after a nack, a return, a channel closed (the exchange is
gone) or a connection lost (then to the next node).
"""

import collections
import threading

import pika
from pika.adapters.select_connection import IOLoop

from .amqp import parameters

TICK_S = 0.05
RECONNECT_S = 0.3
MAX_IN_FLIGHT = 500


class Publisher:
    """Publishes `rate` messages per second to `exchange`. `addresses()` gives HOST:PORT of the nodes as they are now.

    The counters and sets may be read from any thread: `issued` ids, `confirmed` ids, `republished` ids (after a nack, a
    return or a loss: the only ones that may be there twice), `returned`, `nacked`, `connections`. With `issuing` False no new message comes; those not confirmed yet are published on.
    """

    def __init__(self, addresses, exchange, rate, run):
        self.addresses, self.exchange, self.rate, self.run = addresses, exchange, rate, run
        self.issued, self.confirmed, self.republished = set(), set(), set()
        self.returned = self.nacked = self.connections = 0
        self.issuing = True
        self._again = collections.deque()
        self._in_flight, self._returned_ids = collections.OrderedDict(), set()
        self._attempt, self._tag, self._credit = 0, 0, 0.0
        self._connection = self._channel = None
        self._ready = self._ending = False
        self._loop = IOLoop()
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

    def settled(self):
        """Whether everything issued is confirmed."""
        return not self.issuing and len(self.confirmed) == len(self.issued)

    def close(self):
        """Ends the thread; waits for it."""
        self._ending = True
        self._thread.join(10)

    def _work(self):
        self._loop.call_later(0, self._connect)
        self._loop.call_later(TICK_S, self._tick)
        self._loop.start()
        self._loop.close()

    # --- Connection ----------------------------------------------------------------------------------

    def _connect(self):
        if self._ending:
            return
        addresses = self.addresses()
        address = addresses[self._attempt % len(addresses)]
        self._attempt += 1
        self._connection = pika.SelectConnection(parameters(address), custom_ioloop=self._loop,
                                                 on_open_callback=self._on_open, on_open_error_callback=self._on_lost,
                                                 on_close_callback=self._on_lost)

    def _on_open(self, connection):
        self.connections += 1
        self._open_channel(connection)

    def _open_channel(self, connection):
        if connection.is_open:
            connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel):
        self._channel, self._tag = channel, 0
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=self._on_ready)

    def _on_ready(self, _frame):
        self._ready = True

    def _publish_again_what_is_open(self):
        self._ready = False
        self._again.extend(self._in_flight.values())
        self.republished.update(self._in_flight.values())
        self._in_flight.clear()
        self._returned_ids.clear()

    def _on_channel_closed(self, channel, _reason):
        if channel is self._channel:
            self._publish_again_what_is_open()
            self._loop.call_later(RECONNECT_S, lambda: self._open_channel(channel.connection))

    def _on_lost(self, connection, _reason):
        if connection is self._connection:
            self._publish_again_what_is_open()
            self._loop.call_later(RECONNECT_S, self._connect)

    # --- Messages ------------------------------------------------------------------------------------

    def _tick(self):
        if self._ending:
            self._loop.stop()
            return
        self._loop.call_later(TICK_S, self._tick)
        if not self._ready:
            return
        self._credit = min(self._credit + self.rate * TICK_S, self.rate)
        while self._credit >= 1 and len(self._in_flight) < MAX_IN_FLIGHT and self._ready:
            identity = self._next()
            if identity is None:
                break
            self._credit -= 1
            self._tag += 1
            self._in_flight[self._tag] = identity
            self._channel.basic_publish(self.exchange, identity, identity.encode(), pika.BasicProperties(
                message_id=identity, delivery_mode=2), mandatory=True)

    def _next(self):
        if self._again:
            return self._again.popleft()
        if not self.issuing:
            return None
        identity = f"{self.run}-{len(self.issued)}"
        self.issued.add(identity)
        return identity

    def _on_return(self, _channel, _method, properties, _body):
        self.returned += 1
        self._returned_ids.add(properties.message_id)

    def _on_confirm(self, frame):
        first = next(iter(self._in_flight), frame.method.delivery_tag)
        is_ack = isinstance(frame.method, pika.spec.Basic.Ack)
        for tag in range(first if frame.method.multiple else frame.method.delivery_tag, frame.method.delivery_tag + 1):
            identity = self._in_flight.pop(tag, None)
            if identity is None:
                continue
            self.nacked += not is_ack
            if is_ack and identity not in self._returned_ids:
                self.confirmed.add(identity)
            else:
                self._returned_ids.discard(identity)
                self._again.append(identity)
                self.republished.add(identity)
