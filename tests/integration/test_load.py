"""Bounded load while workers die: 64 connections for 20 s through the proxy, a three-node cluster and
three workers, one of which is killed (kill -9) every 3 s and started again. Every GET gets its own
answer with a 2xx, and none hangs.
"""

import os
import sys
import threading
import time

from support.http_client import Connection, wait_serving
from support.ports import REPOSITORY, free_port
from support.processes import Program

CLUSTER_NODES = 3
CONNECTIONS = 64
DURATION_S = 20
KILL_EVERY_S = 3
SLOWEST_S = 25  # Below the proxy's timeout of 30 s: an answer, not a 504, and never silence.
LEAST_ANSWERS = 1000


class Client(threading.Thread):
    """One connection that asks again and again for paths nobody else asks for."""

    def __init__(self, port, number, end):
        super().__init__(daemon=True)
        self.port, self.number, self.end = port, number, end
        self.latencies, self.problems = [], []

    def run(self):
        connection = None
        count = 0
        while time.monotonic() < self.end and len(self.problems) < 5:
            path = f"/{self.number}/{count}"
            count += 1
            started = time.monotonic()
            try:
                connection = connection or Connection(self.port, timeout=40)
                answer = connection.request("GET", path)
                if answer.status != 200:
                    self.problems.append(f"{path}: {answer.status} {answer.body[:200]!r}")
                elif not answer.body.endswith(f"GET {path}\n".encode()):
                    self.problems.append(f"{path} got somebody else's answer: {answer.body[:200]!r}")
                if answer.value("connection") == "close":
                    connection.close()
                    connection = None
            except (OSError, ValueError) as error:
                self.problems.append(f"{path}: {error!r} after {time.monotonic() - started:.1f} s")
                connection = None
            self.latencies.append(time.monotonic() - started)


def applications(folder, count):
    """Back ends in processes of their own, so that they do not share the clients' interpreter."""
    script = os.path.join(REPOSITORY, "deploy", "quickstart", "backend.py")
    ports = [free_port() for _ in range(count)]
    return [(Program([sys.executable, "-B", script, f"application {port}", str(port)],
                     os.path.join(folder, f"application-{port}.log")), f"http://127.0.0.1:{port}") for port in ports]


def test_gets_are_all_answered_while_workers_are_killed(cluster, clean, programs, tmp_path):
    clean.define_stream("web", {"shards-per-node": 2, "routing-key": "1"}, "^shard\\.")
    clean.declare_exchange("shard.web")
    programs.coordinator(cluster)
    clean.wait_shards("shard.web", 6)
    behind = applications(str(tmp_path), 3)
    programs.started += [application for application, _ in behind]
    workers = [programs.worker(cluster, "shard.web", url, node=index) for index, (_, url) in enumerate(behind)]
    proxy = programs.proxy(cluster, "shard.web")
    wait_serving(proxy.port)

    begin = time.monotonic()
    clients = [Client(proxy.port, number, begin + DURATION_S) for number in range(CONNECTIONS)]
    for client in clients:
        client.start()
    kills = 0
    while time.monotonic() < begin + DURATION_S - KILL_EVERY_S:
        time.sleep(KILL_EVERY_S)
        victim = workers[kills % len(workers)]
        victim.kill()
        victim.start()
        kills += 1
    for client in clients:
        client.join(max(0.1, begin + DURATION_S + 45 - time.monotonic()))

    hanging = [client.number for client in clients if client.is_alive()]
    problems = [problem for client in clients for problem in client.problems]
    latencies = sorted(latency for client in clients for latency in client.latencies)
    summary = (f"{len(latencies)} requests, {kills} kills, median {latencies[len(latencies) // 2] * 1000:.1f} ms, "
               f"99 % {latencies[len(latencies) * 99 // 100] * 1000:.1f} ms, slowest {latencies[-1]:.2f} s")
    print(summary)
    assert not hanging, f"connections {hanging} hang; {summary}"
    assert not problems, f"{len(problems)} problems; {summary}\n" + "\n".join(problems[:20])
    assert kills >= 5 and len(latencies) >= LEAST_ANSWERS, summary
    assert latencies[-1] < SLOWEST_S, summary
