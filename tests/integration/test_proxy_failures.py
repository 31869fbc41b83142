"""warren-proxy while nodes, workers and memory fail: three nodes, a real warren-worker on each, a bounded load
of GETs, POSTs with an Idempotency-Key and plain POSTs. Whatever fails, answers are right, nothing hangs, and
no plain POST is run twice."""

import re
import threading
import time
from dataclasses import dataclass

import pytest

from proxy_load import EXCHANGE, Ledger, Load, expected
from support.backend import Backend
from support.cluster import Cluster
from support.http_client import Connection, request, wait_serving
from support.management import ManagementApi, part
from support.processes import Program
from support.waiting import wait_until

CLUSTER_NODES = 3
HOLDING = 8  # Requests of each kind that are in hand when a worker is killed.


@dataclass
class Service:
    """Everything between a client and the ledger."""
    cluster: Cluster
    proxy: Program
    workers: list
    ledger: Ledger

    def publishing_node(self):
        """Index of the node that the proxy publishes to, as its log says."""
        found = re.findall(r"publishing exchange=\S+ endpoint=(\S+)", self.proxy.log())
        return self.cluster.amqp.index(found[-1]) if found else None

    def consuming_node(self):
        """Index of the node that has the proxy's reply queue."""
        queue = re.findall(r"consuming replies queue=(\S+)", self.proxy.log())[-1]
        up = next(entry["management"] for entry in self.cluster.status()["nodes"] if entry["running"])
        return self.cluster.names.index(ManagementApi(up).get(f"queues/%2F/{part(queue)}?columns=node")["node"])

    def wait_worker_on_each(self):
        """Every shard served by the worker of its node: the state that each test begins with."""
        api = ManagementApi(self.cluster.management[0])

        def settled():
            homes = {}
            for consumer in api.get("consumers/%2F"):
                queue = consumer["queue"]["name"]
                if queue.startswith(f"stream: {EXCHANGE} - "):
                    homes.setdefault(queue, []).append(consumer["consumer_tag"].split(":")[1])
            return homes == {f"stream: {EXCHANGE} - {name} - 0": [name] for name in self.cluster.names}
        wait_until(settled, 40, "each worker serves its own node")


@pytest.fixture(scope="module", name="service")
def _service(cluster, module_programs, module_backend):
    api = ManagementApi(cluster.management[0])
    api.define_stream("web", {"shards-per-node": 1, "routing-key": "1", "http": True}, "^shard\\.")
    api.declare_exchange(EXCHANGE)
    module_programs.ctl(cluster, "apply", check=True)
    ledger = Ledger()
    backs: list[Backend] = [module_backend(name, ledger.respond(name)) for name in cluster.names]
    workers = [module_programs.worker(cluster, EXCHANGE, back.url, "--concurrency", "32", node=index)
               for index, back in enumerate(backs)]
    proxy = module_programs.proxy(cluster, EXCHANGE)
    wait_serving(proxy.port)
    return Service(cluster, proxy, workers, ledger)


@pytest.fixture(autouse=True)
def _steady(cluster, service):
    """Every test begins with all nodes up and a worker at each."""
    cluster.start_stopped_nodes()
    service.wait_worker_on_each()
    wait_serving(service.proxy.port)


def test_moves_to_another_node_when_its_own_is_killed_and_uses_it_again(cluster, service):
    lost = service.proxy.metric("warren_proxy_nodes_lost_total")
    home = service.publishing_node()
    with Load(service.proxy.port) as load:
        time.sleep(2)
        cluster.kill(home)
        wait_until(lambda: service.publishing_node() != home, 15, "the proxy publishes elsewhere")
        assert service.consuming_node() != home
        time.sleep(6)
        cluster.start_node(home)
        time.sleep(2)
    load.check(service.ledger)
    assert service.proxy.metric("warren_proxy_nodes_lost_total") > lost

    # Turned away from the others in turn, it comes back to the node that returned.
    service.wait_worker_on_each()
    with Load(service.proxy.port) as load:
        for _ in range(2):
            now = service.publishing_node()
            assert now != home
            cluster.ctl(now, "close_all_connections", "test")
            wait_until(lambda was=now: service.publishing_node() != was, 15, "the proxy moves on")
        assert service.publishing_node() == home
        time.sleep(1)
    load.check(service.ledger)
    assert service.proxy.is_ready()


