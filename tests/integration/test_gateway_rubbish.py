"""What no client library sends, byte for byte the same to a broker and to warren-gateway: the same frames come back, and
the gateway serves on with the memory it had."""

import os
import time

import pika
import pytest
from pika import spec

from gateway_stand import EXCHANGE, SHORT, Reader, define, publish, wait_stream
from support import amqp
from support.management import ManagementApi
from support.amqp_frames import HEADER, FrameClient, content, described, is_frame, method, raw_frame

CLUSTER_NODES = 1
QUIET_S, ANSWER_S = 1, 15
DEPTH = 16_000
MIB = 1 << 20
SANITIZED = bool(os.environ.get("WARREN_TEST_SANITIZE"))  # Sanitizers keep freed memory and shadow the rest.
GROWTH_BYTES = (512 if SANITIZED else 24) * MIB
TWINS = "ours-a", "ours-b"  # As long as each other: lengths on the wire are the same.


class Stand:
    """One node and its gateway; a stream of two shards."""

    def __init__(self, cluster, programs):
        api = ManagementApi(cluster.management[0])
        programs.coordinator(cluster)
        self.shards = define(api, 1)
        self.broker = cluster.amqp[0]
        self.gateway = programs.gateway(cluster, "--max-connection-memory", "1MiB")
        wait_stream(self.gateway.address, SHORT)

    def memory(self):
        """Resident bytes of the gateway."""
        with open(f"/proc/{self.gateway.pid}/status", encoding="utf-8") as text:
            return next(int(line.split()[1]) * 1024 for line in text if line.startswith("VmRSS"))


@pytest.fixture(scope="module", name="stand")
def fixture_stand(cluster, module_programs):
    """For all tests."""
    return Stand(cluster, module_programs)


def short(text):
    """A short string's bytes."""
    octets = text if isinstance(text, bytes) else text.encode()
    return bytes([len(octets)]) + octets


def nested(depth):
    """The bytes of a table in a table in a table …"""
    return b"".join(b"\x01aF" + (7 * (depth - level - 1)).to_bytes(4, "big") for level in range(depth))


def table(entries):
    """With its length."""
    return len(entries).to_bytes(4, "big") + entries


def consume(queue, tag=b"t", arguments=b"", announced=None):
    """The payload of basic.consume; `announced`: the table's length as it is told."""
    length = len(arguments) if announced is None else announced
    return b"\x00\x3c\x00\x14\x00\x00" + short(queue) + short(tag) + b"\x00" + length.to_bytes(4, "big") + arguments


def declare(queue, arguments=b""):
    """The payload of queue.declare, exclusive."""
    return b"\x00\x32\x00\x0a\x00\x00" + short(queue) + b"\x04" + table(arguments)


END = method(0, spec.Connection.Close(200, "done", 0, 0))
QOS = method(1, spec.Basic.Qos())
PUBLISH = method(1, spec.Basic.Publish(exchange="amq.direct", routing_key="no such key", mandatory=True))

BEFORE_LOGIN = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(40),
    "AMQP 1.0": b"AMQP\x00\x01\x00\x00",
    "AMQP 0-10": b"AMQP\x01\x01\x00\x0a",
    "almost AMQP": b"AMQP\x00\x00\x09\x02",
    "a method before its time": HEADER + method(0, spec.Connection.Open("/")),
    "a frame of a channel before the handshake": HEADER + method(1, spec.Channel.Open()),
    "an unknown mechanism": HEADER + method(0, spec.Connection.StartOk({}, "NOTHING", b"x")),
    "an empty response": HEADER + method(0, spec.Connection.StartOk({}, "PLAIN", b"")),
    "a wrong password": HEADER + method(0, spec.Connection.StartOk({}, "PLAIN", b"\0guest\0wrong")),
    "a wrong password, said aloud": HEADER + method(0, spec.Connection.StartOk(
        {"capabilities": {"authentication_failure_close": True}}, "PLAIN", b"\0guest\0wrong")),
    "a table nested deeply in the first frame": HEADER + raw_frame(
        1, 0, b"\x00\x0a\x00\x0b" + table(nested(500)) + short("PLAIN") + table(b"\0guest\0wrong") + short("en_US")),
    "properties that end too early": HEADER + raw_frame(
        1, 0, b"\x00\x0a\x00\x0b" + (99).to_bytes(4, "big") + b"\x01aS" + short("PLAIN")),
}

