"""Consumers of one stream behind warren-gateway, six shards on three nodes: every shard has a consumer and none of a node's
has more than another, as consumers come and go; every message arrives once while nobody dies, and at least once when a
client, a gateway or a node is killed in the flow. WARREN_GATEWAY_MESSAGES says how many messages flow undisturbed (20,000)."""

import collections
import os
import random
import signal
import socket
import threading
import time
import types

import pika
import pytest

from gateway_stand import EXCHANGE, SHORT, Reader, consumers, define, local, wait_stream
from gateway_stand import publish as publish_all
from support import amqp
from support.management import ManagementApi
from support.owners import take_all
from support.processes import HTTP
from support.relay import Relay
from support.traffic_publisher import Publisher
from support.waiting import wait_until

CLUSTER_STATISTICS_MS = 500
MESSAGES = int(os.environ.get("WARREN_GATEWAY_MESSAGES", "20000"))
RATE, FAST, FLOW_STEP = 800, 8000, 500  # Messages a second; messages.
GROUPS = (1, 2, 5, 17, 3)
LEVEL_S, AT_REST_S = 30, 1
PREFETCH = 200
QUICK = ("--statistics-interval", "500ms")
NO_MEMORY, ENOUGH_MEMORY = "0", "0.4"  # Of what the machine has, from which on brokers take no messages.


class Client:
    """A consumer on a connection of its own, in a thread; connects again when that ends, until close(). `seen` counts
    message ids, and may be that of several clients."""

    def __init__(self, addresses, seen):
        self.addresses, self.seen = addresses, seen
        self.connections, self.error = 0, None
        self._ending, self._connection = threading.Event(), None
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self):
        turn = random.randrange(len(self.addresses))
        while not self._ending.is_set():
            turn += 1
            try:
                self._consume(self.addresses[turn % len(self.addresses)])
            except (pika.exceptions.AMQPError, OSError) as error:
                self.error = repr(error)
                self._ending.wait(0.3)

    def _consume(self, address):
        self._connection = pika.BlockingConnection(amqp.parameters(address))
        channel = self._connection.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(SHORT, self._on_message)
        self.connections += 1
        while not self._ending.is_set() and channel.is_open and channel.consumer_tags:
            self._connection.process_data_events(0.1)
        # A cancel notice ends the consumer alone; pika has taken it off its list then.
        if self._connection.is_open:
            self._connection.close()

    def _on_message(self, channel, method, properties, _body):
        self.seen[properties.message_id] += 1
        channel.basic_ack(method.delivery_tag)

    def cut(self):
        """Its socket closes without a word."""
        # pylint: disable-next=protected-access
        self._connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        """In order."""
        self._ending.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


class Stand:
    """The cluster, its shards and two gateways."""

    def __init__(self, cluster, programs):
        self.cluster, self.programs = cluster, programs
        self.api = ManagementApi(cluster.management[0])
        self.coordinator = programs.coordinator(cluster, *QUICK)
        self.shards = define(self.api, len(cluster.names))
        self.gateways = [programs.gateway(cluster, "--refresh", "1s") for _ in range(2)]
        self.clients, self.seen = [], collections.Counter()
        for gateway in self.gateways:
            wait_stream(gateway.address, SHORT)

    @property
    def addresses(self):
        """Of the gateways."""
        return [gateway.address for gateway in self.gateways]

    def grow(self, size, addresses=None):
        """Clients come or go until there are so many."""
        while len(self.clients) > size:
            self.clients.pop(random.randrange(len(self.clients))).close()
        while len(self.clients) < size:
            self.clients.append(Client(addresses or self.addresses, self.seen))

    def unlevel(self):
        """What is wrong with who consumes what; empty: nothing."""
        counts = {shard: len(who) for shard, who in consumers(self.api, self.shards).items()}
        if min(counts.values()) < 1:
            return f"uncovered: {counts}"
        for node in self.cluster.names:
            own = [counts[shard] for shard in local(self.shards, node)]
            if max(own) - min(own) > 1:
                return f"{node} is not level: {counts}"
        return "" if self.connected() else "not all are connected"

    def connected(self):
        """Whether every client consumes."""
        return all(client.connections for client in self.clients)

    def wait_level(self, timeout=LEVEL_S):
        """Until it is, and has been for a second."""
        since = time.monotonic()

        def level():
            nonlocal since
            if self.unlevel():
                since = time.monotonic()
            return time.monotonic() - since > AT_REST_S
        wait_until(level, timeout, lambda: f"level with {len(self.clients)}: {self.unlevel()}; told: {self.told()}")

    def home(self, gateway):
        """Index of the node that the clients of a gateway are connected to; they are, and to one."""
        def homes():
            return [index for index, address in enumerate(self.cluster.amqp)
                    if gateway.metric("warren_gateway_connections", node=address)]
        return wait_until(lambda: homes() if len(homes()) == 1 else None, 20, lambda: f"one node: {homes()}")[0]

    def set_memory_limit(self, part):
        """On every node. No broker takes messages while one of them is above its own."""
        for index in range(len(self.cluster.names)):
            self.cluster.ctl(index, "set_vm_memory_high_watermark", part)

    def told(self):
        """What the coordinator says who is to consume, for messages."""
        return {entry["instance"]: sorted(entry["shards"])
                for entry in HTTP.get(f"{self.coordinator.api}/assignments", timeout=5).json()["assignments"]}

    def drained(self, published, timeout=60):
        """Waits until each of `published` came and nothing is left in the shards."""
        def missing():
            return [one for one in published if not self.seen[one]]
        wait_until(lambda: not missing(), timeout, lambda: f"{len(missing())} of {len(published)} did not come: {missing()[:5]}")
        wait_until(lambda: not any(amqp.ready_count(self.cluster.amqp[0], shard) for shard in self.shards), 20,
                   "nothing is stranded")

    def rest(self):
        """No clients, nothing in the shards, everything runs."""
        self.grow(0)
        self.seen.clear()
        take_all(self.cluster.amqp[0], self.shards)


