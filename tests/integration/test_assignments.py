"""Who consumes which shard, with real coordinators and real workers on a cluster of three nodes: workers come, leave and are
killed, and so are coordinators; every shard has a consumer soon after, and no worker has more to do than others beside it.
WARREN_CHURN_SECONDS says for how long workers come and go (24)."""

import os
import random
import signal
import time
from collections import Counter

import pika
import pytest

from proxy_load import EXCHANGE, Ledger, Load
from support import amqp
from support.http_client import wait_serving
from support.processes import HTTP, urls
from support.status import expected_shards
from support.waiting import always, wait_until

CLUSTER_STATISTICS_MS = 300
QUICK = ("--statistics-interval", "300ms", "--interval", "1s")
CHURN_S = int(os.environ.get("WARREN_CHURN_SECONDS", "24"))
AT_REST_S = 12  # Less than what workers wait for coordinators before they go by the old rule.
GROUPS = (1, 2, 5, 17)
TAKE_OVER_S = 20
FALL_BACK_S = 40


@pytest.fixture(name="shards")
def fixture_shards(cluster, clean):
    """Two shards a node, which a coordinator declares: name -> node."""
    clean.define_stream("web", {"shards-per-node": 2, "http": True}, r"^shard\.web$")
    clean.declare_exchange(EXCHANGE)
    return expected_shards(cluster, EXCHANGE)


@pytest.fixture(name="coordinator")
def fixture_coordinator(cluster, clean, shards, programs):
    """One that has made the shards."""
    made = programs.coordinator(cluster, *QUICK)
    clean.wait_shards(EXCHANGE, len(shards))
    return made


class Group:
    """Workers of one application; those that run, by their program, with the node each is connected to. `longest_s` is the
    longest that shards were without a consumer once all had come to rest."""

    def __init__(self, cluster, programs, api, url, shards):
        self.cluster, self.programs, self.api, self.url, self.shards = cluster, programs, api, url, shards
        self.members, self.longest_s = {}, 0
        self.connection = pika.BlockingConnection(amqp.parameters(cluster.amqp[0]))
        self.channel = self.connection.channel()

    def join(self, node=None, management=None):
        """One more, on a node that is told or any."""
        at = random.randrange(len(self.cluster.names)) if node is None else node
        instance = f"w{len(self.programs.started)}"
        api = urls(self.cluster) if management is None else ["--management", management]
        worker = self.programs.start("warren-worker", "--stream", EXCHANGE, "--upstream", self.url, "--concurrency", "4",
                                     "--instance", instance, "--node", self.cluster.amqp[at], *api, ready=False)
        worker.instance = instance
        self.members[worker] = self.cluster.names[at]
        return worker

    def leave(self, worker, killed):
        """One less: SIGTERM, or kill -9."""
        del self.members[worker]
        if killed:
            worker.kill()
        else:
            worker.process.send_signal(signal.SIGTERM)

    def end(self):
        """All leave at once."""
        for worker in list(self.members):
            self.leave(worker, False)

    def consumers(self):
        """Shard -> instances that consume it, as the management API has it some seconds later."""
        found = {shard: [] for shard in self.shards}
        for entry in self.api.get("consumers/%2F"):
            name = entry["queue"]["name"]
            if name in found:
                found[name].append(entry["consumer_tag"].split(":")[2])
        return found

    def uncovered(self):
        """Shards that nobody consumes, by the queues' own word; one that is down is nobody's."""
        return [shard for shard in self.shards if not self._consumer_count(shard)]

    def _consumer_count(self, shard):
        try:
            return self.channel.queue_declare(shard, passive=True).method.consumer_count
        except pika.exceptions.ChannelClosedByBroker:
            self.channel = self.connection.channel()
            return 0

    def unlevel(self):
        """What is wrong with who has how much; nothing when all is as it should be."""
        seen = self.consumers()
        counts = Counter(instance for instances in seen.values() for instance in instances)
        nodes = {worker.instance: node for worker, node in self.members.items()}
        if strangers := counts.keys() - nodes.keys():
            return f"consumers that have left: {strangers}"
        problems = [f"{shard} has no consumer" for shard, instances in seen.items() if not instances]
        for node in set(nodes.values()):
            here = {instance: counts[instance] for instance, at in nodes.items() if at == node}
            if max(here.values()) - min(here.values()) > 1:
                problems.append(f"spread on {node}: {here}")
            local = [shard for shard, at in self.shards.items() if at == node]
            problems += [f"{instance} on {node} does not consume {shard}" for instance in here for shard in local
                         if instance not in seen[shard]]
        return problems

    def change(self, size):
        """One step towards so many."""
        if len(self.members) < size:
            self.join()
        elif len(self.members) > size:
            self.leave(random.choice(list(self.members)), random.random() < 0.5)
        else:
            self.leave(random.choice(list(self.members)), random.random() < 0.5)
            self.join()

    def rest(self):
        """Waits until every member is there and all is level. No shard is without a consumer for long then."""
        for worker in self.members:
            worker.wait_ready()
        began = time.monotonic()
        wait_until(lambda: not self.uncovered(), AT_REST_S, lambda: f"without consumer: {self.uncovered()}", 0.05)
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        wait_until(lambda: not self.unlevel(), 20, lambda: f"{self.unlevel()}\n{self.consumers()}")
        always(lambda: not self.uncovered(), 1, "covered")