ON_A_CHANNEL = {
    "bad frame end": raw_frame(1, 1, b"\x00\x3c\x00\x0a" + bytes(7), end=b"\xcd"),
    "the largest size": b"\x01\x00\x01\xff\xff\xff\xff" + bytes(1000),
    "the largest size of a body": PUBLISH + b"\x03\x00\x01\xff\xff\xff\xff" + bytes(1000),
    "oversize frame": raw_frame(1, 1, bytes(131_073)),
    "unknown frame type": raw_frame(7, 1, b"abc"),
    "frame type 0": raw_frame(0, 1, b""),
    "an empty method": raw_frame(1, 1, b""),
    "half a method": raw_frame(1, 1, b"\x00\x3c"),
    "an unknown method": raw_frame(1, 1, b"\x00\x3c\x0f\xff"),
    "an unknown class": raw_frame(1, 1, b"\x77\x77\x00\x0a"),
    "a method only a server says": method(1, spec.Basic.Deliver("t", 1, False, "", "")),
    "invalid UTF-8 in a name": raw_frame(1, 1, declare(b"\xff\xfe\xfd")),
    "invalid UTF-8 in a consumed name": raw_frame(1, 1, consume(b"\xff\xfe\xfd")),
    "a zero in a consumed name": raw_frame(1, 1, consume(b"lo\x00gs")),
    "a channel opened twice": method(1, spec.Channel.Open()),
    "content out of order": content(1, b"abc"),
    "a body alone": raw_frame(3, 1, b"abc"),
    "a method between header and body": PUBLISH + content(1, b"", announced=5) + method(1, spec.Basic.Qos()),
    "a body longer than announced": PUBLISH + content(1, b"abcdef", announced=3),
    "a header of another class": PUBLISH + raw_frame(2, 1, b"\x00\x32\x00\x00" + bytes(8) + b"\x00\x00"),
    "a header cut short": PUBLISH + raw_frame(2, 1, b"\x00\x3c\x00\x00" + bytes(3)),
    "a heartbeat on a channel": raw_frame(8, 1, b""),
    "a heartbeat with a payload": raw_frame(8, 0, b"abc"),
    "a method on a channel never opened": method(9, spec.Basic.Qos()),
    "content on a channel never opened": content(9, b"abc"),
    "a channel method on channel 0": method(0, spec.Channel.Open()),
    "a connection method on a channel": method(1, spec.Connection.Close(200, "", 0, 0)),
    "a tune-ok too late": method(0, spec.Connection.TuneOk(10, 4096, 0)),
    "an unknown delivery tag": method(1, spec.Basic.Ack(4711)) + QOS,
    "a close-ok that nobody waits for": method(1, spec.Channel.CloseOk()) + QOS,
    "a table that ends too early": raw_frame(1, 1, consume("nowhere", arguments=b"\x01aS\x00\x00", announced=500)),
    "a table with an unknown type": raw_frame(1, 1, consume("nowhere", arguments=b"\x01a\x07")),
    "a declare's table with an unknown type": raw_frame(1, 1, declare("ours-a", b"\x01a\x07")),
    "a binding's table with an unknown type": raw_frame(
        1, 1, b"\x00\x32\x00\x14\x00\x00" + short("") + short("amq.direct") + short("k") + b"\x00" + table(b"\x01a\x07")),
    "an exchange's table with an unknown type": raw_frame(
        1, 1, b"\x00\x28\x00\x0a\x00\x00" + short("ours-a") + short("direct") + b"\x04" + table(b"\x01a\x07")),
    "headers with an unknown type": PUBLISH + raw_frame(
        2, 1, b"\x00\x3c\x00\x00" + bytes(8) + b"\x20\x00" + table(b"\x01a\x07")) + QOS,
    "more than the arguments": raw_frame(1, 1, consume("nowhere") + b"abc"),
    "a table nested deeply": raw_frame(1, 1, declare("ours-a", nested(DEPTH))) + QOS,
    "a consumer's table nested deeply": raw_frame(1, 1, declare("ours-a")) + raw_frame(
        1, 1, consume("ours-a", arguments=nested(DEPTH))) + QOS,
    "headers nested deeply": method(1, spec.Basic.Publish(exchange="amq.direct")) + raw_frame(
        2, 1, b"\x00\x3c\x00\x00" + bytes(8) + b"\x20\x00" + table(nested(DEPTH))) + QOS,
}
# What would be a stream's at the gateway is cut at each place.
WHOLE = raw_frame(1, 1, consume(SHORT, arguments=b"\x0ax-priorityI\x00\x00\x00\x05"))
CUT = {f"cut at {length}": raw_frame(1, 1, WHOLE[7:7 + length]) for length in range(4, len(WHOLE) - 8)}
CUT |= {f"{name} cut short": raw_frame(1, 1, bytes([0, class_id, 0, method_id, 0, 0]) + short(SHORT)[:-1])
        for name, class_id, method_id in (("declare", 50, 10), ("bind", 50, 20), ("unbind", 50, 50), ("purge", 50, 30),
                                          ("delete", 50, 40), ("get", 60, 70), ("cancel", 60, 30))}


