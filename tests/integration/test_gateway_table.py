"""warren-gateway's table: what becomes of each method that names a stream, seen by unmodified pika, with reply codes and
texts. A coordinator has made the stream: two shards on each of three nodes."""

import pika
import pytest
from pika import spec
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from gateway_stand import EXCHANGE, SHORT, Reader, consumers, define, publish, wait_consumers, wait_stream
from support import amqp
from support.management import ManagementApi, part
from support.amqp_frames import FrameClient, is_frame, method
from support.waiting import wait_until

CLUSTER_STATISTICS_MS = 500
NAMES = (EXCHANGE, SHORT)
MESSAGES = 60


class Stand:
    """The cluster, the stream's shards, a gateway that refuses and one that accepts declares and purges."""

    def __init__(self, cluster, programs):
        self.cluster, self.api = cluster, ManagementApi(cluster.management[0])
        programs.coordinator(cluster, "--statistics-interval", "500ms")
        self.shards = define(self.api, len(cluster.names))
        self.gateway = programs.gateway(cluster, "--refresh", "1s")
        self.accepting = programs.gateway(cluster, "--declare", "accept", "--purge", "accept", "--refresh", "1s")
        for gateway in (self.gateway, self.accepting):
            wait_stream(gateway.address, SHORT)

    def ready(self):
        """Messages ready in all shards."""
        return sum(amqp.ready_count(self.cluster.amqp[0], shard) for shard in self.shards)

    def reset(self):
        """Nobody consumes, nothing is in the shards."""
        wait_consumers(self.cluster.amqp[0], self.shards, 0)
        with amqp.connect(self.cluster.amqp[0]) as connection:
            channel = connection.channel()
            for shard in self.shards:
                channel.queue_purge(shard)


@pytest.fixture(scope="module", name="module_stand")
def fixture_module_stand(cluster, module_programs):
    """For all tests."""
    return Stand(cluster, module_programs)


@pytest.fixture(name="stand")
def fixture_stand(module_stand):
    """With empty shards."""
    module_stand.reset()
    return module_stand


@pytest.fixture(name="connection")
def fixture_connection(stand):
    """A client of the gateway."""
    with amqp.connect(stand.gateway.address) as made:
        yield made


def refusal(connection, call):
    """(code, text) of the channel's end; the connection and another of its channels go on."""
    other, channel = connection.channel(), connection.channel()
    with pytest.raises(ChannelClosedByBroker) as closed:
        call(channel)
    assert other.queue_declare("", exclusive=True).method.queue.startswith("amq.gen-")
    other.close()
    return closed.value.reply_code, closed.value.reply_text


@pytest.mark.parametrize("name", NAMES)
def test_a_consumer_of_a_stream_gets_what_is_in_all_its_shards_under_its_own_tag(stand, connection, name):
    ids = publish(stand.gateway.address, EXCHANGE, MESSAGES)
    reader = Reader(connection.channel(), name)
    assert reader.tag == "mine"
    assert sorted(reader.read(MESSAGES)) == sorted(ids)
    reader.ack_all()
    assert reader.tags == {"mine"} and not reader.redelivered
    reader.nothing_more()
    assert stand.ready() == 0
    wait_consumers(stand.cluster.amqp[0], stand.shards, 1)


def test_a_consumer_without_a_tag_gets_one_as_at_a_broker(stand, connection):
    ids = publish(stand.gateway.address, EXCHANGE, 12)
    reader = Reader(connection.channel(), SHORT, tag="", auto_ack=True)
    reader.read(12)
    assert reader.tags == {reader.tag} and set(reader.ids) == ids
    connection.channel().close()
    reader.channel.close()
    assert stand.ready() == 0, "they were taken without acks"


