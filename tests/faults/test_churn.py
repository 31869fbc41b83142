"""Long lives: a coordinator, a proxy and a worker go on while nodes, streams and workers come and go by a script. They need
no more memory, descriptors and threads at the end than at the beginning, and everything is in order then.

WARREN_CHURN_SECONDS (default 40) is how long it goes on; what is compared is the first and the last quarter of the turns.
Every turn has names of its own, so that whatever is kept for a name would show.
"""

import collections
import os
import random
import threading
import time

import pytest

from support.backend import Response
from support.http_client import Connection, wait_serving
from support.management import ManagementApi
from support.processes import HTTP
from support.waiting import wait_until

CLUSTER_NODES = 3
SECONDS = float(os.environ.get("WARREN_CHURN_SECONDS", "40"))
LEAST_TURNS = 3
EXCHANGE = "shard.web"
CLIENTS = 4
PAUSE_S = 0.02
SLACK_MIB = 12.0        # The allocator's; and of a short run, in which buffers still grow to their size,
SLACK_SHARE = 0.15      # this share of what there is.
SLACK_DESCRIPTORS = 12  # Connections that just begin or end.
SANITIZED = bool(os.environ.get("WARREN_TEST_SANITIZE"))


class Requests:
    """A few clients that ask for as long as the block lasts; `statuses` counts the answers."""

    def __init__(self, port):
        self.port, self.statuses, self.ended = port, collections.Counter(), threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(number,), daemon=True) for number in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)

    def _ask(self, number):
        connection = Connection(self.port)
        while not self.ended.is_set():
            try:
                answer = connection.request("GET", f"/{number}/{random.random()}")
                self.statuses[answer.status if answer.body == b"here" or answer.status != 200 else "wrong"] += 1
                if answer.value("connection") == "close":
                    connection.close()
                    connection = Connection(self.port)
            except (OSError, ValueError, IndexError) as error:
                self.statuses[repr(error)] += 1
                connection.close()
                connection = Connection(self.port)
            time.sleep(PAUSE_S)
        connection.close()


class Sample:
    """What a process has now."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as text:
            lines = dict(line.split(":", 1) for line in text)
        self.memory_mib = int(lines["VmRSS"].split()[0]) / 1024
        self.threads = int(lines["Threads"])
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))

    def __repr__(self):
        return f"{self.memory_mib:.1f} MiB, {self.descriptors} descriptors, {self.threads} threads"


class Churn:
    """The cluster, the three programs that stay, and the turns."""

    def __init__(self, cluster, programs, url):
        self.cluster, self.programs, self.url = cluster, programs, url
        self.api = ManagementApi(cluster.management[0])
        self.define(2)
        self.api.declare_exchange(EXCHANGE)
        self.coordinator = programs.coordinator(cluster)
        self.api.wait_shards(EXCHANGE, 2 * CLUSTER_NODES)
        self.worker = programs.worker(cluster, EXCHANGE, url)
        self.proxy = programs.proxy(cluster, EXCHANGE)
        wait_serving(self.proxy.port)
        self.samples = {program.name: [] for program in self.staying()}

    def staying(self):
        """The programs that are looked at."""
        return self.coordinator, self.proxy, self.worker

    def define(self, per_node, placement="ring"):
        """All streams have so many shards on each node from now on, placed so."""
        self.api.define_stream("web", {"shards-per-node": per_node, "routing-key": "1", "http": True, "placement": placement},
                               "^shard\\.")

    def turn(self, number):
        """Streams and workers come and go, a node is killed or drained and comes back."""
        exchanges = [f"shard.turn-{number}-{index}" for index in range(5)]
        for exchange in exchanges:
            self.api.declare_exchange(exchange)
        passing = self.programs.worker(self.cluster, EXCHANGE, self.url)
        beside = self.programs.worker(self.cluster, exchanges[0], self.url, ready=False)
        self.define(1 + number % 3, "stable" if number % 4 == 1 else "ring")
        if number % 3 == 2:
            self.drain_and_fill(self.cluster.names[number // 3 % CLUSTER_NODES])
        else:
            # Node 0 stays, which the test itself talks to.
            self.kill_and_start(1 + number % 2)
        (passing.kill if number % 2 else passing.terminate)()
        beside.terminate()
        for program in (passing, beside):
            self.programs.started.remove(program)
        for exchange in exchanges:
            self.api.delete_exchange(exchange)
        for program in self.staying():
            assert program.running(), program.log_tail()
            self.samples[program.name].append(Sample(program.pid))

    def kill_and_start(self, index):
        """kill -9 of a node, and its return."""
        self.cluster.kill(index)
        time.sleep(2)
        self.cluster.start_node(index)

    def drain_and_fill(self, node):
        """A node is emptied of shards, and filled again."""
        where = f"{self.coordinator.api}/nodes/{node}/drain"
        HTTP.post(where, timeout=10).raise_for_status()
        time.sleep(5)
        HTTP.delete(where, timeout=10).raise_for_status()

    def wait_in_order(self):
        """All nodes up, the shards of the one stream that is left bound and consumed, nothing to be done, nothing else left."""
        self.define(2)
        self.cluster.start_stopped_nodes()
        shards = self.api.wait_shards(EXCHANGE, 2 * CLUSTER_NODES, 90)

        def in_order():
            served = {consumer["queue"]["name"] for consumer in self.api.get("consumers/%2F")}
            text = self.coordinator.metrics_text()
            return set(shards) <= served and 'warren_streams{state="ready"} 1' in text and "warren_plan_actions 0" in text
        wait_until(in_order, 90, self.coordinator.log_tail)
        wait_until(lambda: set(self.api.queues("/", "stream: ")) == set(shards), 90, "queues of streams that are gone are gone")
        wait_serving(self.proxy.port)


def most(samples, field):
    """The greatest value of all."""
    return max(getattr(sample, field) for sample in samples)


def check_growth(name, samples):
    """The last quarter against the first, the very first turn left out: it fills what then stays."""
    samples = samples[1:]
    quarter = max(1, len(samples) // 4)
    first, last = samples[:quarter], samples[-quarter:]
    story = f"{name}: {len(samples)} turns, at first {first}, at last {last}"
    print(f"{name}: first {first[0]}; last {last[-1]}")
    if not SANITIZED:  # Sanitizers keep what was freed.
        before = most(first, "memory_mib")
        assert most(last, "memory_mib") <= before * (1 + SLACK_SHARE) + SLACK_MIB, story
    assert most(last, "descriptors") <= most(first, "descriptors") + SLACK_DESCRIPTORS, story
    assert most(last, "threads") <= most(first, "threads") + 1, story


@pytest.fixture(name="churn")
def _churn(cluster, programs, backend):
    back = backend("back", lambda asked: Response(200, [], b"here"))
    made = Churn(cluster, programs, back.url)
    made.back = back
    return made


def test_long_lives_neither_grow_nor_end_in_disorder(churn):
    end, number = time.monotonic() + SECONDS, 0
    with Requests(churn.proxy.port) as requests:
        while time.monotonic() < end or number < LEAST_TURNS:
            churn.turn(number)
            churn.back.requests.clear()
            number += 1
    print(f"{number} turns, answers {dict(requests.statuses)}")
    churn.wait_in_order()
    for name, samples in churn.samples.items():
        check_growth(name, samples)
    answers = sum(requests.statuses.values())
    assert set(requests.statuses) <= {200, 502, 503, 504}, requests.statuses
    assert requests.statuses[200] >= 0.97 * answers, requests.statuses
