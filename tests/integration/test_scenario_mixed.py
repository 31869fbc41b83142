"""Changes in any order, one on top of the other, while messages flow and the coordinator is killed now and then: in
the end all is as the last definition says, and no message is lost or stranded."""

import os
import random
import time

import pytest

from support.management import part
from support.status import QUICK, shard_names, wait_ready
from support.traffic import Traffic

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 1000
EXCHANGE = "shard.orders"
STEPS = 25
LONGEST_PAUSE_S = 1.5
SEEDS = [int(seed) for seed in os.environ.get("WARREN_TEST_SEEDS", "5").split(",")]


class Mixer:
    """Does one thing after another, chosen by chance."""

    def __init__(self, cluster, api, program, traffic, seed):
        self.cluster, self.api, self.program, self.traffic = cluster, api, program, traffic
        self.chance = random.Random(seed)
        self.done = []

    def step(self):
        """Something happens; then a pause of any length."""
        what = self.chance.choice([self.define, self.define, self.define, self.unbind_by_hand, self.double_by_hand,
                                   self.take_policy, self.exchange_again, self.pause_consumers, self.kill, self.drain_node])
        self.done.append(what.__name__)
        what()
        time.sleep(self.chance.random() * LONGEST_PAUSE_S)

    def define(self, **fixed):
        """Another number, weight, template or way to remove."""
        queue = self.chance.choice([{}, {}, {"queue": {"arguments": {"x-max-length": 1000000}}}, {"queue": {"type": "quorum"}},
                                    {"queue": {"durable": False}}])
        definition = {"shards-per-node": self.chance.randint(1, 3), "http": self.chance.random() < 0.3,
                      "on-remove": self.chance.choice(["drain", "drain", "retain"])} | queue | fixed
        self.done.append(definition)
        self.api.define_stream("orders", definition, r"^shard\.")

    def unbind_by_hand(self):
        """Up to two bindings are removed, never the last."""
        bindings = self.api.bindings(EXCHANGE)
        for entry in self.chance.sample(bindings, max(0, min(2, len(bindings) - 1))):
            self.api.delete(f"bindings/%2F/e/{part(EXCHANGE)}/q/{part(entry['destination'])}/{part(entry['properties_key'])}")

    def double_by_hand(self):
        """A second binding with another weight, perhaps removed again at once."""
        bindings = self.api.bindings(EXCHANGE)
        if bindings:
            queue = self.chance.choice(bindings)["destination"]
            self.api.post(f"bindings/%2F/e/{part(EXCHANGE)}/q/{part(queue)}", {"routing_key": "3"})
            if self.chance.random() < 0.5:
                self.api.delete(f"bindings/%2F/e/{part(EXCHANGE)}/q/{part(queue)}/3")

    def take_policy(self):
        """No policy for a while: the next definition brings it back."""
        self.api.clear_global("stream-policy.%2F.orders")

    def exchange_again(self):
        """The exchange is deleted and declared again."""
        self.api.delete_exchange(EXCHANGE)
        time.sleep(self.chance.random())
        self.api.declare_exchange(EXCHANGE)

    def pause_consumers(self):
        """Messages stay where they are until the next time."""
        self.traffic.consumers.pause(not self.traffic.consumers.paused)

    def kill(self):
        """kill -9 of the coordinator, which is started again."""
        self.program.kill()
        self.program.start()

    def drain_node(self):
        """One node is being drained, or none is any more."""
        name = f"stream-node.{self.chance.choice(self.cluster.names)}"
        if self.chance.random() < 0.5:
            self.api.set_global(name, {"drain": True})
        else:
            self.api.clear_global(name)

    def settle(self):
        """The last word."""
        for name in self.cluster.names:
            self.api.clear_global(f"stream-node.{name}")
        self.api.declare_exchange(EXCHANGE)
        self.traffic.consumers.pause(False)
        self.api.define_stream("orders", {"shards-per-node": 2}, r"^shard\.")


@pytest.mark.parametrize("seed", SEEDS)
def test_changes_in_any_order_lose_and_strand_nothing(cluster, clean, programs, seed):
    clean.define_stream("orders", {"shards-per-node": 2}, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster, *QUICK)
    wait_ready(program, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2))
    with Traffic(cluster, EXCHANGE) as traffic:
        mixer = Mixer(cluster, clean, program, traffic, seed)
        try:
            for _ in range(STEPS):
                mixer.step()
            mixer.settle()
            wait_ready(program, EXCHANGE, shard_names(cluster.names, EXCHANGE, 2), 120)
            for name in shard_names(cluster.names, EXCHANGE, 2):  # Also one whose place in the ring was lost unseen.
                traffic.wait_received_from(name, 5, 120)
            traffic.finish()
        except AssertionError:
            print(f"seed {seed}: {mixer.done}")
            raise
        assert {queue["type"] for queue in clean.shards(EXCHANGE).values()} == {"classic"}
