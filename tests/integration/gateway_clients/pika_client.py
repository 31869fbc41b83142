"""The script of every client here, with pika: AMQP methods one after the other, and on standard output a line of JSON
for each with what came back.

    pika_client.py amqp://USER:PASSWORD@HOST:PORT/VHOST PREFIX

All names begin with PREFIX; what is declared is deleted again. Run by test_gateway_clients.py.
"""

import hashlib
import json
import sys
import time

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionClosedByBroker

URL, PREFIX = sys.argv[1:3]
PATIENCE_S = 20
LARGE = bytes(range(256)) * 32768
PROPERTIES = {
    "content_type": "text/plain", "content_encoding": "utf-8", "delivery_mode": 2, "priority": 7, "correlation_id": "c-1",
    "reply_to": "somewhere", "expiration": "600000", "message_id": "m-1", "timestamp": 1600000000, "type": "kind",
    "user_id": "guest", "app_id": "app", "cluster_id": "cluster",
    "headers": {"text": "täxt", "number": 42, "large": 2 ** 40, "negative": -7, "yes": True, "nothing": None,
                "list": [1, "two", {"three": 3}], "table": {"inner": {"most": "x"}}, "bytes": "a" * 300}}


def say(step, **what):
    """One line of the recording."""
    print(json.dumps({"step": step} | what, sort_keys=True, default=str), flush=True)


def body_of(body):
    """A body as it is recorded."""
    return f"{len(body)}:{hashlib.sha256(body).hexdigest()[:16]}"


def properties_of(properties):
    """Those that are set."""
    return {key: value for key, value in vars(properties).items() if value is not None}


def connect(**changes):
    """A connection; `changes` to its parameters."""
    parameters = pika.URLParameters(URL)
    parameters.socket_timeout, parameters.stack_timeout, parameters.blocked_connection_timeout = PATIENCE_S, PATIENCE_S, 20
    for name, value in changes.items():
        setattr(parameters, name, value)
    return pika.BlockingConnection(parameters)


def q(name):
    """A name of this run."""
    return f"{PREFIX}.{name}"


class Received:
    """Takes deliveries of a channel until there are enough."""

    def __init__(self, channel):
        self.channel, self.messages, self.raw = channel, [], []
        self.cancelled = []
        channel.add_on_cancel_callback(lambda frame: self.cancelled.append(frame.method.consumer_tag))

    def __call__(self, _channel, method, properties, body):
        self.raw.append(method)
        self.messages.append({"tag": method.consumer_tag, "delivery": method.delivery_tag, "again": method.redelivered,
                              "exchange": method.exchange, "key": method.routing_key, "body": body_of(body),
                              "properties": properties_of(properties)})

    def wait(self, count):
        """The first `count` deliveries."""
        end = time.monotonic() + PATIENCE_S
        while len(self.messages) < count and time.monotonic() < end:
            self.channel.connection.process_data_events(0.2)
        return self.messages


def refused(step, connection, call):
    """Records the refusal of `call(channel)`; whether the connection goes on."""
    channel = connection.channel()
    try:
        result = call(channel)
        if result is None:
            connection.process_data_events(1)
            channel.queue_declare("amq.nothing-waits-here", passive=True)
        say(step, accepted=str(result))
    except ChannelClosedByBroker as error:
        say(step, channel_closed=error.reply_code, text=error.reply_text, connection=connection.is_open)
    except ConnectionClosedByBroker as error:
        say(step, connection_closed=error.reply_code, text=error.reply_text)