def answers(client, patience_s=QUIET_S):
    """All that comes back until one side closes; where nothing more comes the client does."""
    found, end = [], time.monotonic() + ANSWER_S
    while time.monotonic() < end:
        one = client.read(patience_s)
        if one is None:
            return found + ["closed"]
        if is_frame(one):
            found.append(described(one))
        what = getattr(one, "method", None)
        if isinstance(what, (spec.Connection.Close, spec.Connection.CloseOk)):
            return found
        if what is None and not is_frame(one) or isinstance(what, spec.Basic.QosOk):
            client.send(END)
    return found


def ask_both(stand, rubbish, prepare=None):
    """Two clients, of the broker and of the gateway, that have sent the same bytes."""
    clients = [FrameClient(stand.broker), FrameClient(stand.gateway.address)]
    for client, name in zip(clients, TWINS):
        if prepare is not None:
            prepare(client, stand, name)
        client.send(rubbish.replace(TWINS[0].encode(), name.encode()))
    return clients


def compare(stand, clients, what, patience_s=QUIET_S):
    """What both hear: frame by frame the same, and the same end."""
    said = []
    for client, name in zip(clients, TWINS):
        said.append([line.replace(name, "ours") for line in answers(client, patience_s)])
        client.close()
    assert said[0] == said[1], f"{what}: the broker said\n{said[0]}\nthe gateway said\n{said[1]}"
    assert said[0] and stand.gateway.running(), what


def patience(what):
    """How long silence is waited for; a broker takes its time over deep tables, and says QosOk after them."""
    return ANSWER_S if "deeply" in what else QUIET_S


def with_a_channel(client, _stand, _name):
    """Logged in, one channel."""
    client.login()


def with_a_consumer(client, stand, name):
    """A channel that has a consumer: of the stream at the gateway, of its first shard at the broker."""
    client.login()
    queue = SHORT if name == TWINS[1] else stand.shards[0]
    client.ask(1, spec.Basic.Consume(queue=queue, consumer_tag="a consumer"), spec.Basic.ConsumeOk)


def test_before_the_login_rubbish_is_answered_as_by_the_broker(stand):
    # All at once: a broker takes three seconds for a refusal.
    asked = {what: ask_both(stand, octets) for what, octets in BEFORE_LOGIN.items()}
    for what, clients in asked.items():
        compare(stand, clients, what, ANSWER_S)


@pytest.mark.parametrize("what", ON_A_CHANNEL)
def test_on_a_channel_rubbish_is_answered_as_by_the_broker(stand, what):
    compare(stand, ask_both(stand, ON_A_CHANNEL[what], with_a_channel), what, patience(what))


@pytest.mark.parametrize("what", ON_A_CHANNEL)
def test_beside_a_consumer_of_a_stream_rubbish_is_answered_as_by_the_broker(stand, what):
    compare(stand, ask_both(stand, ON_A_CHANNEL[what], with_a_consumer), what, patience(what))


