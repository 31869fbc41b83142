"""What the gateway's own user needs, and what becomes of clients where it may less: docs/gateway.md, "Security"."""

import pytest

from gateway_stand import EXCHANGE, Reader, define, publish, wait_stream
from support import amqp
from support.management import ManagementApi
from support.waiting import wait_until

CLUSTER_NODES = 1
CLUSTER_STATISTICS_MS = 1000
PASSWORD = "of the gateway"


@pytest.fixture(name="api", scope="module")
def _api(cluster):
    return ManagementApi(cluster.management[0])


@pytest.fixture(name="shards", scope="module")
def _shards(api, cluster, module_programs):
    module_programs.coordinator(cluster)
    return define(api, 1)


@pytest.fixture(name="gateway_as")
def _gateway_as(cluster, programs, api, tmp_path):
    """gateway_as(tag, permissions): a gateway whose own user is that, once it is ready."""
    def start(tag, **permissions):
        api.put("users/narrow", {"password": PASSWORD, "tags": tag})
        api.put("permissions/%2F/narrow", {"configure": "^$", "write": "^$", "read": "^$"} | permissions)
        file = tmp_path / "password"
        file.write_text(PASSWORD)
        file.chmod(0o600)
        gateway = programs.gateway(cluster, "--user", "narrow", "--password-file", str(file), "--refresh", "500ms",
                                   "--log-level", "debug")
        gateway.wait_ready()
        return gateway
    yield start
    api.delete("users/narrow")


def consume_all(gateway, cluster, prefix, source):
    """Sixty messages come to one client, and the gateway knows from `source` what that is to consume."""
    wait_stream(gateway.address, EXCHANGE)
    with amqp.connect(gateway.address) as connection:
        reader = Reader(connection.channel(), EXCHANGE)
        published = publish(cluster.amqp[0], EXCHANGE, 60, prefix)
        wait_until(lambda: reader.pump() or published <= set(reader.ids), 60, lambda: f"{len(reader.ids)} messages came")
        wait_until(lambda: gateway.metric("warren_gateway_assignment_source", source=source) == 1, 20, gateway.log_tail)


def test_the_permissions_that_the_page_names_are_enough(shards, cluster, gateway_as):
    assert shards
    own = r"^(amq\.gen.*|warren\.control)$"
    gateway = gateway_as("management", configure=own, write=own, read=r"^(amq\.gen.*|warren\.control|amq\.rabbitmq\.event)$")
    consume_all(gateway, cluster, "named", "coordinator")
    assert "ACCESS_REFUSED" not in gateway.log()
    assert PASSWORD not in gateway.log()


def test_a_user_that_may_nothing_still_lets_clients_consume_what_nobody_else_does(shards, cluster, gateway_as):
    assert shards
    gateway = gateway_as("management")
    consume_all(gateway, cluster, "nothing", "own")
    wait_until(lambda: "amq.gen" in gateway.log(), 20, "it says what it lacks")