@pytest.mark.parametrize("prefetch", [1, 4, 6, 10, 100])
def test_never_more_than_the_prefetch_is_in_hand_and_all_arrives(stand, connection, prefetch):
    ids = publish(stand.gateway.address, EXCHANGE, MESSAGES)
    reader = Reader(connection.channel(), SHORT, prefetch=prefetch)
    reader.pump(0.5)
    assert 0 < len(reader.ids) <= prefetch, "nothing was acked yet"
    while len(reader.ids) < MESSAGES:
        before = len(reader.ids)
        reader.ack_one()
        wait_until(lambda: reader.pump(0.02) or len(reader.ids) > before or reader.held, 10, lambda: f"the next of {prefetch}")
    reader.ack_all()
    assert sorted(reader.ids) == sorted(ids) and reader.most <= prefetch
    reader.nothing_more(0.3)


def test_a_prefetch_of_none_has_no_limit(stand, connection):
    ids = publish(stand.gateway.address, EXCHANGE, MESSAGES)
    reader = Reader(connection.channel(), SHORT, prefetch=0)
    reader.read(MESSAGES, acks=False)
    assert reader.most == MESSAGES and set(reader.ids) == ids
    reader.channel.basic_nack(0, multiple=True, requeue=True)
    reader.held.clear()
    reader.read(2 * MESSAGES)
    assert reader.redelivered == MESSAGES and set(reader.ids[MESSAGES:]) == ids


@pytest.mark.parametrize("name", NAMES)
def test_get_takes_from_all_shards_until_all_are_empty(stand, connection, name):
    ids = publish(stand.gateway.address, EXCHANGE, MESSAGES)
    channel, got = connection.channel(), []
    while True:
        method, properties, _ = channel.basic_get(name)
        if method is None:
            break
        got.append(properties.message_id)
        assert method.exchange == EXCHANGE and method.routing_key == properties.message_id
        assert method.delivery_tag == len(got)
        channel.basic_ack(method.delivery_tag)
    assert sorted(got) == sorted(ids)
    assert channel.basic_get(name, auto_ack=True) == (None, None, None)


@pytest.mark.parametrize("name", NAMES)
def test_a_passive_declare_tells_the_name_asked_for_and_the_sums(stand, connection, name):
    publish(stand.gateway.address, EXCHANGE, MESSAGES)
    channel = connection.channel()
    found = channel.queue_declare(name, passive=True).method
    assert (found.queue, found.message_count, found.consumer_count) == (name, MESSAGES, 0)
    reader = Reader(connection.channel(), name, prefetch=0)
    reader.read(MESSAGES, acks=False)
    found = channel.queue_declare(name, passive=True).method
    assert (found.queue, found.message_count) == (name, 0) and found.consumer_count == len(stand.shards)