def test_arguments_that_end_too_early_are_answered_as_by_the_broker(stand):
    for what, octets in CUT.items():
        compare(stand, ask_both(stand, octets, with_a_channel), what)


def test_a_tag_of_the_longest_kind_and_a_deep_table_do_for_a_stream_what_they_do_for_a_queue(stand):
    ids = publish(stand.gateway.address, EXCHANGE, 20)
    with FrameClient(stand.gateway.address) as client:
        client.login()
        client.send(raw_frame(1, 1, consume(SHORT, tag=b"t" * 255, arguments=nested(DEPTH))))
        assert client.until(spec.Basic.ConsumeOk).consumer_tag == "t" * 255
        assert {client.until(spec.Basic.Deliver).consumer_tag for _ in ids} == {"t" * 255}
        client.send(method(1, spec.Basic.Ack(0, multiple=True)), END)
        client.until(spec.Connection.CloseOk)


def test_bytes_that_come_one_at_a_time_are_a_session_like_any_other(stand):
    said = []
    for address, name in zip((stand.broker, stand.gateway.address), TWINS):
        with FrameClient(address) as client:
            client.dribble(HEADER)
            client.until(spec.Connection.Start)
            client.dribble(method(0, spec.Connection.StartOk({}, "PLAIN", b"\0guest\0guest")))
            tune = client.until(spec.Connection.Tune)
            client.dribble(method(0, spec.Connection.TuneOk(tune.channel_max, tune.frame_max, 0))
                           + method(0, spec.Connection.Open("/")))
            client.until(spec.Connection.OpenOk)
            client.dribble(method(1, spec.Channel.Open()) + method(1, spec.Confirm.Select())
                           + method(1, spec.Queue.Declare(queue=name, exclusive=True))
                           + method(1, spec.Basic.Publish(routing_key=name)) + content(1, b"a body", pika.BasicProperties(type="t")))
            client.until(spec.Basic.Ack)
            client.dribble(method(1, spec.Basic.Get(queue=name, no_ack=True)) + END)
            said.append([line.replace(name, "ours") for line in answers(client)])
    assert said[0] == said[1] and len(said[0]) == 4, said


def test_a_stream_is_consumed_byte_by_byte(stand):
    publish(stand.gateway.address, EXCHANGE, 10)
    with FrameClient(stand.gateway.address) as client:
        client.login()
        client.dribble(raw_frame(1, 1, consume(SHORT)) + method(1, spec.Basic.Qos()))
        client.until(spec.Basic.ConsumeOk)
        for _ in range(10):
            tag = client.until(spec.Basic.Deliver).delivery_tag
            client.dribble(method(1, spec.Basic.Ack(tag)))


def test_after_all_that_the_gateway_serves_and_has_not_grown(stand):
    def rubbish(rounds):
        for _ in range(rounds):
            for octets in (ON_A_CHANNEL["the largest size"] + bytes(4 * MIB), ON_A_CHANNEL["a consumer's table nested deeply"],
                           raw_frame(1, 1, consume(SHORT, arguments=nested(DEPTH))), ON_A_CHANNEL["oversize frame"],
                           PUBLISH + content(1, b"", announced=1 << 62) + raw_frame(3, 1, bytes(100_000))):
                with FrameClient(stand.gateway.address) as client:
                    client.login().send(octets)
                    client.read(0.05)
    rubbish(3)
    before = stand.memory()
    rubbish(12)
    assert stand.memory() < before + GROWTH_BYTES, f"{before} bytes before, {stand.memory()} after"
    ids = publish(stand.gateway.address, EXCHANGE, 30, "last")
    with amqp.connect(stand.gateway.address) as connection:
        reader = Reader(connection.channel(), SHORT)
        reader.read(30)
        assert ids <= set(reader.ids)


def test_a_client_that_says_nothing_is_dropped(stand):
    with FrameClient(stand.gateway.address) as silent, FrameClient(stand.gateway.address) as slow:
        slow.send(HEADER)
        slow.until(spec.Connection.Start)
        assert silent.read(20) is None and slow.read(20) is None