def declares(connection):
    """Queues, exchanges and bindings."""
    properties = connection._impl.server_properties  # pylint: disable=protected-access
    say("server", product=properties["product"], version=properties["version"], capabilities=properties["capabilities"])
    params = connection._impl.params  # pylint: disable=protected-access
    say("tuned", channels=params.channel_max, frame=params.frame_max)
    channel = connection.channel()
    for name, options in (("plain", {}), ("durable", {"durable": True}), ("", {"exclusive": True}),
                          ("quorum", {"durable": True, "arguments": {"x-queue-type": "quorum"}}),
                          ("arguments", {"arguments": {"x-max-length": 10, "x-message-ttl": 600000}})):
        ok = channel.queue_declare(q(name) if name else "", **options).method
        say("declare", name=ok.queue, messages=ok.message_count, consumers=ok.consumer_count)
    ok = channel.queue_declare(q("plain"), passive=True).method
    say("passive", name=ok.queue, messages=ok.message_count, consumers=ok.consumer_count)
    refused("missing", connection, lambda c: c.queue_declare(q("missing"), passive=True))
    refused("other arguments", connection, lambda c: c.queue_declare(q("plain"), durable=True))
    refused("reserved name", connection, lambda c: c.queue_declare("amq.mine"))
    refused("bind missing", connection, lambda c: c.queue_bind(q("missing"), "amq.direct", "k"))
    refused("consume missing", connection, lambda c: c.basic_consume(q("missing"), lambda *_: None))
    refused("get missing", connection, lambda c: c.basic_get(q("missing")))
    for kind, key in (("direct", "one"), ("topic", "a.#")):
        say("exchange", kind=str(channel.exchange_declare(q(kind), kind).method))
        say("bind", answer=str(channel.queue_bind(q("plain"), q(kind), key).method))
    channel.confirm_delivery()
    for exchange, key in ((q("direct"), "one"), (q("direct"), "two"), (q("topic"), "a.b.c")):
        channel.basic_publish(exchange, key, b"routed")
    say("unbind", answer=str(channel.queue_unbind(q("plain"), q("direct"), "one").method))
    say("count", messages=channel.queue_declare(q("plain"), passive=True).method.message_count)
    say("purge", messages=channel.queue_purge(q("plain")).method.message_count)
    refused("publish nowhere", connection, lambda c: c.basic_publish(q("nowhere"), "", b""))


def publishes(connection):
    """Properties, confirms, returns, bodies."""
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", q("plain"), b"all", pika.BasicProperties(**PROPERTIES), mandatory=True)
    channel.basic_publish("", q("plain"), b"none")
    channel.basic_publish("", q("plain"), b"")
    channel.basic_publish("", q("plain"), LARGE, pika.BasicProperties(delivery_mode=1))
    while True:
        method, properties, body = channel.basic_get(q("plain"))
        if method is None:
            say("get-empty")
            break
        say("get", delivery=method.delivery_tag, again=method.redelivered, left=method.message_count, key=method.routing_key,
            body=body_of(body), properties=properties_of(properties))
    channel.basic_ack(0, multiple=True)
    try:
        channel.basic_publish("amq.direct", q("no such key"), b"back", pika.BasicProperties(message_id="r"), mandatory=True)
    except pika.exceptions.UnroutableError as error:
        for message in error.messages:
            say("returned", method=str(message.method), properties=properties_of(message.properties), body=body_of(message.body))


def consumes(connection):
    """Consumers: tags, acks, requeues, cancels, prefetch."""
    channel, publisher = connection.channel(), connection.channel()
    publisher.confirm_delivery()
    received = Received(channel)
    channel.basic_qos(prefetch_count=4)
    say("consume", tag=channel.basic_consume(q("plain"), received, consumer_tag="mine"))
    for number in range(8):
        publisher.basic_publish("", q("plain"), f"m{number}".encode())
    say("prefetch", got=received.wait(4))
    connection.process_data_events(0.3)
    say("no more", got=len(received.messages))
    channel.basic_ack(2, multiple=True)
    channel.basic_nack(3, requeue=True)
    channel.basic_reject(4, requeue=False)
    say("then", got=received.wait(8)[4:])
    channel.basic_ack(0, multiple=True)
    say("last", got=received.wait(9)[8:])
    channel.basic_recover(requeue=True)
    say("recovered", got=received.wait(10)[9:])
    channel.basic_ack(10)
    say("cancel", left=channel.basic_cancel("mine"))
    say("server's tag", tag=channel.basic_consume(q("plain"), received, auto_ack=True))
    publisher.basic_publish("", q("plain"), b"auto")
    say("no ack", got=received.wait(11)[10:])
    say("counts", answer=str(publisher.queue_declare(q("plain"), passive=True).method))
    publisher.queue_delete(q("plain"))
    received.wait(11)
    end = time.monotonic() + PATIENCE_S
    while not received.cancelled and time.monotonic() < end:
        connection.process_data_events(0.1)
    say("cancelled", tags=received.cancelled)
    channel.close()
    publisher.queue_declare(q("plain"))


