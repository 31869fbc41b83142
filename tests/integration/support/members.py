"""Consumers of a stream that say hello to the coordinators and do as they are told, made with pika alone: the protocol of
docs/wire.md in a page. Each has a thread of its own."""

import json
import socket
import threading
import time

import pika

from support import amqp
from support.waiting import wait_until

CONTROL = "warren.control"
STEP_S = 0.05


class Member:
    """One consumer. `every`: seconds between two hellos. `follows`: it consumes what it is told to."""

    def __init__(self, address, exchange, instance, every=1.0, follows=True, **options):
        self.exchange, self.instance = exchange, instance
        self.assignments = []  # As they came.
        self.returned = 0
        self.name = None
        self._address, self._every, self._follows, self._options = address, every, follows, options
        self._held = {}
        self._ended = threading.Event()
        self._end = "bye"
        self.error = None
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        assert self._opened.wait(60), f"{instance} got no inbox: {self.error}"

    @property
    def assignment(self):
        """The last one; None before the first."""
        return self.assignments[-1] if self.assignments else None

    @property
    def shards(self):
        """The set of queues that it is to consume."""
        return set(self.assignment["shards"]) if self.assignments else set()

    def wait_told(self, what=lambda assignment: True, timeout=20):
        """Waits for an assignment; returns it."""
        return wait_until(lambda: self.assignment and what(self.assignment) and self.assignment, timeout,
                          lambda: f"{self.instance} was told {self.assignment}; {self.error}")

    def leave(self):
        """Says bye, and goes on for a moment as one that drains does."""
        self._finish("bye")

    def die(self):
        """Closes its socket without a word."""
        self._finish("die")

    close = die

    def _finish(self, how):
        self._end = how
        self._ended.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _live(self):
        try:
            connection = pika.BlockingConnection(amqp.parameters(self._address, **self._options))
        except pika.exceptions.AMQPError as error:
            self.error = repr(error)
            return
        channel = connection.channel()
        self.name = channel.queue_declare("", exclusive=True).method.queue
        channel.exchange_declare(CONTROL, "direct", durable=True)
        channel.basic_consume(self.name, self._on_message, auto_ack=True)
        channel.add_on_return_callback(self._on_return)
        self._opened.set()
        try:
            self._speak(connection, channel)
        except pika.exceptions.AMQPError as error:  # The vhost is gone, or the node.
            self.error = repr(error)

    def _speak(self, connection, channel):
        said = 0
        while not self._ended.is_set():
            if time.monotonic() - said >= self._every:
                said = time.monotonic()
                self._say(channel, "warren.hello")
            connection.process_data_events(STEP_S)
            if self._follows:
                self._follow(channel)
        if self._end == "bye":
            self._say(channel, "warren.bye")
            connection.process_data_events(STEP_S)
            connection.close()
        else:
            # pylint: disable-next=protected-access
            connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)

    def _say(self, channel, kind):
        body = {"exchange": self.exchange, "instance": self.instance, "kind": "worker", "holds": sorted(self._held)}
        channel.basic_publish(CONTROL, "hello", json.dumps(body),
                              pika.BasicProperties(type=kind, reply_to=self.name), mandatory=True)

    def _on_message(self, _channel, _method, properties, body):
        assert properties.type == "warren.assignment"
        self.assignments.append(json.loads(body))

    def _on_return(self, *_):
        self.returned += 1

    def _follow(self, channel):
        if not self.assignments:
            return
        for queue in self.shards - set(self._held):
            self._held[queue] = channel.basic_consume(queue, lambda *_: None, auto_ack=True)
        for queue in set(self._held) - self.shards:
            channel.basic_cancel(self._held.pop(queue))


def say(address, body, properties=None, **options):
    """Publishes one message to the control exchange, whatever it is."""
    with amqp.connect(address, **options) as connection:
        channel = connection.channel()
        channel.basic_publish(CONTROL, "hello", body, properties or pika.BasicProperties(type="warren.hello"))
