"""A partition of the brokers' network (pause_minority) and its healing, under load through two proxies, one of them
connected to the node that is cut off: requests in flight may answer 504, nothing else goes wrong, and everything
recovers by itself.

Needs root for network namespaces; skipped where they cannot be made.
"""

import time

import pytest

from ledger import check
from load import Load
from namespaces import NET_TICKTIME_S, NamespaceCluster, available
from service import EXCHANGE, SECONDS, Service, rotated
from support.http_client import wait_serving
from support.ports import free_port
from support.waiting import wait_until

MINORITY = 2


@pytest.fixture(name="service")
def _service(programs, tmp_path):
    if not available():
        pytest.skip("needs root and the right to make network namespaces")
    cluster = NamespaceCluster()
    made = None
    try:
        made = Service(cluster, programs, tmp_path)
        yield made
    finally:
        programs.end()
        if made:
            made.close()
        cluster.close()


def proxy_of_the_minority(service):
    """A second proxy; its first node is the one that will be cut off."""
    port = free_port()
    proxy = service.programs.start("warren-proxy", "--exchange", EXCHANGE, "--listen", f"127.0.0.1:{port}",
                                   *rotated(service.cluster.amqp, MINORITY))
    proxy.port = port
    wait_serving(port)
    return proxy


def test_a_node_is_cut_off_and_comes_back(service):
    service.wait_steady()
    second = proxy_of_the_minority(service)
    cluster = service.cluster
    with Load([service.proxy.port, second.port]) as load:
        time.sleep(2)
        cluster.isolate(MINORITY)
        wait_until(lambda: "Cluster minority/secondary status detected" in cluster.log(MINORITY), 4 * NET_TICKTIME_S,
                   cluster.log_tails)
        time.sleep(SECONDS / 2)
        cluster.heal(MINORITY)
        service.wait_steady(120)
    check(load, service.applications, plain=(200, 502, 504), others=(200, 504))
    assert len(service.api.nodes()) == 3 and all(service.api.nodes().values())

    second.wait_ready()
    with Load([service.proxy.port, second.port]) as load:
        time.sleep(3)
    check(load, service.applications, plain=(200,), at_least=50)