@pytest.fixture(name="group")
def fixture_group(cluster, clean, shards, programs, backend):
    """A group of workers whose application keeps a ledger."""
    ledger = Ledger()
    made = Group(cluster, programs, clean, backend("web", ledger.respond("web")).url, shards)
    made.ledger = ledger
    yield made
    made.end()
    made.connection.close()


def source(worker):
    """Where a worker knows from what to consume."""
    return [name for name in ("coordinator", "management", "probe")
            if worker.metric("warren_worker_assignment_source", source=name) == 1]


def wait_coordinated(group):
    """Waits until all members do as a coordinator says: one that gets no answer at once looks for itself meanwhile."""
    def sources():
        return [source(worker) for worker in group.members]
    wait_until(lambda: all(each == ["coordinator"] for each in sources()), 20, sources)


@pytest.mark.parametrize("size", GROUPS)
@pytest.mark.usefixtures("coordinator")
def test_groups_of_any_size_cover_all_and_share_evenly(group, size):
    for number in range(size):
        group.join(node=number % 3 if size != 5 else 0)
    group.rest()
    wait_coordinated(group)
    if size == 5:  # All of them on the first node: its two shards are everybody's, the others are shared out.
        counts = Counter(instance for instances in group.consumers().values() for instance in instances)
        assert sorted(counts.values()) == [2, 3, 3, 3, 3], counts
    while len(group.members) > 1:
        group.change(1)
    group.rest()


@pytest.mark.usefixtures("coordinator")
def test_workers_that_come_leave_and_are_killed_leave_no_shard_alone_and_no_request_unanswered(cluster, group, programs):
    proxy = programs.proxy(cluster, EXCHANGE)
    group.join()
    group.rest()
    wait_serving(proxy.port)
    end, rests = time.monotonic() + CHURN_S, 0
    with Load(proxy.port, connections=6) as load:
        while time.monotonic() < end:
            size, until = random.choice(GROUPS), time.monotonic() + random.uniform(3, 8)
            while time.monotonic() < until:
                group.change(size)
                time.sleep(random.uniform(0, 0.8) if len(group.members) == size else random.uniform(0, 0.2))
            group.rest()
            rests += 1
    load.check(group.ledger)
    assert rests >= 2
    print(f"{len(load.answers)} requests, {len(programs.started) - 2} workers, {rests} rests, "
          f"{group.longest_s:.2f} s at most until all was covered")


