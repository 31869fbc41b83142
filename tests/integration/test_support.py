"""The tests' own tools: a test that believes in a tool that does not work proves nothing."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from support.backend import Response
from support.http_client import Connection, request
from support.ports import free_port
from support.processes import Program, Programs, run, samples
from support.relay import MODES
from support.waiting import always, wait_until


def test_the_back_end_records_and_echoes_any_method_and_any_bytes(backend):
    application = backend("one")
    body = bytes(range(256)) * 300
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "REPORT"):
        answer = request(application.port, method, "/a?b=c", [("X-Bytes", b"\xff\xfe")], body if method != "GET" else b"")
        echo = json.loads(answer.body)
        assert (answer.status, echo["method"], echo["path"]) == (200, method, "/a?b=c")
        assert ["X-Bytes", "\xff\xfe"] in echo["fields"] and echo["length"] == (len(body) if method != "GET" else 0)
    assert application.executions("/a?b=c") == 7
    assert request(application.port, "HEAD", "/").body == b""


def test_the_back_end_answers_as_told_and_reads_chunks(backend):
    application = backend("one", lambda asked: Response(207, [("Set-Cookie", "a"), ("Set-Cookie", "\xe9")], asked.body))
    with Connection(application.port) as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
        answer = connection.read()
        assert (answer.status, answer.body, answer.values("set-cookie")) == (207, b"abcde", [b"a", b"\xe9"])
        assert connection.request("GET", "/").status == 207


def test_a_closed_back_end_refuses_and_cuts(backend):
    application = backend("one")
    connection = Connection(application.port, timeout=5)
    connection.request("GET", "/")
    application.close()
    with pytest.raises(OSError):
        request(application.port, "GET", "/", timeout=5)
    assert connection.file.read(1) == b""


@pytest.mark.parametrize("mode", MODES)
def test_the_relay_misbehaves_as_asked(backend, relay, mode):
    application = backend("one", lambda _: Response(200, [], b'{"whole": "document"}'))
    between = relay(application.url, mode)

    def ask():
        return request(between.port, "GET", "/", timeout=2)
    if mode == "pass":
        assert ask().body == b'{"whole": "document"}'
    elif mode == "error500":
        assert ask().status == 500
    elif mode == "html":
        assert b"<html>" in ask().body
    elif mode == "half_json":
        assert ask().body == b'{"whole": "document"}'[:10]
    elif mode == "half":
        with pytest.raises(ConnectionError, match="10 of 21"):
            ask()
    elif mode == "nothing":
        with pytest.raises(socket.timeout):
            ask()
    else:
        with pytest.raises(ConnectionError):
            ask()


def test_a_change_of_mode_cuts_open_connections(backend, relay):
    between = relay(backend("one").url)
    with Connection(between.port, timeout=5) as connection:
        assert connection.request("GET", "/").status == 200
        between.mode = "nothing"
        assert connection.file.read(1) == b""
    between.mode = "pass"
    assert request(between.port, "GET", "/").status == 200
    assert between.connections == 2


def test_the_relay_ends_a_connection_on_one_side_alone(relay):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        between = relay(f"127.0.0.1:{listener.getsockname()[1]}")
        with socket.create_connection(("127.0.0.1", between.port), 5) as client:
            client.sendall(b"i am the one")
            server, _ = listener.accept()
            with server:
                assert server.recv(100) == b"i am the one"
                assert between.half_cut(b"another") == 0 and between.half_cut(b"the one") == 1
                assert server.recv(100) == b""
            client.sendall(b"is anybody there?")
            client.settimeout(0.3)
            with pytest.raises(socket.timeout):
                client.recv(100)


def test_waiting_ends_and_says_what_was_last_seen():
    with pytest.raises(AssertionError, match="not within 0.2 s: the moon; last: 0"):
        wait_until(lambda: 0, 0.2, "the moon")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        wait_until(lambda: 1 // 0, 0.2)
    with pytest.raises(AssertionError, match="stopped being true: peace"):
        always(lambda: False, 0.2, "peace")


def test_metrics_text_is_read():
    text = '# HELP a b\n# TYPE a counter\na_total{x="1",y="q\\"}, {\\\\"} 3\na_total 4.5\nb{le="+Inf"} 2\n'
    assert list(samples(text)) == [("a_total", {"x": "1", "y": 'q"}, {\\'}, 3.0), ("a_total", {}, 4.5), ("b", {"le": "+Inf"}, 2.0)]


def test_a_process_and_those_it_starts_take_ports_from_different_parts():
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from support.ports import free_port; "
            "print(*[free_port() for _ in range(80)])")
    folder = os.path.dirname(os.path.abspath(__file__))
    theirs = subprocess.check_output([sys.executable, "-B", "-c", code, folder], text=True, timeout=60).split()
    ours = [free_port() for _ in range(80)]
    assert len(theirs) == 80 and not set(ours) & set(map(int, theirs))
    assert max(ours) < min(map(int, theirs)) < min(ours) + 500, "both are of one slice"


def test_children_end_with_the_test_process(tmp_path):
    file = tmp_path / "pid"
    code = ("import subprocess, sys, time; sys.path.insert(0, sys.argv[2]); from support.processes import die_with_parent; "
            "child = subprocess.Popen(['sleep', '600'], preexec_fn=die_with_parent); "
            "open(sys.argv[1], 'w').write(str(child.pid)); time.sleep(600)")
    # pylint: disable-next=consider-using-with
    parent = subprocess.Popen([sys.executable, "-B", "-c", code, str(file), os.path.dirname(os.path.abspath(__file__))])
    pid = wait_until(lambda: file.exists() and file.read_text(), 20)
    parent.kill()
    parent.wait(10)
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("report", ["==7==ERROR: LeakSanitizer: detected memory leaks", "WARNING: ThreadSanitizer: data race (pid=7)",
                                    "x.cc:7:3: runtime error: signed integer overflow"])
def test_a_sanitizers_report_fails_the_test_though_it_comes_with_the_programs_end(tmp_path, report):
    programs = Programs(str(tmp_path))
    program = Program(["sh", "-c", f"trap 'echo \"{report}\"; exit 0' TERM; echo ready; while :; do sleep 0.05; done"],
                      str(tmp_path / "log"))
    programs.started.append(program)
    wait_until(lambda: "ready" in program.log(), 20)
    with pytest.raises(AssertionError, match=report.split(": ")[1]):
        programs.end()
    with pytest.raises(AssertionError, match=report.split(": ")[1]):
        run(["sh", "-c", f"echo '{report}' >&2"])
