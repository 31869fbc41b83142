"""Which shard gets which routing key, and what is in the shards: exact, from the queues themselves."""

import collections
import time

import pika

from . import amqp

NODE_SEPARATOR = " - "
QUIET_S = 10  # So long nothing comes of what waited: others have it.


def _drain(connection, queue, within_s=120):
    """(method, properties, body) of everything that waits in the queue, which nobody publishes to. Consumed: a basic.get each
    is a round trip each. What is on its way from another node when a consumer is cancelled would be lost, so it is waited
    for, unless others who still consume have taken it."""
    channel = connection.channel()
    found = []

    def ready():
        return channel.queue_declare(queue, passive=True).method.message_count
    expected = ready()
    channel.basic_consume(queue, lambda _, *message: found.append(message), auto_ack=True)
    began = quiet = time.monotonic()
    while len(found) < expected:
        before = len(found)
        connection.process_data_events(0.05)
        now = time.monotonic()
        assert now < began + within_s, f"{queue}: {len(found)} of {expected} messages came within {within_s} s"
        if len(found) > before:
            quiet = now
        elif now > quiet + QUIET_S:
            break
        if len(found) >= expected:
            expected = len(found) + ready()
    channel.close()
    return found


def _publish(connection, exchange, keys):
    """An empty message for each key, in one transaction: when it is committed all are in their queues."""
    channel = connection.channel()
    returned = []
    channel.add_on_return_callback(lambda *message: returned.append(message[1].routing_key))
    channel.tx_select()
    for key in keys:
        channel.basic_publish(exchange, key, b"", pika.BasicProperties(delivery_mode=1), mandatory=True)
    channel.tx_commit()
    connection.process_data_events(0)
    assert not returned, f"{len(returned)} keys were in no queue: {returned[:3]}"
    channel.close()


def take_all(address, queues):
    """Queue -> (message id or body, redelivered) of everything in it, which is then gone."""
    with amqp.connect(address) as connection:
        return {queue: [(properties.message_id or body.decode(), method.redelivered)
                        for method, properties, body in _drain(connection, queue)] for queue in queues}


def owners(address, exchange, keys, queues):
    """Key -> the queue that gets it. Publishes a message for each key, mandatory, and takes it out again; each must be
    in one of the queues, and in one alone. They are not persistent: none comes back with a node."""
    found = collections.defaultdict(list)
    with amqp.connect(address) as connection:
        _publish(connection, exchange, keys)
        for queue in queues:
            for method, _, _ in _drain(connection, queue):
                found[method.routing_key].append(queue)
    assert set(found) == set(keys), f"{len(set(keys) - set(found))} keys are in no queue, {sorted(set(found) - set(keys))[:3]}"
    doubled = {key: where for key, where in found.items() if len(where) != 1}
    assert not doubled, f"{len(doubled)} keys are there more than once: {list(doubled.items())[:3]}"
    return {key: where[0] for key, where in found.items()}


def node_of(queue):
    """The node in a shard's name."""
    return queue.split(NODE_SEPARATOR)[-2]