def test_bears_the_loss_of_a_node_that_only_holds_shards(cluster, service):
    used = {service.publishing_node(), service.consuming_node()}
    victim = next(index for index in range(CLUSTER_NODES) if index not in used)
    reconnects = service.proxy.metric("warren_proxy_reconnects_total")
    with Load(service.proxy.port) as load:
        time.sleep(2)
        cluster.kill(victim)
        time.sleep(8)
        cluster.start_node(victim)
        time.sleep(2)
    load.check(service.ledger)
    assert service.proxy.metric("warren_proxy_reconnects_total") == reconnects, "its connections were elsewhere"


def test_answers_503_with_retry_after_during_an_alarm(cluster, service):
    with Load(service.proxy.port) as load:
        time.sleep(1)
        cluster.ctl(0, "set_vm_memory_high_watermark", "0")
        try:
            wait_until(lambda: request(service.proxy.port, "GET", "/probe").status == 503, 15, "it says so")
            blocked = time.monotonic()
            time.sleep(3)
            assert not service.proxy.is_ready()
            cleared = time.monotonic()
        finally:
            cluster.ctl(0, "set_vm_memory_high_watermark", "0.4")
        wait_serving(service.proxy.port)
        served = time.monotonic()
        time.sleep(2)
    assert not load.problems, load.problems
    during = [answer for answer in load.answers if blocked <= answer[0] < cleared]
    assert during and {(status, later) for _, _, status, later in during} == {(503, "1")}
    assert all(status == 200 or (status, later) == (503, "1") for _, _, status, later in load.answers)
    for kind in ("get", "keyed", "plain"):
        assert set(load.statuses(kind, served)) == {200}, load.failures(kind)
    load.check_ledger(service.ledger)
    assert service.proxy.is_ready()


class Asker(threading.Thread):
    """One request on a connection of its own."""

    def __init__(self, port, method, path):
        super().__init__(daemon=True)
        self.port, self.method, self.path, self.answer = port, method, path, None
        self.start()

    def run(self):
        self.answer = request(self.port, self.method, self.path, body=b"abc" if self.method == "POST" else b"")

    def result(self):
        """Status, and whether the body is right."""
        self.join(40)
        assert self.answer, f"{self.path} hangs"
        body = b"abc" if self.method == "POST" else b""
        return self.answer.status, self.answer.body == expected(self.method, self.path, body)


def test_answers_what_a_killed_worker_had_in_hand(cluster, service):
    ledger = service.ledger
    askers = [Asker(service.proxy.port, method, f"/hold/{method}/{number}")
              for number in range(HOLDING) for method in ("GET", "POST")]
    wait_until(lambda: len(ledger.held) == len(askers), 15, lambda: f"all are in hand: {ledger.held}")
    held = dict(ledger.held)
    of = {name: {path.split("/")[2] for path in held if held[path] == name} for name in cluster.names}
    victim = next(name for name in cluster.names if of[name] == {"GET", "POST"})
    worker = service.workers[cluster.names.index(victim)]
    worker.kill()
    gets = [path for path in held if held[path] == victim and "/GET/" in path]
    wait_until(lambda: all(ledger.runs[path] == 2 for path in gets), 20, "another worker took the GETs")
    ledger.release.set()
    results = {asker.path: asker.result() for asker in askers}
    worker.start()
    for path, name in held.items():
        lost = name == victim and "/POST/" in path
        assert results[path] == ((502, False) if lost else (200, True)), path
        assert ledger.runs[path] == (2 if path in gets else 1), path


def test_recovers_by_itself_when_all_nodes_were_down(cluster, service):
    ledger = service.ledger
    ledger.release.clear()
    lost, repeated = (Asker(service.proxy.port, method, f"/hold/down/{method}") for method in ("POST", "GET"))
    wait_until(lambda: {lost.path, repeated.path} <= ledger.held.keys(), 15, "both are in hand")
    with Connection(service.proxy.port) as kept:
        for index in range(CLUSTER_NODES):
            cluster.kill(index)
        ledger.release.set()
        assert lost.result() == (502, False)
        for method in ("GET", "POST"):
            answer = kept.request(method, "/down", body=b"")
            assert (answer.status, answer.value("retry-after")) == (503, "1")
        assert not service.proxy.is_ready()
        cluster.command("start")
        wait_serving(service.proxy.port, timeout=40)
        service.wait_worker_on_each()
        with Load(service.proxy.port) as load:
            time.sleep(2)
        load.check(ledger)
        assert set(load.statuses("plain")) == {200}
        assert repeated.result() in ((200, True), (504, False))  # 504: the nodes took longer than its deadline.
        assert ledger.runs[lost.path] == 1
        assert kept.request("GET", "/up").body == expected("GET", "/up", b"")
