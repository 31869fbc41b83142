"""warren-gateway against clients that mean no good, limits, losses and its own end: what a client sees is what a broker
would have shown it, memory stays bounded, and nobody suffers from a neighbour."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import threading
import time

import pika
import pytest
from pika import spec

from gateway_stand import Reader, wait_stream
from support.amqp import connect, parameters, publish_many, ready_count
from support.amqp_frames import HEADER, FrameClient, content, method
from support.ports import free_port
from support.waiting import wait_until

CLUSTER_NODES = 2
KIB, MIB = 1 << 10, 1 << 20
WAIT_S = 30
HANDSHAKE_S = 3  # Enough to log in where others keep the machine busy.
NOTICE_S = 5  # So long a client listens for the end of its node.
BEAT_S, FROZEN_S = 2, 12  # A broker that hears nothing ends a connection after two to three such intervals.
IDLE = 1_000
PER_IDLE_CONNECTION = 64 * KIB
SLOW_BYTES = 48 * MIB
HELD_FOR_ONE = 12 * MIB  # Of the gateway, for a client that does not read: far below what waits for it.
DESCRIPTORS = 4 * IDLE
SANITIZED = bool(os.environ.get("WARREN_TEST_SANITIZE"))  # Sanitizers keep freed memory and shadow the rest.


@pytest.fixture(scope="module", autouse=True, name="descriptors")
def _descriptors():
    """Enough for all clients, here and in the gateway; root may raise the hard limit as well."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = max(before[1], DESCRIPTORS) if before[1] != resource.RLIM_INFINITY else before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module", name="gateway")
def _gateway(cluster, module_programs, descriptors):  # pylint: disable=unused-argument
    return module_programs.gateway(cluster, "--log-level", "debug", "--threads", 2)


def rss(program):
    """Resident bytes of a program."""
    return program.metric("process_resident_memory_bytes")


def wait_connections(program, count, **labels):
    """Waits until the gateway counts so many clients: it counts them, and those that left, a little after them."""
    def counted():
        return program.metric("warren_gateway_connections", **labels)
    wait_until(lambda: counted() == count, 30, lambda: f"{count} connections {labels or ''}: {counted()}")


def dial(address):
    """A bare TCP connection to HOST:PORT."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=WAIT_S)


def read_all(connection):
    """What comes until the other side ends."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return data


def answer_to(address, data):
    """All that comes back for these bytes."""
    with dial(address) as connection:
        connection.sendall(data)
        return read_all(connection)


def is_served(connection):
    """Whether connection.start comes."""
    return connection.recv(65536).startswith(b"\x01\x00\x00")


@contextlib.contextmanager
def queue_of(address):
    """A queue for one test."""
    with connect(address) as connection:
        name = connection.channel().queue_declare("", auto_delete=False).method.queue
        yield name
        connection.channel().queue_delete(name)


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"AMQP\x00\x01\x00\x00",
    b"AMQP\x00\x00\x0a\x00",
], ids=["HTTP", "TLS", "1.0", "0-10"])
def test_another_protocol_gets_the_answer_that_the_broker_gives(cluster, gateway, data):
    expected = answer_to(cluster.amqp[0], data)
    assert expected.startswith(b"AMQP")
    assert answer_to(gateway.address, data) == expected


def test_a_header_that_dribbles_in_is_answered_and_costs_no_broker_connection_before_it_is_whole(gateway):
    wait_connections(gateway, 0)
    with dial(gateway.address) as connection:
        for byte in HEADER[:-1]:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)
        wait_until(lambda: gateway.metric("warren_gateway_handshakes") > 0, 10, "the client is seen")
        assert gateway.metric("warren_gateway_connections") == 0
        connection.sendall(HEADER[-1:])
        assert is_served(connection)


def test_who_does_not_finish_the_handshake_is_closed(cluster, programs):
    gateway = programs.gateway(cluster, "--handshake-timeout", f"{HANDSHAKE_S}s")
    with dial(gateway.address) as silent, dial(gateway.address) as half:
        half.sendall(HEADER)
        assert read_all(silent) == b""
        assert read_all(half).startswith(b"\x01\x00\x00")
    wait_until(lambda: gateway.metric("warren_gateway_connection_closes_total", reason="handshake_timeout") == 2 and
               gateway.metric("warren_gateway_handshake_failures_total") == 2, 10, gateway.metrics_text)
    with FrameClient(gateway.address).login() as client:  # Open connections have no such limit.
        time.sleep(HANDSHAKE_S + 1)
        client.ask(0, spec.Connection.Close(200, "", 0, 0), spec.Connection.CloseOk)