def transactions(connection):
    """tx."""
    channel, other = connection.channel(), connection.channel()

    def count():
        return other.queue_declare(q("plain"), passive=True).method.message_count
    say("select", answer=str(channel.tx_select().method))
    channel.basic_publish("", q("plain"), b"in a transaction")
    channel.queue_declare(q("plain"), passive=True)
    say("before", messages=count())
    say("commit", answer=str(channel.tx_commit().method), messages=count())
    channel.basic_publish("", q("plain"), b"rolled back")
    say("rollback", answer=str(channel.tx_rollback().method), messages=count())
    method, _, _ = channel.basic_get(q("plain"))
    channel.basic_ack(method.delivery_tag)
    say("ack taken back", answer=str(channel.tx_rollback().method))
    channel.basic_ack(method.delivery_tag)
    say("ack", answer=str(channel.tx_commit().method), messages=count())
    refused("confirms in a transaction", connection, lambda c: (c.tx_select(), c.confirm_delivery()))


def exclusives(connection, second):
    """Queues and consumers of one alone, priorities, replies."""
    channel, publisher = connection.channel(), connection.channel()
    publisher.confirm_delivery()
    channel.queue_declare(q("own"), exclusive=True)
    refused("locked", second, lambda c: c.queue_declare(q("own"), passive=True))
    refused("locked to consumers", second, lambda c: c.basic_consume(q("own"), lambda *_: None))
    channel.basic_consume(q("plain"), lambda *_: None, exclusive=True, consumer_tag="alone")
    refused("not alone", second, lambda c: c.basic_consume(q("plain"), lambda *_: None))
    channel.basic_cancel("alone")
    low, high = Received(channel), Received(channel)
    channel.basic_consume(q("plain"), low, auto_ack=True, consumer_tag="low", arguments={"x-priority": -1})
    channel.basic_consume(q("plain"), high, auto_ack=True, consumer_tag="high", arguments={"x-priority": 10})
    for _ in range(6):
        publisher.basic_publish("", q("plain"), b"to the first")
    high.wait(6)
    say("priorities", high=len(high.messages), low=len(low.messages))
    refused("bad priority", second, lambda c: c.basic_consume(q("plain"), low, arguments={"x-priority": "high"}))
    replies, requests = Received(channel), Received(publisher)
    channel.basic_consume("amq.rabbitmq.reply-to", replies, auto_ack=True)
    publisher.basic_consume(q("own"), requests, auto_ack=True)
    channel.basic_publish("", q("own"), b"request", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    to = requests.wait(1)[0]["properties"]["reply_to"]
    publisher.basic_publish("", to, b"response")
    say("replied", to=to, got=replies.wait(1))


def deletes_and_errors(connection):
    """What ends channels and connections, and the end of all that was declared."""
    channel = connection.channel()
    channel.basic_consume(q("plain"), lambda *_: None)
    refused("delete if unused", connection, lambda c: c.queue_delete(q("plain"), if_unused=True))
    refused("unknown delivery tag", connection, lambda c: c.basic_ack(99))
    refused("prefetch in bytes", connect(), lambda c: c.basic_qos(prefetch_size=10))
    refused("wrong type", connection, lambda c: c.exchange_declare(q("direct"), "fanout"))
    refused("wrong kind", connect(), lambda c: c.exchange_declare(q("odd"), "no-such-kind"))
    for name in ("plain", "durable", "quorum", "arguments"):
        say("delete", messages=channel.queue_delete(q(name)).method.message_count)
    for name in ("direct", "topic"):
        say("delete exchange", answer=str(channel.exchange_delete(q(name)).method))
    third = connect()
    third.channel().queue_declare(q("doomed"), exclusive=True)
    doomed = third.channel()
    doomed.basic_consume(q("doomed"), lambda *_: None, consumer_tag="same")
    refused("duplicate tag", third, lambda _: doomed._impl._send_method(  # pylint: disable=protected-access
        pika.spec.Basic.Consume(queue=q("doomed"), consumer_tag="same")))


def logins():
    """Who may not come in."""
    for step, changes in (("wrong password", {"credentials": pika.PlainCredentials("guest", "wrong")}),
                          ("missing vhost", {"virtual_host": q("vhost")})):
        try:
            connect(**changes).close()
            say(step, accepted=True)
        except AMQPError as error:
            say(step, error=repr(error))


def main():
    """The whole script."""
    connection, second = connect(), connect()
    declares(connection)
    publishes(connection)
    consumes(connection)
    transactions(connection)
    exclusives(connection, second)
    deletes_and_errors(connection)
    connection.close()
    second.close()
    logins()
    say("end")


main()
