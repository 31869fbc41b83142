"""Requests that get no plain answer, on shards which the coordinator made for HTTP ("http": true): those that come back
through warren.dead (over length in each overflow mode, rejected, expired, delivered too often), those whose answer comes
twice or is too large, and those whose client is gone."""

import socket
import struct
import threading

import pika
import pytest

from pika_worker import PikaWorker, echo, response
from support import http_client
from support.amqp import connect, ready_count
from support.waiting import wait_until

CLUSTER_NODES = 1
EXCHANGE = "shard.web"
SHARD = f"stream: {EXCHANGE} - rabbit1@localhost - 0"


class Asker(threading.Thread):
    """One request on a connection of its own; `answer` once there is one."""

    def __init__(self, port, method, path):
        super().__init__(daemon=True)
        self.port, self.method, self.path, self.answer = port, method, path, None
        self.start()

    def run(self):
        self.answer = http_client.request(self.port, self.method, self.path, body=b"x" if self.method == "POST" else b"")

    def result(self):
        """(status, Retry-After or None)."""
        self.join(60)
        assert self.answer, f"{self.method} {self.path} hangs"
        return self.answer.status, self.answer.value("retry-after")


@pytest.fixture(name="stream")
def _stream(cluster, clean, programs):
    """stream(queue template): one shard of that kind, and a proxy's port."""
    def make(queue):
        clean.define_stream("web", {"routing-key": "1", "http": True, "queue": queue}, "^shard\\.")
        clean.declare_exchange(EXCHANGE)
        programs.coordinator(cluster)
        clean.wait_shards(EXCHANGE, 1)
        return programs.proxy(cluster, EXCHANGE, "--timeout", "30s").port
    return make


def classic(**arguments):
    """A template of a classic queue."""
    return {"type": "classic", "durable": True, "arguments": arguments}


def in_queue(cluster, count):
    """Waits until the shard holds so many requests."""
    wait_until(lambda: ready_count(cluster.amqp[0], SHARD) == count, 20, f"{count} requests are in the queue")


def test_the_oldest_gives_way_with_503_where_the_queue_drops_its_head(cluster, stream):
    port = stream(classic(**{"x-max-length": 1}))
    oldest = Asker(port, "POST", "/oldest")
    in_queue(cluster, 1)
    newest = Asker(port, "GET", "/newest")
    assert oldest.result() == (503, "1")
    assert b"full" in oldest.answer.body
    worker = PikaWorker(cluster.amqp[0], [SHARD], echo)
    assert newest.result()[0] == 200
    assert [entry[1].headers[":path"] for entry in worker.seen] == ["/newest"]
    worker.close()


def test_the_newest_gets_503_at_once_where_the_queue_rejects_to_the_dead_letter_exchange(cluster, stream):
    port = stream(classic(**{"x-max-length": 1, "x-overflow": "reject-publish-dlx"}))
    oldest = Asker(port, "POST", "/oldest")
    in_queue(cluster, 1)
    for method in ("GET", "POST"):
        newest = Asker(port, method, "/newest")
        assert newest.result() == (503, "1")
        assert b"full" in newest.answer.body
    worker = PikaWorker(cluster.amqp[0], [SHARD], echo)
    assert oldest.result()[0] == 200
    assert len(worker.seen) == 1
    worker.close()


def test_a_safe_request_is_tried_again_where_the_queue_rejects_and_another_gets_502(cluster, stream):
    port = stream(classic(**{"x-max-length": 1, "x-overflow": "reject-publish"}))
    oldest = Asker(port, "GET", "/oldest")
    in_queue(cluster, 1)
    assert Asker(port, "POST", "/newest").result() == (502, None)
    safe = Asker(port, "GET", "/newest")
    worker = PikaWorker(cluster.amqp[0], [SHARD], echo)
    assert oldest.result()[0] == 200
    assert safe.result()[0] == 200
    assert [entry[1].headers[":method"] for entry in worker.seen] == ["GET", "GET"]
    worker.close()


def test_what_a_worker_rejects_is_502_and_what_expires_in_the_queue_504(cluster, stream):
    port = stream(classic(**{"x-message-ttl": 500}))
    assert Asker(port, "POST", "/expires").result() == (504, None)
    worker = PikaWorker(cluster.amqp[0], [SHARD], lambda headers, body: "reject")
    for method in ("GET", "POST"):
        rejected = Asker(port, method, "/poison")
        assert rejected.result() == (502, None)
        assert b"rejected" in rejected.answer.body
    assert len(worker.seen) == 2
    worker.close()


def test_what_was_delivered_too_often_is_502(cluster, stream):
    port = stream({"type": "quorum", "durable": True, "arguments": {"x-delivery-limit": 2}})
    poison = Asker(port, "GET", "/poison")
    deliveries = 0
    with connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        for method, _, _ in channel.consume(SHARD, inactivity_timeout=1):
            if method:
                deliveries += 1
                channel.basic_reject(method.delivery_tag, requeue=True)
            if poison.answer or deliveries > 10:
                break
    assert poison.result() == (502, None)
    assert b"too often" in poison.answer.body
    assert deliveries == 3, "the first one and two more"


def test_double_and_oversize_answers_harm_nobody(cluster, stream):
    port = stream(classic())
    answers = {"/double": [echo, lambda *_: (response(500), b"second")]}

    def answer(headers, body):
        if headers[":path"] == "/double":
            return [one(headers, body) for one in answers["/double"]]
        if headers[":path"] == "/oversize":
            return pika.BasicProperties(type="http.response", headers={":status": 200}), b"x" * ((64 << 20) + 1)
        return echo(headers, body)
    worker = PikaWorker(cluster.amqp[0], [SHARD], answer)
    for _ in range(20):
        assert Asker(port, "GET", "/double").result()[0] == 200
    assert Asker(port, "GET", "/oversize").result()[0] == 502
    assert Asker(port, "GET", "/after").result()[0] == 200
    worker.close()


def accept(channel, properties, inbox):
    """Says as a worker that it works on a request."""
    channel.basic_publish("", properties.reply_to, b"", pika.BasicProperties(
        type="http.accept", correlation_id=properties.correlation_id, reply_to=inbox, headers={":attempt": "attempt-1"}))


def test_a_worker_is_told_when_the_client_is_gone_also_when_it_says_so_late(cluster, stream):
    port = stream(classic())
    with connect(cluster.amqp[0]) as connection:
        channel = connection.channel()
        inbox = channel.queue_declare("", exclusive=True).method.queue
        client = http_client.Connection(port)
        client.send(b"GET /early HTTP/1.1\r\nHost: a\r\n\r\n")
        early = wait_until(lambda: channel.basic_get(SHARD, auto_ack=True)[1], 20, "the request is in the queue")
        accept(channel, early, inbox)
        client.send(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
        late = wait_until(lambda: channel.basic_get(SHARD, auto_ack=True)[1], 20, "the second one, too")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # A reset.
        client.close()
        told = wait_until(lambda: channel.basic_get(inbox, auto_ack=True)[1], 20, "the worker is told")
        assert (told.type, told.correlation_id, told.headers[":attempt"]) == ("http.cancel", early.correlation_id, "attempt-1")
        accept(channel, late, inbox)
        told = wait_until(lambda: channel.basic_get(inbox, auto_ack=True)[1], 20, "the worker is told at once")
        assert told.correlation_id == late.correlation_id
