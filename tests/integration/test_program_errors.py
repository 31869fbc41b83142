"""What the proxy and the worker say when they cannot get at the broker: the thing, the place, the remedy."""

import socket

import pytest
import requests

from support.ports import free_port
from support.waiting import wait_until

CLUSTER_NODES = 1
EXCHANGE = "shard.web"


def arguments(program, node, management):
    if program == "warren-proxy":
        return ["--exchange", EXCHANGE, "--listen", f"127.0.0.1:{free_port()}", "--node", node]
    return ["--stream", EXCHANGE, "--upstream", "http://127.0.0.1:1", "--node", node, "--management", management]


def reason(program):
    """The body of /readyz while the program is not ready."""
    try:
        answer = requests.get(f"{program.metrics}/readyz", timeout=5)
    except requests.RequestException:
        return ""
    assert answer.status_code == 503, answer.text
    return answer.text


@pytest.mark.parametrize("name", ["warren-proxy", "warren-worker"])
@pytest.mark.parametrize("trouble, words", [
    ("password", ["ACCESS_REFUSED", "--password-file"]),
    ("vhost", ["not-there", "--vhost"]),
    ("node", ["127.0.0.1:1", "Connection refused"]),
    ("http", ["AMQP port"]),
    ("silence", ["handshake timeout"]),
])
def test_not_ready_says_why_and_lives(cluster, programs, name, trouble, words):
    node, extra, environment = cluster.amqp[0], [], None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if trouble == "password":
            environment = {"WARREN_PASSWORD": "wr0ng-secret"}
        elif trouble == "vhost":
            extra = ["--vhost", "not-there"]
        elif trouble == "node":
            node = "127.0.0.1:1"
        elif trouble == "http":
            node = cluster.management[0].removeprefix("http://")
        else:
            node = f"127.0.0.1:{silent.getsockname()[1]}"
        program = programs.start(name, *arguments(name, node, cluster.management[0]), *extra, ready=False,
                                 env=environment)
        wait_until(lambda: all(word in reason(program) for word in words), 25,
                   lambda: f"{words}: {reason(program)}\n{program.log_tail()}")
        assert "wr0ng-secret" not in program.log() + reason(program)
        assert program.running()
        assert program.terminate(15) == 0


@pytest.mark.parametrize("name, given, words", [
    ("warren-proxy", ["--exchange", "x", "--node", "amqp://guest:hush@h:1"], ["HOST:PORT"]),
    ("warren-proxy", ["--exchange", "x", "--max-body-bytes", "1GiB"], ["--max-body-bytes", "67108864"]),
    ("warren-proxy", ["--exchange", "x", "--timeout", "0"], ["--timeout"]),
    ("warren-proxy", ["--exchnage", "x"], ["--exchange"]),
    ("warren-worker", ["--stream", "x"], ["--upstream"]),
    ("warren-worker", ["--stream", "x", "--upstream", "ftp://h"], ["--upstream", "http://"]),
])
def test_wrong_options_name_the_option_and_what_is_right(programs, name, given, words):
    program = programs.start(name, *given, ready=False)
    assert program.wait(10) == 64
    assert all(word in program.log() for word in words), program.log()
    assert "hush" not in program.log()