REFUSED = {
    "declare": lambda channel, name: channel.queue_declare(name),
    "declare durable": lambda channel, name: channel.queue_declare(name, durable=True),
    "bind": lambda channel, name: channel.queue_bind(name, "amq.topic", "key"),
    "unbind": lambda channel, name: channel.queue_unbind(name, "amq.topic", "key"),
    "delete": lambda channel, name: channel.queue_delete(name),
    "purge": lambda channel, name: channel.queue_purge(name),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", REFUSED)
def test_what_would_change_a_stream_closes_the_channel_alone_and_says_why(stand, connection, what, name):
    publish(stand.gateway.address, EXCHANGE, 6)
    code, text = refusal(connection, lambda channel: REFUSED[what](channel, name))
    assert code == 406 and text.startswith("PRECONDITION_FAILED - "), text
    assert EXCHANGE in text and "stream" in text, f"it names the stream: {text}"
    assert stand.ready() == 6 and set(stand.api.shards(EXCHANGE)) == set(stand.shards), "nothing was done"


@pytest.mark.parametrize("what", ["bind", "unbind", "delete"])
def test_accepting_declares_and_purges_accepts_nothing_else(stand, what):
    with amqp.connect(stand.accepting.address) as connection:
        assert refusal(connection, lambda channel: REFUSED[what](channel, SHORT))[0] == 406


@pytest.mark.parametrize("name", NAMES)
def test_a_declare_is_answered_with_the_sums_where_that_is_accepted(stand, name):
    publish(stand.accepting.address, EXCHANGE, MESSAGES)
    with amqp.connect(stand.accepting.address) as connection:
        channel = connection.channel()
        found = channel.queue_declare(name, durable=True, arguments={"x-max-length": 5}).method
        assert (found.queue, found.message_count, found.consumer_count) == (name, MESSAGES, 0)
        assert sorted(Reader(channel, name).read(MESSAGES)) == sorted(f"m-{number}" for number in range(MESSAGES))
    assert set(stand.api.queues()) >= set(stand.shards) and name not in stand.api.queues()


def test_a_purge_empties_every_shard_and_tells_the_sum_where_that_is_accepted(stand):
    publish(stand.accepting.address, EXCHANGE, MESSAGES)
    with amqp.connect(stand.accepting.address) as connection:
        channel = connection.channel()
        assert channel.queue_purge(SHORT).method.message_count == MESSAGES
        assert stand.ready() == 0
        assert channel.queue_purge(EXCHANGE).method.message_count == 0


def test_an_exclusive_consumer_has_every_shard_to_itself(stand, connection):
    with amqp.connect(stand.gateway.address) as late:
        reader = Reader(connection.channel(), SHORT, exclusive=True)
        code, text = refusal(late, lambda channel: channel.basic_consume(SHORT, print))
        assert code == 403 and text.startswith("ACCESS_REFUSED - "), text
        assert refusal(late, lambda channel: channel.basic_consume(EXCHANGE, print, exclusive=True))[0] == 403
        ids = publish(stand.gateway.address, EXCHANGE, MESSAGES)
        assert set(reader.read(MESSAGES)) == ids
        wait_until(lambda: all(len(who) == 1 for who in consumers(stand.api, stand.shards).values()), 20, "one each")
        wait_consumers(stand.cluster.amqp[0], stand.shards, 1)
        reader.channel.basic_cancel(reader.tag)
        again = Reader(late.channel(), SHORT)
        ids = publish(stand.gateway.address, EXCHANGE, 20, "later")
        assert set(again.read(20)) == ids
        assert refusal(connection, lambda channel: channel.basic_consume(SHORT, print, exclusive=True))[0] == 403
        wait_consumers(stand.cluster.amqp[0], stand.shards, 1)


@pytest.mark.parametrize("order", [("stream", "stream"), ("stream", "queue"), ("queue", "stream"), ("queue", "queue")])
def test_a_tag_that_is_taken_ends_the_connection_as_at_a_broker(stand, order):
    with amqp.connect(stand.gateway.address) as connection:
        channel = connection.channel()
        names = {"stream": SHORT, "queue": channel.queue_declare("", exclusive=True).method.queue}
        Reader(channel, names[order[0]], tag="same")
        consume = spec.Basic.Consume(queue=names[order[1]], consumer_tag="same")
        # pika itself would not send it.
        channel._impl._send_method(consume)  # pylint: disable=protected-access
        with pytest.raises(ConnectionClosedByBroker) as closed:
            connection.process_data_events(10)
        assert closed.value.reply_code == 530
        assert closed.value.reply_text == "NOT_ALLOWED - attempt to reuse consumer tag 'same'"
    wait_until(lambda: not any(consumers(stand.api, stand.shards).values()), 20, "its consumers are gone")


def test_a_tag_may_be_the_same_on_two_channels(stand, connection):
    first, second = (Reader(connection.channel(), SHORT, tag="same") for _ in range(2))
    ids = publish(stand.gateway.address, EXCHANGE, MESSAGES)

    def all_came():
        for reader in (first, second):
            reader.pump(0.01)
            reader.ack_all()
        return len(first.ids) + len(second.ids) >= MESSAGES
    wait_until(all_came, 20, lambda: f"{len(first.ids)} and {len(second.ids)}", 0.01)
    assert sorted(first.ids + second.ids) == sorted(ids)


def test_a_cancel_takes_the_consumers_of_all_shards_away_and_the_tag_is_free_again(stand, connection):
    channel = connection.channel()
    for turn in range(3):
        reader = Reader(channel, NAMES[turn % 2], tag="again")
        wait_consumers(stand.cluster.amqp[0], stand.shards, 1)
        assert not channel.basic_cancel("again")
        wait_consumers(stand.cluster.amqp[0], stand.shards, 0)
        publish(stand.gateway.address, EXCHANGE, 10, f"turn{turn}")
        reader.nothing_more(0.3)
    assert len(Reader(channel, SHORT, tag="again").read(30)) == 30


def test_silent_forms_do_the_same_and_say_nothing(stand):
    with FrameClient(stand.accepting.address) as client:
        client.login(channels=(1, 2))
        client.send(method(1, spec.Basic.Consume(queue=SHORT, consumer_tag="quiet", nowait=True)))
        wait_consumers(stand.cluster.amqp[0], stand.shards, 1)
        client.send(method(1, spec.Basic.Cancel("quiet", nowait=True)))
        wait_consumers(stand.cluster.amqp[0], stand.shards, 0)
        publish(stand.gateway.address, EXCHANGE, 12)
        client.send(method(1, spec.Queue.Declare(queue=SHORT, nowait=True)),
                    method(1, spec.Queue.Declare(queue=EXCHANGE, passive=True, nowait=True)),
                    method(1, spec.Queue.Purge(queue=SHORT, nowait=True)))
        wait_until(lambda: stand.ready() == 0, 10, "it is purged")
        # The first answer is that of the last.
        client.send(method(1, spec.Queue.Declare(queue=SHORT, passive=True)))
        found = client.read()
        assert isinstance(found.method, spec.Queue.DeclareOk) and found.method.queue == SHORT, found


@pytest.mark.parametrize("what", [spec.Queue.Declare(queue=SHORT, nowait=True), spec.Queue.Delete(queue=SHORT, nowait=True),
                                  spec.Queue.Bind(queue=SHORT, exchange="amq.topic", routing_key="k", nowait=True),
                                  spec.Queue.Purge(queue=SHORT, nowait=True)], ids=lambda what: what.NAME)
def test_silent_forms_are_refused_aloud(stand, what):
    with FrameClient(stand.gateway.address) as client:
        client.login(channels=(1, 2))
        client.send(method(1, what))
        closed = client.until_closed(1)
        assert (closed.reply_code, (closed.class_id << 16) + closed.method_id) == (406, what.INDEX), closed
        # What was sent before the client knew is ignored; the number can be used again.
        client.send(method(1, spec.Basic.Get(queue=SHORT)), method(1, spec.Channel.CloseOk()))
        client.ask(1, spec.Channel.Open(), spec.Channel.OpenOk)
        client.send(method(1, spec.Basic.Get(queue=SHORT)))
        assert isinstance(client.read().method, spec.Basic.GetEmpty)
        client.ask(2, spec.Basic.Qos(prefetch_count=1), spec.Basic.QosOk)


def test_pipelined_methods_are_answered_in_their_order(stand):
    publish(stand.gateway.address, EXCHANGE, 5)
    with FrameClient(stand.gateway.address) as client:
        client.login()
        client.send(method(1, spec.Queue.Declare(queue="", exclusive=True)),
                    method(1, spec.Queue.Declare(queue=SHORT, passive=True)),
                    method(1, spec.Basic.Qos(prefetch_count=3)),
                    method(1, spec.Basic.Get(queue=EXCHANGE)),
                    method(1, spec.Basic.Consume(queue=SHORT, consumer_tag="t")),
                    method(1, spec.Basic.Cancel("t")),
                    method(1, spec.Queue.Declare(queue="", exclusive=True)))
        order = []
        while len(order) < 7:
            found = client.read()
            assert is_frame(found), f"{order}, then {found}"
            if hasattr(found, "method") and not isinstance(found.method, spec.Basic.Deliver):
                order.append(type(found.method).__name__)
        assert order == ["DeclareOk", "DeclareOk", "QosOk", "GetOk", "ConsumeOk", "CancelOk", "DeclareOk"]


def test_inside_a_transaction_acks_count_when_it_is_committed(stand, connection):
    ids = publish(stand.gateway.address, EXCHANGE, 24)
    channel = connection.channel()
    channel.tx_select()
    reader = Reader(channel, SHORT, prefetch=0)
    reader.read(24, acks=False)
    for tag in reader.held[:12]:
        channel.basic_ack(tag)
    channel.tx_rollback()
    for tag in reader.held:
        channel.basic_ack(tag)
    channel.basic_publish(EXCHANGE, "in a transaction", b"x", pika.BasicProperties(message_id="tx"))
    assert stand.ready() == 0
    channel.tx_commit()
    assert reader.read(25, acks=False)[-1] == "tx" and set(reader.ids) == ids | {"tx"}
    channel.close()
    assert stand.ready() == 1, "what was committed is gone, the rest is back"
    assert refusal(connection, lambda one: (one.tx_select(), one.queue_delete(SHORT)))[0] == 406


def test_in_confirm_mode_a_channel_publishes_to_a_stream_and_consumes_it(stand, connection):
    channel = connection.channel()
    channel.confirm_delivery()
    reader = Reader(channel, SHORT, prefetch=7)
    for number in range(MESSAGES):
        channel.basic_publish(EXCHANGE, f"k{number}", b"x", pika.BasicProperties(message_id=f"m-{number}"), mandatory=True)
        reader.ack_one()
    assert sorted(reader.read(MESSAGES)) == sorted(f"m-{number}" for number in range(MESSAGES))
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("", SHORT, b"a stream is no queue", mandatory=True)


def test_an_ordinary_queue_with_the_short_name_is_that_queue(stand, connection):
    publish(stand.gateway.address, EXCHANGE, 6)
    with amqp.connect(stand.cluster.amqp[0]) as direct:
        channel = direct.channel()
        channel.queue_declare(SHORT)
        try:
            gateway = connection.channel()
            wait_until(lambda: gateway.queue_declare(SHORT, passive=True).method.message_count == 0, 10, "it is seen")
            channel.basic_publish("", SHORT, b"x", pika.BasicProperties(message_id="ordinary"))
            reader = Reader(gateway, SHORT)
            assert reader.read(1) == ["ordinary"]
            reader.nothing_more(0.3)
            gateway.basic_cancel(reader.tag)
            assert Reader(gateway, EXCHANGE, tag="other").read(6), "the exchange's name is the stream's all the same"
        finally:
            channel.queue_delete(SHORT)
    wait_until(lambda: wait_stream(stand.gateway.address, SHORT).consumer_count == 6, 10, "it is the stream's name again")


def test_a_short_name_of_two_streams_is_nobody_s(stand, connection):
    for exchange in ("shard.twice", "other.twice"):
        define(stand.api, len(stand.cluster.names), exchange)
        wait_stream(stand.gateway.address, exchange)
    code, text = refusal(connection, lambda channel: channel.queue_declare("twice", passive=True))
    assert (code, text) == (404, "NOT_FOUND - no queue 'twice' in vhost '/'")
    assert refusal(connection, lambda channel: channel.basic_consume("twice", print))[0] == 404
    publish(stand.gateway.address, "other.twice", 12)
    assert len(Reader(connection.channel(), "other.twice").read(12)) == 12
    assert connection.channel().basic_get("shard.twice")[0] is None


def test_a_consumer_is_cancelled_when_its_last_shard_is_gone_and_not_before(stand, connection):
    shards = define(stand.api, len(stand.cluster.names), "shard.short-lived")
    wait_stream(stand.gateway.address, "short-lived")
    reader = Reader(connection.channel(), "short-lived")
    wait_consumers(stand.cluster.amqp[0], shards, 1)
    stand.api.clear_global("stream-policy.%2F.shard-short-lived")
    stand.api.delete_exchange("shard.short-lived")
    for shard in shards:
        reader.pump(0.2)
        assert not reader.cancelled, f"{shard} is there"
        stand.api.delete(f"queues/%2F/{part(shard)}")
    wait_until(lambda: reader.pump() or reader.cancelled, 20, "the notice")
    assert reader.cancelled == ["mine"] and connection.is_open


def test_messages_of_a_cancelled_consumer_can_still_be_acked(stand, connection):
    publish(stand.gateway.address, EXCHANGE, 12)
    reader = Reader(connection.channel(), SHORT, prefetch=0)
    reader.read(12, acks=False)
    reader.channel.basic_cancel(reader.tag)
    reader.ack_all()
    reader.channel.queue_declare("", exclusive=True)
    reader.channel.close()
    assert stand.ready() == 0
