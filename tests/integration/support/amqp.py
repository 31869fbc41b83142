"""pika for tests: connections whose every wait has an end."""

import contextlib

import pika


def parameters(address, user="guest", password="guest", vhost="/"):
    """Connection parameters for HOST:PORT."""
    host, _, port = address.rpartition(":")
    return pika.ConnectionParameters(host=host, port=int(port), virtual_host=vhost, heartbeat=30,
                                     credentials=pika.PlainCredentials(user, password), socket_timeout=10,
                                     stack_timeout=15, blocked_connection_timeout=20, connection_attempts=1)


@contextlib.contextmanager
def connect(address, **options):
    """A blocking connection, closed at the end of the block."""
    connection = pika.BlockingConnection(parameters(address, **options))
    try:
        yield connection
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()


def publish_many(address, exchange, keys, body=b"x", **properties):
    """Publishes one message per routing key, mandatory, in confirm mode; raises if one is returned or nacked."""
    with connect(address) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for key in keys:
            channel.basic_publish(exchange, key, body, pika.BasicProperties(**properties), mandatory=True)


def ready_count(address, queue):
    """Messages ready in a queue, by passive declare: exact, not a statistic."""
    with connect(address) as connection:
        return connection.channel().queue_declare(queue, passive=True).method.message_count
