"""What the proxy published, taken by a queue beside the shard; and whether it is all that docs/wire.md promises."""

import contextlib
import re
import threading

import pika

from support.amqp import parameters

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,255}")
NEVER = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host",
         "content-length",
         "expect", "http2-settings"}
ELSEWHERE = {"x-request-id", "traceparent"}


class Tap:
    """Every message of the queue, in order, until close()."""

    def __init__(self, address, queue):
        self.messages = []
        self.connection = pika.BlockingConnection(parameters(address))
        channel = self.connection.channel()
        channel.basic_consume(queue, lambda _c, _m, properties, body: self.messages.append((properties, body)),
                              auto_ack=True)
        self.thread = threading.Thread(target=self._run, args=(channel,), daemon=True)
        self.thread.start()

    @staticmethod
    def _run(channel):
        with contextlib.suppress(pika.exceptions.AMQPError):
            channel.start_consuming()

    def close(self):
        """Ends thread and connection."""
        with contextlib.suppress(pika.exceptions.AMQPError):
            self.connection.add_callback_threadsafe(self.connection.close)
        self.thread.join(10)


def as_bytes(value):
    """pika gives text where it can be decoded."""
    return value.encode() if isinstance(value, str) else bytes(value)


def target_of(message):
    """`:path` of a message."""
    return as_bytes(message[0].headers[":path"])


def complaints(message):
    """What is malformed in one message; empty when nothing is."""
    properties, body = message
    headers, wrong = properties.headers, []

    def demand(holds, text):
        if not holds:
            wrong.append(f"{text}: {headers!r:.300}")
    demand(properties.type == "http.request", f"type {properties.type}")
    demand(properties.correlation_id and properties.reply_to and int(properties.expiration) >= 1, "no way back")
    demand(TOKEN.fullmatch(headers[":method"]), "method")
    demand(re.fullmatch(rb"[\x21-\x7e]+", target_of(message)) and target_of(message)[:1] in (b"/", b"*"), "target")
    demand(re.fullmatch(rb"[\x21-\x7e]*", as_bytes(headers.get(":authority", ""))), "authority")
    demand(":scheme" not in headers and isinstance(headers[":retry-safe"], bool), "scheme or retry-safe")
    demand(properties.message_id and headers["traceparent"] and headers[":client-addr"], "an id is missing")
    demand(isinstance(body, bytes), "body")
    fields = headers["http"]
    demand(not NEVER & set(fields), "a field of one connection")
    demand(not ELSEWHERE & set(fields), "a field that the message says elsewhere")
    for name, values in fields.items():
        demand(NAME.fullmatch(name), f"name {name!r}")
        demand(isinstance(values, list) and not any(re.search(rb"[\r\n\0]", as_bytes(value)) for value in values),
               f"values of {name}")
    return wrong
