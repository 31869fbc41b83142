"""Fixtures: those of the integration tests, and the stand that all cases share."""

import importlib.util
import os
import sys

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
INTEGRATION = os.path.join(HERE, "..", "integration")
sys.path[:0] = [HERE, INTEGRATION]


def _fixtures():
    found = importlib.util.spec_from_file_location("integration_fixtures", os.path.join(INTEGRATION, "conftest.py"))
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


FIXTURES = _fixtures()
cluster, module_programs = FIXTURES.cluster, FIXTURES.module_programs
pytest_runtest_makereport = FIXTURES.pytest_runtest_makereport


@pytest.fixture(scope="module")
def stand(cluster, module_programs):  # pylint: disable=redefined-outer-name
    """Proxy, broker, worker, back end, once for all cases."""
    from stand import Warren  # pylint: disable=import-outside-toplevel
    made = Warren(module_programs, cluster)
    yield made
    made.close()