def test_workers_follow_the_next_leader_without_noticing(cluster, coordinator, group, programs):
    follower = programs.coordinator(cluster, *QUICK)
    for node in (0, 0, 1):
        group.join(node)
    group.rest()
    wait_coordinated(group)
    members = list(group.members)
    told = {worker: worker.log().count("management API") for worker in members}
    coordinator.kill()
    group.leave(members[2], killed=True)
    wait_until(lambda: not group.unlevel(), TAKE_OVER_S, lambda: f"level again: {group.unlevel()}")
    assert all(source(worker) == ["coordinator"] for worker in group.members)
    assert all(worker.log().count("management API") == told[worker] for worker in group.members), "none fell back"
    coordinator.start().wait_ready()
    assert follower.terminate() == 0
    group.join(2)
    wait_until(lambda: not group.unlevel(), TAKE_OVER_S + 15, lambda: f"level again: {group.unlevel()}")


def test_without_a_coordinator_workers_serve_on_fall_back_and_come_back(coordinator, cluster, group, programs, free_port):
    proxy = programs.proxy(cluster, EXCHANGE)
    for node in (0, 1, 2):
        group.join(node)
    group.rest()
    blind = group.join(0, management=f"http://127.0.0.1:{free_port()}")
    group.rest()
    wait_coordinated(group)
    wait_serving(proxy.port)
    assert "cannot" not in blind.log(), "it needs neither the management API nor its node's name"
    leaving = list(group.members)[2]
    held = sum(blind.instance in instances for instances in group.consumers().values())
    with Load(proxy.port, connections=3) as load:
        coordinator.kill()
        time.sleep(2)
        group.leave(leaving, killed=True)
        seeing = [worker for worker in group.members if worker is not blind]
        # The broker may show the consumers of the one that was killed for a moment.
        wait_until(lambda: ["management"] in [source(worker) for worker in seeing] and not group.uncovered(), FALL_BACK_S,
                   lambda: f"the old rule: {[source(worker) for worker in seeing]} {group.uncovered()}")
        assert blind.is_ready() and blind.metric("warren_worker_shards") == held, "what it had it has"
        coordinator.start().wait_ready()
        wait_until(lambda: all(source(worker) == ["coordinator"] for worker in group.members) and not group.unlevel(), 25,
                   lambda: f"assignments again: {[source(worker) for worker in group.members]} {group.unlevel()}")
    load.check(group.ledger)
    assert len(load.answers) > 20


@pytest.mark.usefixtures("coordinator")
def test_a_node_s_shards_are_nobody_s_while_it_is_down_and_covered_when_it_is_back(cluster, group, shards):
    group.join(0)
    group.join(1)
    group.rest()
    gone = {shard for shard, node in shards.items() if node == cluster.names[2]}
    try:
        cluster.kill(2)
        wait_until(lambda: set(group.uncovered()) == gone, 20, lambda: f"{group.uncovered()}")
        always(lambda: set(group.uncovered()) == gone, 2)
        refused = sum(worker.log().count("cannot consume a shard") for worker in group.members)
        assert refused <= len(gone), "a shard that is down is asked for seldom"
    finally:
        cluster.start_stopped_nodes()
    wait_until(lambda: not group.unlevel(), 30, lambda: f"covered again: {group.unlevel()}")


def test_the_assignments_that_workers_follow_are_those_of_the_rest_api(coordinator, group):
    for node in (0, 0, 2):
        group.join(node)
    group.rest()

    def told():
        return {entry["instance"]: sorted(entry["shards"]) for entry in
                HTTP.get(f"{coordinator.api}/assignments", timeout=5).json()["assignments"]}

    def held():
        seen = group.consumers()
        return {worker.instance: sorted(shard for shard in seen if worker.instance in seen[shard])
                for worker in group.members}
    wait_until(lambda: told() == held(), 20, lambda: f"{told()}\n{held()}")
