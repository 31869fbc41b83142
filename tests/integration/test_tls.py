"""All programs over TLS: they work with the right authority; a wrong one, a host that the certificate does not name
and a port without TLS are refused with the reason, and nothing falls back to plain connections."""

import subprocess

import pytest
import requests

from support.amqp import publish_many
from support.http_client import Connection, wait_serving
from support.ports import free_port
from support.processes import binary, run
from support.waiting import always, wait_until

CLUSTER_NODES = 2
CLUSTER_TLS = True
STREAM = "shard.web"


class Tls:
    """Addresses of a cluster's TLS listeners, and certificates."""

    def __init__(self, cluster, folder):
        status = cluster.status()
        self.amqp = [entry["amqps"] for entry in status["nodes"]]
        self.management = [entry["management_tls"] for entry in status["nodes"]]
        self.plain_amqp, self.plain_management = cluster.amqp, cluster.management
        self.ca_file = status["tls_ca_file"]
        self.other_ca_file = str(folder / "other.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", str(folder / "other.key"), "-out", self.other_ca_file, "-subj", "/CN=other", "-days",
                        "2"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def tls(cluster, tmp_path_factory):
    """The cluster's TLS side."""
    return Tls(cluster, tmp_path_factory.mktemp("tls"))


def other_host(address):
    """The same address by a name that the certificate does not hold."""
    return address.replace("127.0.0.1", "127.1")


def each(option, values):
    """The option once for every value."""
    return [part for value in values for part in (option, value)]


def over_tls(name, tls, ca_file=None):  # pylint: disable=redefined-outer-name
    """Arguments that make a program use nothing but TLS."""
    aims = [] if name == "warrenctl" else each("--node", tls.amqp)
    if name != "warren-proxy":
        aims += each("--management", tls.management)
    return aims + ["--tls-ca-file", ca_file or tls.ca_file]


def connections(api):
    """Connection name -> whether it is TLS, of programs of ours."""
    found = api.get("connections?columns=client_properties.connection_name,ssl")
    return {entry["client_properties"]["connection_name"]: entry["ssl"] for entry in found
            if isinstance(entry.get("client_properties"), dict) and entry["client_properties"].get("connection_name")}


@pytest.fixture
def quiet(clean):
    """The cluster without a connection of anybody; gives the management API."""
    wait_until(lambda: not connections(clean), 30, lambda: f"no connection is left: {connections(clean)}")
    return clean


def test_all_programs_work_over_tls_alone(clean, programs, backend, tls):  # pylint: disable=redefined-outer-name
    clean.define_stream("web", {"shards-per-node": 1, "routing-key": "1"}, "^shard\\.")
    clean.declare_exchange(STREAM)
    programs.start("warren-coordinator", *over_tls("warren-coordinator", tls), "--interval", "1s", "--listen",
                   f"127.0.0.1:{free_port()}")
    clean.wait_shards(STREAM, 2)
    status = run([binary("warrenctl"), *over_tls("warrenctl", tls), "list_streams"])
    assert status.returncode == 0 and STREAM in status.stdout, status.stdout + status.stderr
    programs.start("warren-worker", "--stream", STREAM, "--upstream", backend("web").url, *over_tls("warren-worker", tls))
    port = free_port()
    programs.start("warren-proxy", "--exchange", STREAM, "--listen", f"127.0.0.1:{port}", "--no-consumers", "fail",
                   *each("--management", tls.management), *over_tls("warren-proxy", tls))
    wait_serving(port)
    connection = Connection(port)
    assert {connection.request("GET", f"/{number}").status for number in range(50)} == {200}
    connection.close()
    gateway = programs.start("warren-gateway", "--listen", f"127.0.0.1:{free_port()}", *over_tls("warren-gateway", tls))
    publish_many(gateway.command[2], STREAM, map(str, range(5)), b"x" * 1_000_000)
    wait_until(lambda: gateway.metric("warren_gateway_connection_closes_total", reason="closed") == 1, 20, "it is counted")
    seen = wait_until(lambda: (lambda all_of: all_of if len(all_of) >= 5 else None)(connections(clean)), 20,
                      lambda: f"the connections of all programs are listed: {connections(clean)}")
    assert all(seen.values()), f"every connection is TLS: {seen}"


@pytest.mark.parametrize("name", ["warren-proxy", "warren-worker"])
@pytest.mark.parametrize("trouble, words", [
    ("authority", ["certificate is refused", "--tls-ca-file"]),
    ("system", ["certificate is refused", "--tls-ca-file"]),
    ("host", ["certificate is refused", "name or address"]),
    ("plain port", ["TLS handshake failed", "TLS port"]),
    ("file", ["/not/there.pem", "cannot be read"]),
    ("no certificate", ["no TLS authorities", "other.key"]),
])
def test_a_connection_that_cannot_be_trusted_is_refused_and_said(programs, tls, quiet, name, trouble, words):  # pylint: disable=redefined-outer-name,too-many-arguments
    node, authority = tls.amqp[0], ["--tls-ca-file", tls.ca_file]
    if trouble == "authority":
        authority = ["--tls-ca-file", tls.other_ca_file]
    elif trouble == "system":
        authority = []
    elif trouble == "host":
        node = other_host(node)
    elif trouble == "plain port":
        node = f"amqps://{tls.plain_amqp[0]}"
    elif trouble == "file":
        authority = ["--tls-ca-file", "/not/there.pem"]
    else:
        authority = ["--tls-ca-file", tls.other_ca_file.replace(".pem", ".key")]
    own = ["--exchange", STREAM, "--listen", f"127.0.0.1:{free_port()}"] if name == "warren-proxy" else [
        "--stream", STREAM, "--upstream", "http://127.0.0.1:1", "--management", tls.management[0]]
    program = programs.start(name, *own, "--node", node, *authority, ready=False)
    wait_until(lambda: all(word in program.log() for word in words), 20, lambda: f"{words}:\n{program.log_tail()}")
    assert requests.get(f"{program.metrics}/readyz", timeout=5).status_code == 503
    assert not connections(quiet), "and no connection was made in another way"


@pytest.mark.parametrize("trouble, words", [
    ("authority", ["certificate is refused", "--tls-ca-file"]),
    ("host", ["certificate is refused", "host name"]),
    ("plain port", ["TLS handshake failed", "TLS port"]),
    ("file", ["/not/there.pem", "cannot be read"]),
])
def test_a_management_api_that_cannot_be_trusted_is_refused_and_said(tls, trouble, words):  # pylint: disable=redefined-outer-name
    url, authority = tls.management[0], tls.ca_file
    if trouble == "authority":
        authority = tls.other_ca_file
    elif trouble == "host":
        url = other_host(url)
    elif trouble == "plain port":
        url = tls.plain_management[0].replace("http:", "https:")
    else:
        authority = "/not/there.pem"
    # Authorities that the system trusts count for nothing beside --tls-ca-file.
    result = run([binary("warrenctl"), "--management", url, "--tls-ca-file", authority, "list_nodes"],
                 env={"SSL_CERT_FILE": tls.ca_file})
    assert result.returncode in (69, 78), result.stdout + result.stderr
    assert all(word in result.stderr for word in words), result.stderr


@pytest.mark.parametrize("what", ["amqp", "management"])
def test_the_coordinator_makes_no_shard_by_way_of_a_connection_it_cannot_trust(quiet, programs, tls, what):  # pylint: disable=redefined-outer-name
    quiet.define_stream("web", {"routing-key": "1"}, "^shard\\.")
    quiet.declare_exchange(STREAM)
    aims = over_tls("warren-coordinator", tls, tls.other_ca_file)
    if what == "amqp":  # It can observe, and has to refuse to apply.
        aims = each("--node", tls.amqp) + each("--management", tls.plain_management) + ["--tls-ca-file", tls.other_ca_file]
    program = programs.start("warren-coordinator", *aims, "--interval", "500ms", "--listen", f"127.0.0.1:{free_port()}",
                             ready=False)
    wait_until(lambda: program.log().count("certificate is refused") >= 1, 30, program.log_tail)
    always(lambda: not quiet.shards(STREAM) and not connections(quiet), 2, "nothing is declared, nobody is connected")
    assert program.running()