def test_beyond_the_limit_of_connections_clients_wait_until_one_leaves(cluster, programs):
    gateway = programs.gateway(cluster, "--max-connections", 2)
    first, second = FrameClient(gateway.address).login(), FrameClient(gateway.address).login()
    with dial(gateway.address) as third:
        third.sendall(HEADER)
        third.settimeout(1)
        with pytest.raises(TimeoutError):
            third.recv(1)
        wait_until(lambda: gateway.metric("warren_gateway_accept_pauses_total", reason="connections") > 0 and
                   "--max-connections" in gateway.log(), 10, gateway.log_tail)
        first.close()
        third.settimeout(WAIT_S)
        assert is_served(third)
    second.close()


def test_a_client_that_does_not_read_holds_no_memory_and_nobody_up(cluster, gateway):
    with queue_of(cluster.amqp[0]) as queue:
        publish_many(cluster.amqp[0], "", [queue] * (SLOW_BYTES // MIB), b"x" * MIB)
        before = rss(gateway)
        slow = FrameClient(gateway.address).login()
        slow.ask(1, spec.Basic.Consume(queue=queue, no_ack=True), spec.Basic.ConsumeOk)
        grown = []

        def others_work():
            with queue_of(gateway.address) as other:
                publish_many(gateway.address, "", [other] * 200)
                grown.append(rss(gateway) - before)
                return ready_count(gateway.address, other) == 200
        wait_until(lambda: gateway.metric("warren_gateway_bytes_total", direction="to_client") > 0, 20, "it flows")
        assert others_work() and others_work()
        assert SANITIZED or max(grown) < HELD_FOR_ONE, f"{[int(size / KIB) for size in grown]} KiB"
        slow.close()


def test_what_a_client_sent_before_it_went_away_is_passed_on(cluster, gateway):
    """Whole, that is: what becomes of messages whose sender has gone is the broker's affair."""
    def passed():
        return gateway.metric("warren_gateway_bytes_total", direction="to_broker")
    with queue_of(cluster.amqp[0]) as queue:
        before = passed()
        burst = (method(1, spec.Basic.Publish(exchange="", routing_key=queue)) + content(1, b"x" * KIB)) * 3_000
        with FrameClient(gateway.address).login() as client:
            client.send(burst)
        wait_until(lambda: passed() >= before + len(burst), 30, lambda: f"{passed() - before} of {len(burst)} bytes")
        with FrameClient(gateway.address).login() as client:
            client.send(burst, method(0, spec.Connection.Close(200, "", 0, 0)))
            client.until(spec.Connection.CloseOk)
        assert ready_count(cluster.amqp[0], queue) >= 3_000


def test_an_idle_connection_is_small(gateway):
    first = FrameClient(gateway.address).login()
    before = rss(gateway)
    clients = [first]
    try:
        clients += [FrameClient(gateway.address).login() for _ in range(IDLE)]
        each = (rss(gateway) - before) / IDLE
        assert SANITIZED or each < PER_IDLE_CONNECTION, f"{each / KIB:.1f} KiB for an idle connection"
        wait_connections(gateway, IDLE + 1)
        wait_until(lambda: gateway.metric("warren_gateway_channels") == IDLE + 1, 20, "each has a channel")
    finally:
        for client in clients:
            client.close()
    wait_connections(gateway, 0)
    wait_until(lambda: gateway.metric("warren_gateway_channels") == 0, 20, "no channel is left")


def test_a_node_that_refuses_is_passed_over_and_where_all_do_the_client_is_closed(cluster, programs):
    nowhere = f"127.0.0.1:{free_port()}"
    gateway = programs.start("warren-gateway", "--listen", f"127.0.0.1:{free_port()}", "--node", nowhere, "--node",
                             cluster.amqp[0], "--management", cluster.management[0])
    hopeless = programs.start("warren-gateway", "--listen", f"127.0.0.1:{free_port()}", "--node", nowhere, "--management",
                              cluster.management[0], ready=False)
    wait_until(lambda: "warren-gateway: listening" in hopeless.log(), 20, hopeless.log_tail)
    assert answer_to(hopeless.command[2], HEADER) == b""
    wait_until(lambda: hopeless.metric("warren_gateway_connection_closes_total", reason="no_node") == 1 and
               nowhere in hopeless.log(), 10, hopeless.log_tail)
    with connect(gateway.command[2]) as connection:
        assert connection.is_open


def test_an_exclusive_consumer_that_is_refused_has_taken_nothing(cluster, gateway):
    exchange, stream, count = "shard.alone", "alone", 20
    shards = [f"stream: {exchange} - {name} - 0" for name in cluster.names]
    with connect(cluster.amqp[0]) as broker, connect(gateway.address) as client:
        owner = broker.channel()
        owner.exchange_declare(exchange)
        for shard in shards:
            owner.queue_declare(shard)
            owner.queue_bind(shard, exchange, shard)
        wait_stream(gateway.address, stream)
        occupied = owner.basic_consume(shards[-1], print)
        publish_many(cluster.amqp[0], exchange, shards[:1] * count)
        for _ in range(3):
            channel = client.channel()
            with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="403.*'alone'.*exclusive use"):
                channel.basic_consume(stream, print, auto_ack=True, exclusive=True)
        assert ready_count(cluster.amqp[0], shards[0]) == count
        owner.basic_cancel(occupied)
        reader = Reader(client.channel(), stream, auto_ack=True, exclusive=True)
        reader.read(count, acks=False)
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="404.*no previously declared queue"):
            reader.channel.basic_get("")
        for shard in shards:
            owner.queue_delete(shard)


