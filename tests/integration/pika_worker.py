"""A worker in pika that answers as a test tells it, for what warren-worker would never do."""

import contextlib
import threading

import pika

from support.amqp import parameters


class PikaWorker:
    """Consumes `shards` on a thread; `answer(headers, body)` gives (properties, body), a list of these to answer more
    than once, None to stay silent, or "reject"."""

    def __init__(self, address, shards, answer):
        self.answer, self.seen = answer, []
        self.connection = pika.BlockingConnection(parameters(address))
        channel = self.connection.channel()
        channel.basic_qos(prefetch_count=50)
        for shard in shards:
            channel.basic_consume(shard, self._deliver)
        self.thread = threading.Thread(target=self._run, args=(channel,), daemon=True)
        self.thread.start()

    def _run(self, channel):
        try:
            channel.start_consuming()
        except pika.exceptions.AMQPError:
            pass

    def _deliver(self, channel, method, properties, body):
        self.seen.append((method, properties, body))
        answer = self.answer(properties.headers, body)
        if answer == "reject":
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        for found, content in answer if isinstance(answer, list) else [answer] if answer else []:
            found.correlation_id = properties.correlation_id
            channel.basic_publish("", properties.reply_to, content, found)
        channel.basic_ack(method.delivery_tag)

    def close(self):
        """Ends the thread and its connection."""
        with contextlib.suppress(pika.exceptions.AMQPError):  # It may have been cut by the test.
            self.connection.add_callback_threadsafe(self.connection.close)
        self.thread.join(10)


@contextlib.contextmanager
def pika_workers(address):
    """make(shards, answer) gives a PikaWorker; all of them end with the block."""
    made = []

    def make(shards, answer):
        made.append(PikaWorker(address, shards, answer))
        return made[-1]
    try:
        yield make
    finally:
        for each in made:
            each.close()


def response(status=200, **fields):
    """Properties of a whole response."""
    return pika.BasicProperties(type="http.response", headers={":status": status, "http": fields})


def echo(headers, body):
    """The body back, with method and path as fields."""
    return response(**{"x-method": [headers[":method"]], "x-path": [headers[":path"]]}), body
