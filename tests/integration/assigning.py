"""A coordinator made of pika: hears what consumers say on warren.control and sends them what a test wants, right or wrong
(docs/wire.md, "Assignments")."""

import contextlib
import json
import threading
import time

import pika

from support import amqp
from support.waiting import wait_until

CONTROL = "warren.control"


class Said:
    """A hello or a bye."""

    def __init__(self, properties, body):
        self.type, self.inbox, self.at = properties.type, properties.reply_to, time.monotonic()
        self.content = json.loads(body)

    @property
    def instance(self):
        """Of the consumer."""
        return self.content["instance"]

    @property
    def holds(self):
        """Queues that it consumes."""
        return sorted(self.content["holds"])


class PikaCoordinator:
    """`said` is all that was said. `policy(said)` gives the shards for a consumer, with which each hello is answered;
    None answers nothing. Everything runs on a thread of its own until close()."""

    def __init__(self, address, node, policy=lambda said: None, term=None):
        self.node, self.policy = node, policy
        self.said, self.returned = [], []
        self.term, self.sequence = term or int(time.time() * 1000), 0
        self.connection = pika.BlockingConnection(amqp.parameters(address))
        self.channel = self.connection.channel()
        self.channel.exchange_declare(CONTROL, "direct", durable=True)
        queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(queue, CONTROL, "hello")
        self.channel.add_on_return_callback(lambda *arguments: self.returned.append(arguments))
        self.channel.basic_consume(queue, self._on_message, auto_ack=True)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with contextlib.suppress(pika.exceptions.AMQPError):
            self.channel.start_consuming()

    def _on_message(self, _channel, _method, properties, body):
        said = Said(properties, body)
        self.said.append(said)
        shards = self.policy(said) if said.type == "warren.hello" else None
        if shards is not None:
            self._publish(said.inbox, self.assignment(said, shards), "warren.assignment")

    def assignment(self, said, shards, **changes):
        """An assignment for who said this, newer than all before."""
        self.sequence += 1
        local = [shard for shard in shards if f" - {self.node} - " in shard]
        return {"exchange": said.content["exchange"], "instance": said.instance, "node": self.node, "term": self.term,
                "sequence": self.sequence, "shards": shards, "local": local} | changes

    def _publish(self, inbox, content, kind):
        body = content if isinstance(content, (str, bytes)) else json.dumps(content)
        self.channel.basic_publish("", inbox, body, pika.BasicProperties(type=kind), mandatory=True)

    def send(self, said, content, kind="warren.assignment"):
        """Publishes anything to the inbox of who said this."""
        self.connection.add_callback_threadsafe(lambda: self._publish(said.inbox, content, kind))

    def assign(self, said, shards, **changes):
        """A right assignment, but for the changes."""
        content = self.assignment(said, shards, **changes)
        self.send(said, content)
        return content

    def heard(self, kind="warren.hello", after=0, timeout=20, matching=lambda said: True):
        """The first of a kind beyond the first `after` messages; waits for it."""
        def found():
            return next((said for said in self.said[after:] if said.type == kind and matching(said)), None)
        return wait_until(found, timeout, lambda: f"a {kind}; heard {[vars(said) for said in self.said[after:]]}", 0.02)

    def close(self):
        """As one that is killed: it says nothing more."""
        if self.connection.is_open:
            self.connection.add_callback_threadsafe(self.channel.stop_consuming)
            self.thread.join(10)
            self.connection.close()
