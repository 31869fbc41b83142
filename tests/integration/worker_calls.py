"""What the tests of the worker share: shards as the coordinator would make them, and a caller that
publishes requests straight to them with pika, so that no proxy is needed."""

import time
import uuid

import pika

from support import amqp
from support.management import part
from support.waiting import wait_until

STREAM = "shard.web"


def shard(node, index=0, stream=STREAM, style="stream"):
    """A shard's queue name; style "sharding" is the rabbitmq_sharding plugin's."""
    return f"{style}: {stream} - {node} - {index}"


def make_shards(api, names, per_node=1, stream=STREAM):
    """What the coordinator would do: queues on their nodes, bound with weight 1."""
    api.declare_exchange(stream)
    for index in range(per_node):
        for node in names:
            make_shard(api, node, shard(node, index, stream), stream)


def make_shard(api, node, queue, stream=STREAM):
    """A shard's queue on its node, bound."""
    api.put(f"queues/%2F/{part(queue)}", {"durable": True, "node": node, "arguments": {"x-queue-type": "classic"}})
    bind(api, queue, stream)


def bind(api, queue, stream=STREAM):
    """Binds a shard with weight 1."""
    api.post(f"bindings/%2F/e/{part(stream)}/q/{part(queue)}", {"routing_key": "1"})


def unbind(api, queue, stream=STREAM):
    """Unbinds a shard, as the coordinator does with one that is not wanted any more."""
    api.delete(f"bindings/%2F/e/{part(stream)}/q/{part(queue)}/1")


def delete_when_drained(api, address, queue, timeout=60):
    """What the coordinator does with an unbound shard: once no message and no consumer shows, deletes it if it is empty
    and unused. Fails unless that succeeds in time."""
    def deleted():
        if api.queues()[queue].get("messages") != 0:
            return False
        with amqp.connect(address) as connection:
            connection.channel().queue_delete(queue, if_unused=True, if_empty=True)
        return True
    wait_until(deleted, timeout, lambda: f"'{queue}' can be deleted; consumed by {holders(api).get(queue)}", interval=0.5)


def holders(api):
    """Shard queue -> sorted nodes in the tags of its consumers."""
    found = {}
    for entry in api.get("consumers/%2F"):
        name = entry["queue"]["name"]
        if not name.startswith(("stream: ", "sharding: ")):
            continue
        found.setdefault(name, []).append(entry["consumer_tag"].split(":")[1])
    return {name: sorted(nodes) for name, nodes in found.items()}


class Caller:
    """Publishes requests straight to shards and gathers the responses."""

    def __init__(self, address):
        self.connection = pika.BlockingConnection(amqp.parameters(address))
        self.channel = self.connection.channel()
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.responses = {}
        self.accepts, self.claims = {}, {}
        self.channel.basic_consume(self.queue, self._on_response, auto_ack=True)

    def _on_response(self, _channel, _method, properties, body):
        if properties.type == "http.accept":
            self.accepts.setdefault(properties.correlation_id, []).append(properties)
            return
        if properties.type == "http.claim":
            self.claims.setdefault(properties.correlation_id, []).append(properties)
            return
        self.responses.setdefault(properties.correlation_id, []).append((properties, body))

    def send(self, queue, method="GET", path="/", body=b"", fields=None, timeout_s=30, headers=None):
        """Publishes one request to a queue; returns its correlation id."""
        token = uuid.uuid4().hex
        now = int(time.time() * 1000)
        values = {":method": method, ":path": path, ":authority": "site.example", ":deadline": now + timeout_s * 1000,
                  ":sent": now, ":retry-safe": method in ("GET", "PUT", "DELETE", "HEAD"), "http": fields or {}}
        values.update(headers or {})
        values = {key: value for key, value in values.items() if value is not None}
        self.channel.basic_publish("", queue, body, pika.BasicProperties(
            message_id=token, correlation_id=token, reply_to=self.queue, delivery_mode=1, type="http.request",
            expiration=str(timeout_s * 1000), headers=values))
        return token

    def wait(self, tokens, timeout=60):
        """Waits until each has a response."""
        end = time.monotonic() + timeout
        while not all(token in self.responses for token in tokens):
            assert time.monotonic() < end, f"{sum(t not in self.responses for t in tokens)} of {len(tokens)} unanswered"
            self.connection.process_data_events(0.05)

    def wait_accepted(self, token, timeout=30):
        """Waits until a worker says that it works on the request; its http.accept."""
        return self._wait_told(self.accepts, token, timeout)

    def wait_claimed(self, token, timeout=30):
        """Waits until a worker asks whether it may run the request; its http.claim."""
        return self._wait_told(self.claims, token, timeout)

    def _wait_told(self, told, token, timeout):
        end = time.monotonic() + timeout
        while token not in told:
            assert time.monotonic() < end, "no word came of the worker"
            self.connection.process_data_events(0.05)
        return told[token][-1]

    def cancel(self, token, attempt=None):
        """Publishes http.cancel for the last accept of a request."""
        self._tell("http.cancel", self.wait_accepted(token), attempt)

    def grant(self, token):
        """Publishes http.grant for the last claim of a request."""
        self._tell("http.grant", self.wait_claimed(token))

    def _tell(self, kind, told, attempt=None):
        self.channel.basic_publish("", told.reply_to, b"", pika.BasicProperties(
            correlation_id=told.correlation_id, type=kind, headers={":attempt": attempt or told.headers[":attempt"]}))

    def ask(self, queue, *arguments, **options):
        """Sends one request and returns (properties, body) of its response."""
        token = self.send(queue, *arguments, **options)
        self.wait([token])
        return self.responses[token][0]

    def close(self):
        """Closes the connection."""
        self.connection.close()


def status(response):
    """Its :status."""
    return response[0].headers[":status"]
