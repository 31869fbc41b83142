"""What the coordinator shows and takes: REST API, metrics, --once with its exit codes; and a management API that fails."""

import contextlib
import socket
import subprocess
import threading
import time

import pytest
import requests

from support import amqp
from support.management import part
from support.ports import free_port
from support.status import DEFINITION, EXCHANGE, HTTP, assert_six, expected_shards, get, once
from support.waiting import wait_until

CLUSTER_STATISTICS_MS = 1000


def test_once_says_what_it_did(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    first = once(programs, cluster)
    assert first.returncode == 0, first.stderr
    assert "12 actions done" in first.stdout and f"{EXCHANGE}: ready, 6 shards" in first.stdout
    assert_six(cluster, clean)
    second = once(programs, cluster)
    assert second.returncode == 0 and "0 actions done" in second.stdout
    clean.set_global("stream-definition.broken", {"shards-per-node": 0})
    assert once(programs, cluster).returncode == 3


def test_once_waits_for_drains_that_need_another_look_and_tells_of_those_that_need_people(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    assert once(programs, cluster).returncode == 0
    held = f"stream: {EXCHANGE} - {cluster.names[1]} - 1"
    amqp.publish_many(cluster.amqp[0], "", [held])
    clean.define_stream("my_stream", DEFINITION | {"shards-per-node": 1}, r"^shard\.")
    waiting = once(programs, cluster, "--statistics-interval", "1s")
    assert waiting.returncode == 3 and "1 shards still drain" in waiting.stdout, waiting
    assert clean.shards(EXCHANGE).keys() == expected_shards(cluster, count=1).keys() | {held}
    with amqp.connect(cluster.amqp[0]) as connection:
        method, _, _ = connection.channel().basic_get(held, auto_ack=True)
        assert method
    done = once(programs, cluster, "--statistics-interval", "1s")
    assert done.returncode == 0 and "1 actions done" in done.stdout, done
    clean.wait_shards(EXCHANGE, 3)


def test_exit_codes_when_nothing_can_be_observed(cluster, clean, programs, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    wrong = once(programs, cluster, "--password-file", secret)
    assert wrong.returncode == 78 and "password" in wrong.stderr, wrong
    closed = programs.run("warren-coordinator", "--once", "--management", f"http://127.0.0.1:{free_port()}")
    assert closed.returncode == 69 and "127.0.0.1" in closed.stderr, closed
    assert once(programs, cluster, "--intervall", "5s").returncode == 64
    assert once(programs, cluster, "--password", "x").returncode == 64
    assert once(programs, cluster, env={"WARREN_INTERVALL": "5s"}).returncode == 78
    assert once(programs, cluster, env={"WARREN_PASSWORD": "guest"}).returncode == 0
    assert clean.nodes()


@pytest.mark.parametrize("mode", ["error500", "html", "half", "half_json", "nothing", "cut"])
def test_an_api_that_misbehaves_is_survived(cluster, clean, programs, relay, mode):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    between = relay(cluster.management[0])
    port = free_port()
    program = programs.start("warren-coordinator", "--management", between.url, "--interval", "500ms", "--listen",
                             f"127.0.0.1:{port}")
    program.api = f"http://127.0.0.1:{port}/api/v1"
    between.mode = mode
    wait_until(lambda: get(program, "streams")["observation"]["error"], 30)
    wait_until(lambda: not program.is_ready(), 30)
    assert program.metric("warren_observation_failing") == 1
    if mode == "nothing":
        started = time.monotonic()
        assert program.terminate(20) == 0
        assert time.monotonic() - started < 9
        return
    between.mode = "pass"
    clean.declare_exchange(EXCHANGE)
    assert_six(cluster, clean)
    wait_until(program.is_ready, 20)
    wait_until(lambda: get(program, "streams")["observation"]["error"] is None, 20)


def test_the_rest_api_refuses_strangers_and_survives_rubbish(cluster, clean, programs):
    assert clean.nodes()
    program = programs.coordinator(cluster)
    base = program.api.removesuffix("/api/v1")
    assert {entry["name"] for entry in get(program, "nodes")["nodes"]} == set(cluster.names)
    answer = HTTP.delete(f"{program.api}/streams", timeout=5)
    assert answer.status_code == 405 and answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["Content-Type"] == "application/problem+json"
    for method in ("PUT", "PATCH", "TRACE", "BREW"):
        assert HTTP.request(method, f"{program.api}/nodes", timeout=5).status_code == 405, method
    assert HTTP.post(f"{program.api}/reconcile", timeout=5).status_code == 202
    assert HTTP.get(f"{program.api}/streams/%2F/nothing%20here", timeout=5).status_code == 404
    assert HTTP.get(f"{base}/healthz", timeout=5).status_code == 200
    address = base.removeprefix("http://").split(":")
    for rubbish in (b"GET /api/v1/streams/%zz/%2 HTTP/1.1\r\n\r\n", b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 4096,
                    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET \xff\xfe HTTP/1.1\r\n\r\n", b"\r\n\r\n",
                    b"GET //../../%00 HTTP/9.9\r\nContent-Length: -1\r\n\r\n",
                    b"POST /api/v1/reconcile HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with socket.create_connection((address[0], int(address[1])), 5) as connection:
            connection.settimeout(2)
            try:  # It may close before it has read all of it.
                connection.sendall(rubbish)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass
        assert program.running(), rubbish
    assert get(program, "nodes")["nodes"]
    elsewhere = programs.run("warren-coordinator", "--listen", "0.0.0.0:15999", "--metrics-listen", "127.0.0.1:0")
    assert elsewhere.returncode == 78 and "loopback" in elsewhere.stderr


def test_pages_of_other_origins_and_names_get_nothing(cluster, clean, programs):
    assert clean.nodes()
    program = programs.coordinator(cluster)
    drain = f"{program.api}/nodes/{part(cluster.names[0])}/drain"
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Host": "localhost.evil.example:80"},
                    {"Host": "127.0.0.1.evil.example"}, {"Origin": "null"}):
        assert HTTP.post(drain, headers=headers, timeout=10).status_code == 403, headers
        assert HTTP.get(f"{program.api}/nodes", headers=headers, timeout=10).status_code == 403, headers
    address = program.api.removeprefix("http://").removesuffix("/api/v1")
    for headers in ({"Origin": f"http://{address}"}, {"Host": f"localhost:{address.split(':')[1]}"}):
        assert HTTP.get(f"{program.api}/nodes", headers=headers, timeout=10).status_code == 200, headers
    assert not clean.get("global-parameters") or all("stream-node" not in entry["name"]
                                                     for entry in clean.get("global-parameters"))


def test_it_ends_in_time_while_a_drain_waits_for_a_broker_that_does_not_answer(cluster, clean, programs, relay):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    between = relay(cluster.management[0])
    port = free_port()
    program = programs.start("warren-coordinator", "--management", between.url, "--interval", "1h", "--listen",
                             f"127.0.0.1:{port}")
    program.api = f"http://127.0.0.1:{port}/api/v1"
    wait_until(lambda: get(program, "nodes")["nodes"], 20)
    between.mode = "nothing"
    drain = f"{program.api}/nodes/{part(cluster.names[0])}/drain"

    def post():
        with contextlib.suppress(requests.RequestException):
            HTTP.post(drain, timeout=20)
    asking = threading.Thread(target=post)
    before = between.connections
    asking.start()
    wait_until(lambda: between.connections > before, 20)
    assert program.terminate(20) == 0
    asking.join(25)


def test_a_node_is_drained_and_filled_again_through_the_rest_api(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster, "--statistics-interval", "1s")
    assert_six(cluster, clean)
    drain = f"{program.api}/nodes/{part(cluster.names[2])}/drain"
    answer = HTTP.post(drain, timeout=10)
    assert answer.status_code == 200 and answer.json() == {"node": cluster.names[2], "drain": True}
    shards = clean.wait_shards(EXCHANGE, 4)
    assert {queue["node"] for queue in shards.values()} == set(cluster.names[:2])
    drained = {entry["name"]: entry["drained"] for entry in get(program, "nodes")["nodes"]}
    assert drained == {name: name == cluster.names[2] for name in cluster.names}
    assert HTTP.delete(drain, timeout=10).status_code == 200
    assert_six(cluster, clean)
    assert HTTP.delete(drain, timeout=10).status_code == 200
    unknown = HTTP.post(f"{program.api}/nodes/rabbit%40nowhere/drain", timeout=10)
    assert unknown.status_code == 404 and unknown.headers["Content-Type"] == "application/problem+json"
    assert HTTP.get(drain, timeout=10).headers["Allow"] == "POST, DELETE, OPTIONS"
    def kinds():
        return [event["kind"] for event in get(program, "events")["events"]]
    wait_until(lambda: kinds().index("node-drained") < kinds().index("node-undrained"), 20, kinds)


def test_metrics_pass_promtool_and_vanish_with_their_stream(cluster, clean, programs):
    clean.define_stream("my_stream", DEFINITION, r"^shard\.")
    clean.declare_exchange(EXCHANGE)
    program = programs.coordinator(cluster)
    clean.wait_shards(EXCHANGE, 6)
    amqp.publish_many(cluster.amqp[0], EXCHANGE, [f"k{number}" for number in range(60)])
    wait_until(lambda: program.metric("warren_shard_messages_ready", exchange=EXCHANGE) == 60, 20)

    def has_rate():
        amqp.publish_many(cluster.amqp[0], EXCHANGE, ["k"])
        return program.metric("warren_shard_publish_messages_per_second", exchange=EXCHANGE) > 0
    wait_until(has_rate, 30, "the rate of messages published shows")
    assert program.metric("warren_node_up") == 3
    assert program.metric("warren_shards", exchange=EXCHANGE, state="active") == 6
    assert program.metric("warren_actions_total", kind="bind-shard", outcome="done") == 6
    assert program.metric("warren_amqp_connections") >= 3
    check = subprocess.run(["promtool", "check", "metrics"], input=program.metrics_text(), text=True, capture_output=True,
                           check=False)
    assert check.returncode == 0, check.stdout + check.stderr
    clean.clear_global("stream-policy.%2F.my_stream")
    wait_until(lambda: program.metric("warren_shards", exchange=EXCHANGE, state="orphaned") == 6, 20)
    assert program.metric("warren_streams", state="orphaned") == 1
    clean.delete_exchange(EXCHANGE)
    for name in clean.shards(EXCHANGE):
        clean.delete(f"queues/%2F/{part(name)}")
    wait_until(lambda: EXCHANGE not in program.metrics_text(), 20)
    assert HTTP.get(f"{program.metrics}/nothing", timeout=5).status_code == 404
    assert HTTP.post(f"{program.metrics}/metrics", timeout=5).status_code == 405
