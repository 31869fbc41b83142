"""Worker, proxy, coordinator and exchange may come in any order: all of them converge and serve."""

import itertools

import pytest
import requests

from support.http_client import request, wait_serving
from support.processes import HTTP
from support.waiting import wait_until

CLUSTER_NODES = 3
PARTS = ("worker", "proxy", "coordinator", "exchange")
REQUESTS = 12


def alive(program):
    """Waits until the program's process answers; it need not be ready."""
    def healthy():
        assert program.running(), program.log_tail()
        try:
            return HTTP.get(f"{program.metrics}/healthz", timeout=5).status_code == 200
        except requests.RequestException:
            return False
    wait_until(healthy, 20, lambda: f"{program.name} answers on /healthz:\n{program.log_tail()}")
    return program


@pytest.mark.parametrize("order", itertools.permutations(PARTS), ids="-".join)
def test_started_in_this_order_they_serve(cluster, clean, programs, backend, order):
    clean.define_stream("web", {"shards-per-node": 1, "routing-key": "1"}, "^shard\\.")
    exchange = "shard." + "-".join(part[0] for part in order)
    application = backend("application")
    started = {}
    for part in order:
        if part == "exchange":
            clean.declare_exchange(exchange)
        elif part == "coordinator":
            started[part] = alive(programs.coordinator(cluster, ready=False))
        elif part == "proxy":
            started[part] = alive(programs.proxy(cluster, exchange, ready=False))
        else:
            started[part] = alive(programs.worker(cluster, exchange, application.url, ready=False))
    for program in started.values():
        program.wait_ready(40)
    port = started["proxy"].port
    wait_serving(port, "/", 40)
    for number in range(REQUESTS):
        assert request(port, "GET", f"/after/{number}").status == 200
        assert application.executions(f"/after/{number}") == 1
