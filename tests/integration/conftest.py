"""Fixtures of the integration tests: a cluster of real brokers, our programs, back ends, relays.

A test module says how large its cluster is and what it needs:

    CLUSTER_NODES = 3             (default)
    CLUSTER_PLUGINS = ["rabbitmq_sharding"]
    CLUSTER_STATISTICS_MS = 1000  (default 5000: the broker's own)
    CLUSTER_TLS = True            (TLS listeners as well)

Every wait has an end, and everything that is started is ended, also when a test fails or is killed.
"""

import pytest

from support import ports, waiting
from support.backend import Backend
from support.cluster import Cluster
from support.management import ManagementApi
from support.processes import Programs
from support.relay import Relay
from support.statistics import wait_statistics


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Lets fixtures know, while they are torn down, whether their test failed."""
    outcome = yield
    if outcome.get_result().failed and call.when in ("setup", "call"):
        item.warren_failed = True
        module = item.getparent(pytest.Module)
        if module is not None:
            module.warren_failed = True


def _cluster(request):
    module = request.module
    made = Cluster(getattr(module, "CLUSTER_NODES", 3), getattr(module, "CLUSTER_PLUGINS", ()),
                   getattr(module, "CLUSTER_STATISTICS_MS", 5000), getattr(module, "CLUSTER_SETTINGS", ()),
                   getattr(module, "CLUSTER_TLS", False))
    try:
        if hasattr(module, "CLUSTER_STATISTICS_MS"):
            wait_statistics(made)
    except BaseException:
        made.stop()
        raise
    yield made
    if getattr(request.node, "warren_failed", False):
        print(made.log_tails())
    made.stop()


@pytest.fixture(scope="module")
def cluster(request):
    """One cluster for all tests of the module."""
    yield from _cluster(request)


@pytest.fixture
def fresh_cluster(request):
    """A cluster for one test alone, for tests that change its membership."""
    yield from _cluster(request)


@pytest.fixture
def management(cluster):  # pylint: disable=redefined-outer-name
    """The management API of the module's first node."""
    return ManagementApi(cluster.management[0])


@pytest.fixture
def clean(cluster):  # pylint: disable=redefined-outer-name
    """The module's cluster as new: every node up, nothing declared. Returns the management API."""
    cluster.start_stopped_nodes()
    api = ManagementApi(cluster.management[0])
    api.clean()
    return api


def _programs(request, folder):
    made = Programs(str(folder))
    yield made
    made.end()
    if getattr(request.node, "warren_failed", False):
        print(made.tails())


@pytest.fixture
def programs(request, tmp_path):
    """Starts programs of ours; all of them end with the test."""
    yield from _programs(request, tmp_path)


@pytest.fixture
def ctl(cluster, clean, programs):  # pylint: disable=redefined-outer-name,unused-argument
    """ctl(*arguments) runs warrenctl on the clean cluster; see Programs.ctl."""
    def run(*arguments, **options):
        return programs.ctl(cluster, *arguments, **options)
    return run


@pytest.fixture(scope="module")
def module_programs(request, tmp_path_factory):
    """Starts programs of ours that serve all tests of the module."""
    yield from _programs(request, tmp_path_factory.mktemp("programs"))


def _closing(factory):
    made = []

    def make(*arguments, **options):
        made.append(factory(*arguments, **options))
        return made[-1]
    yield make
    for thing in made:
        thing.close()


@pytest.fixture
def backend():
    """backend(name, respond) starts an HTTP back end; see support/backend.py."""
    yield from _closing(Backend)


@pytest.fixture(scope="module")
def module_backend():
    """As backend, for all tests of the module."""
    yield from _closing(Backend)


@pytest.fixture
def relay():
    """relay(target, mode) starts a relay in front of HOST:PORT; see support/relay.py."""
    yield from _closing(Relay)


@pytest.fixture
def free_port():
    """free_port() gives a free port."""
    return ports.free_port


@pytest.fixture
def wait_until():
    """wait_until(predicate, timeout, message); also `from support.waiting import wait_until`."""
    return waiting.wait_until