@pytest.fixture(scope="module", name="module_stand")
def fixture_module_stand(cluster, module_programs):
    """For all tests."""
    made = Stand(cluster, module_programs)
    yield made
    made.grow(0)


@pytest.fixture(name="stand")
def fixture_stand(module_stand):
    """With a coordinator and no clients."""
    module_stand.rest()
    yield module_stand
    module_stand.grow(0)


@pytest.fixture(name="publish")
def fixture_publish(stand):
    """publish(run, rate, addresses) begins a Flow."""
    made = []

    def begin(run, rate=RATE, addresses=None):
        made.append(Flow(lambda: addresses or stand.addresses, EXCHANGE, rate, run))
        return made[-1]
    yield begin
    for flow in made:
        flow.close()


class Flow(Publisher):
    """Publishes through the gateways, with confirms, while a test breaks something."""

    def wait_more(self, more=FLOW_STEP):
        """Until it has gone on for a while."""
        aim = len(self.confirmed) + more
        wait_until(lambda: len(self.confirmed) >= aim, 60, lambda: f"{aim} messages confirmed: {len(self.confirmed)}")

    def finish(self):
        """The ids that were published; every one is confirmed."""
        self.issuing = False
        wait_until(self.settled, 60, lambda: f"{len(self.confirmed)} of {len(self.issued)} confirmed")
        return self.issued


def test_every_shard_has_a_consumer_and_none_has_two_more_as_clients_come_and_go(stand):
    for size in GROUPS:
        stand.grow(size)
        stand.wait_level()


def test_each_message_arrives_once_while_nobody_dies(stand, publish):
    stand.grow(5)
    stand.wait_level()
    flow = publish("once", FAST)
    flow.wait_more(MESSAGES)
    published = flow.finish()
    stand.drained(published, 120)
    assert set(stand.seen) == published and not flow.republished
    twice = [one for one, times in stand.seen.items() if times != 1]
    assert not twice, f"{len(twice)} came more than once: {twice[:5]}"


def test_no_message_is_lost_as_clients_come_and_go(stand, publish):
    flow = publish("churn")
    for size in (4, 1, 6, 2):
        stand.grow(size)
        flow.wait_more()
    stand.drained(flow.finish())


def test_clients_that_break_off_lose_nothing(stand, publish):
    stand.grow(4)
    stand.wait_level()
    flow = publish("cut")
    for client in stand.clients[:3]:
        client.cut()
        flow.wait_more()
    stand.wait_level()
    stand.drained(flow.finish())


def test_a_gateway_that_is_killed_loses_nothing_and_its_clients_go_on_at_the_other(stand, publish):
    stand.grow(4)
    stand.wait_level()
    flow = publish("gateway")
    flow.wait_more()
    stand.gateways[0].kill()
    flow.wait_more()
    stand.wait_level(60)
    stand.gateways[0].start().wait_ready()
    flow.wait_more()
    stand.drained(flow.finish())
    stand.wait_level(60)


def test_a_node_that_is_killed_loses_nothing_and_its_shards_drain_when_it_is_back(stand, publish):
    stand.grow(5)
    stand.wait_level()
    flow = publish("node")
    flow.wait_more()
    try:
        stand.cluster.kill(2)
        flow.wait_more()
        up = [shard for shard in stand.shards if shard not in local(stand.shards, stand.cluster.names[2])]
        wait_until(lambda: all(consumers(stand.api, up).values()), 60, lambda: f"covered: {consumers(stand.api, up)}")
    finally:
        stand.cluster.start_stopped_nodes()
    flow.wait_more()
    stand.drained(flow.finish(), 120)
    stand.wait_level(60)


