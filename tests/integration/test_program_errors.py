"""What the proxy, the worker and the gateway say when they cannot get at the broker: the thing, the place, the remedy."""

import socket

import pytest
import requests

from support.ports import free_port
from support.waiting import wait_until

CLUSTER_NODES = 1
EXCHANGE = "shard.web"


def arguments(program, node, management):
    if program == "warren-gateway":
        return ["--listen", f"127.0.0.1:{free_port()}", "--node", node, "--management", management]
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


@pytest.mark.parametrize("name", ["warren-proxy", "warren-worker", "warren-gateway"])
@pytest.mark.parametrize("trouble, words", [
    ("password", ["--user", "--password-file"]),
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
        assert program.terminate(60) == 0


@pytest.mark.parametrize("name, given, words", [
    ("warren-proxy", ["--exchange", "x", "--node", "amqp://guest:hush@h:1"], ["HOST:PORT"]),
    ("warren-proxy", ["--exchange", "x", "--max-body-bytes", "1GiB"], ["--max-body-bytes", "67108864"]),
    ("warren-proxy", ["--exchange", "x", "--timeout", "0"], ["--timeout"]),
    ("warren-proxy", ["--exchnage", "x"], ["--exchange"]),
    ("warren-worker", ["--stream", "x"], ["--upstream"]),
    ("warren-gateway", ["--consmue", "one"], ["--consume"]),
    ("warren-gateway", ["--consume", "some"], ["--consume", "all", "one"]),
    ("warren-gateway", ["--max-connection-memory", "1KiB"], ["--max-connection-memory", "65536"]),
    ("warren-gateway", ["--max-channels", "70000"], ["--max-channels", "65535"]),
    ("warren-worker", ["--stream", "x", "--upstream", "ftp://h"], ["--upstream", "http://"]),
])
def test_wrong_options_name_the_option_and_what_is_right(programs, name, given, words):
    program = programs.start(name, *given, ready=False)
    assert program.wait(60) == 64
    assert all(word in program.log() for word in words), program.log()
    assert "hush" not in program.log()


@pytest.mark.parametrize("name", ["warren-proxy", "warren-gateway"])
def test_a_management_api_that_never_answers_holds_up_no_end(cluster, programs, name):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        more = ["--no-consumers", "fail", "--management", url] if name == "warren-proxy" else []
        program = programs.start(name, *arguments(name, cluster.amqp[0], url), *more, *["--management", url] * 30,
                                 ready=False)
        silent.settimeout(30)
        with silent.accept()[0]:  # It waits for the answer of the first of many.
            assert program.terminate(30) == 0, program.log_tail()