def test_a_client_that_waits_for_a_shard_is_not_taken_for_dead(cluster, programs):
    gateway = programs.gateway(cluster, node=0)
    shard, stream = f"stream: shard.far - {cluster.names[1]} - 0", "far"
    with connect(cluster.amqp[1]) as broker:
        broker.channel().exchange_declare("shard.far")
        broker.channel().queue_declare(shard)
        broker.channel().queue_bind(shard, "shard.far", "far")
        wait_stream(gateway.address, stream)
    pid = int(cluster.ctl(1, "eval", "list_to_integer(os:getpid())."))
    options = parameters(gateway.address)
    options.heartbeat = BEAT_S
    with contextlib.closing(pika.BlockingConnection(options)) as connection:
        channel = connection.channel()
        os.kill(pid, signal.SIGSTOP)
        thaw = threading.Timer(FROZEN_S, os.kill, (pid, signal.SIGCONT))
        thaw.start()
        try:
            assert channel.basic_get(stream) == (None, None, None)
            assert not thaw.is_alive(), "it was answered before the node could"
        finally:
            thaw.join()
        channel.queue_delete(shard)


def test_sigterm_closes_clients_as_a_broker_does_and_ends(cluster, programs):
    gateway = programs.gateway(cluster)
    connections = [pika.BlockingConnection(parameters(gateway.address)) for _ in range(3)]
    closed = []

    def wait_for_end(connection):
        try:
            connection.process_data_events(time_limit=20)
        except pika.exceptions.ConnectionClosedByBroker as end:
            closed.append((end.reply_code, end.reply_text))
    threads = [threading.Thread(target=wait_for_end, args=(connection,)) for connection in connections]
    for thread in threads:
        thread.start()
    silent = dial(gateway.address)
    assert gateway.terminate(30) == 0, gateway.log_tail()
    for thread in threads:
        thread.join(20)
    assert len(closed) == 3 and all(code == 320 and "CONNECTION_FORCED" in text for code, text in closed), closed
    assert read_all(silent) == b""
    silent.close()


def test_a_client_that_does_not_answer_delays_the_end_by_the_drain_timeout_at_most(cluster, programs):
    gateway = programs.gateway(cluster, "--drain-timeout", "1s")
    with FrameClient(gateway.address).login() as client:
        assert gateway.terminate(30) == 1
        assert client.read().method.reply_code == 320


def test_secrets_are_in_no_log(cluster, programs):
    gateway = programs.gateway(cluster, "--log-level", "trace")
    with pytest.raises(pika.exceptions.AMQPError):
        with connect(gateway.address, user="nobody", password="hush-hush"):
            pass
    wait_until(lambda: "before it was open" in gateway.log(), 20, gateway.log_tail)
    with connect(gateway.address):
        pass
    wait_until(lambda: "reason=closed" in gateway.log(), 20, gateway.log_tail)
    assert "user=nobody" in gateway.log() and "user=guest vhost=/ node=" in gateway.log()
    assert "hush" not in gateway.log() and gateway.log().count("guest") == gateway.log().count("user=guest")


def test_promtool_finds_nothing_wrong_with_the_metrics(gateway):
    text = gateway.metrics_text()
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False,
                            timeout=30)
    assert result.returncode == 0 and not result.stdout + result.stderr, result.stdout + result.stderr
    assert 'warren_gateway_rewrites_total{method="basic.consume"}' in text


def test_when_a_node_is_lost_its_clients_are_told_and_find_another(cluster, gateway):
    wait_connections(gateway, 0)
    connections = [pika.BlockingConnection(parameters(gateway.address)) for _ in range(4)]
    for node in cluster.amqp:
        wait_connections(gateway, 2, node=node)
    cluster.kill(1)
    codes = []
    for connection in connections:
        try:
            connection.process_data_events(time_limit=NOTICE_S)
            connection.close()
        except pika.exceptions.ConnectionClosedByBroker as end:
            codes.append((end.reply_code, end.reply_text))
    assert len(codes) == 2 and all(code == 320 and "rabbit2" in text for code, text in codes), codes
    again = [pika.BlockingConnection(parameters(gateway.address)) for _ in range(2)]
    wait_connections(gateway, 2, node=cluster.amqp[0])
    for connection in again:
        connection.close()