def test_a_client_with_a_small_prefetch_is_told_nothing_of_another_node_that_is_killed(stand, programs, tmp_path):
    # No coordinator, no event and no look says that shards are down: the gateway's own links have to do.
    stand.coordinator.terminate()
    user = tmp_path / "password"
    user.write_text("deaf")
    user.chmod(0o600)
    stand.api.put("users/deaf", {"password": "deaf", "tags": "management"})
    stand.api.put("permissions/%2F/deaf", dict.fromkeys(("configure", "write", "read"), r"^(amq\.gen.*|warren\.control)$"))
    relay = Relay(stand.cluster.management[0])
    gateway = programs.gateway(types.SimpleNamespace(amqp=stand.cluster.amqp, management=[relay.url]), "--refresh", "1s",
                               "--user", "deaf", "--password-file", str(user))
    nodes = stand.cluster.amqp
    try:
        wait_stream(gateway.address, SHORT)
        with amqp.connect(gateway.address) as connection:
            reader = Reader(connection.channel(), SHORT, prefetch=1)
            take_in_turn(reader, publish_all(nodes[0], EXCHANGE, 60, "before"))
            home = stand.home(gateway)
            publish_all(nodes[home], EXCHANGE, 60, "during")
            # While it holds a message no shard is opened: which one would be, just as the node dies, is chance.
            wait_until(lambda: reader.pump() or reader.held, 60, "a message came")
            relay.mode = "nothing"
            stand.cluster.kill(2 if home != 2 else 1)
            wait_until(lambda: gateway.metric("warren_gateway_node_up") == 2, 20, gateway.log_tail)
            for turn in range(4):  # From one living shard to the others, and so by those that are down.
                name = f"after {turn}"
                take_in_turn(reader, wait_until(lambda name=name: publish_all(nodes[home], EXCHANGE, 60, name), 60))
            stand.cluster.start_stopped_nodes()
            take_in_turn(reader, wait_until(lambda: publish_all(nodes[home], EXCHANGE, 60, "back"), 60))
            assert not reader.cancelled
    finally:
        relay.close()
        stand.cluster.start_stopped_nodes()
        stand.coordinator.start().wait_ready()
        stand.api.delete("users/deaf")


def take_in_turn(reader, published, timeout=120):
    """Reads and acks one message after the other, until each of `published` came."""
    end = time.monotonic() + timeout
    while not published <= set(reader.ids):
        assert time.monotonic() < end, f"{len(published - set(reader.ids))} of {len(published)} did not come"
        reader.pump(0.01)
        reader.ack_one()


def test_without_a_coordinator_every_shard_has_a_consumer_and_each_message_arrives_once(stand, publish):
    stand.coordinator.terminate()
    try:
        for size in (1, 5, 2):
            stand.grow(size)
            wait_until(lambda: not stand.unlevel(), 60, lambda: f"level: {stand.unlevel()}")
        flow = publish("alone", FAST)
        flow.wait_more(5 * FLOW_STEP)
        stand.drained(flow.finish())
        assert max(stand.seen.values()) == 1
        stand.clients[0].cut()
        wait_until(lambda: not stand.unlevel(), 60, lambda: f"level: {stand.unlevel()}")
        stand.gateways[1].process.send_signal(signal.SIGKILL)
        stand.gateways[1].process.wait(10)
        wait_until(lambda: not stand.unlevel(), 60, lambda: f"level: {stand.unlevel()}")
        flow = publish("one gateway", FAST, stand.addresses[:1])
        flow.wait_more(5 * FLOW_STEP)
        stand.drained(flow.finish())
        stand.gateways[1].start().wait_ready()
    finally:
        stand.coordinator.start().wait_ready()


def test_during_a_memory_alarm_a_client_that_joins_is_given_what_waits_in_the_shards(stand):
    published = publish_all(stand.cluster.amqp[0], EXCHANGE, 120, "alarm")
    stand.set_memory_limit(NO_MEMORY)
    try:
        gateway = stand.gateways[0]
        gateway.terminate()
        gateway.start().wait_ready()
        wait_stream(gateway.address, SHORT)
        with amqp.connect(gateway.address) as connection:
            reader = Reader(connection.channel(), SHORT, prefetch=10)

            def all_came():
                reader.pump()
                reader.ack_all()
                return published <= set(reader.ids)
            wait_until(all_came, 60, lambda: f"{len(set(reader.ids))} of {len(published)} messages came")
    finally:
        stand.set_memory_limit(ENOUGH_MEMORY)
