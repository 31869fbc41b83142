"""warren-worker in front of applications that answer in every way, right and wrong, which HTTP allows
or forbids. The application is a bare socket; requests are published with pika."""

import time

import pytest

from raw_backend import CLOSE, OK, RawBackend, always
from support.management import ManagementApi
from support.waiting import wait_until
from worker_calls import STREAM, Caller, make_shards, shard, status

CLUSTER_NODES = 1
MAX_BODY = 1000
TIMEOUT_S = 4


class Served:
    """One worker with one scripted application behind it, for all tests here."""

    def __init__(self, cluster, programs):
        self.application = RawBackend()
        self.queue = shard(cluster.names[0])
        make_shards(ManagementApi(cluster.management[0]), cluster.names)
        self.worker = programs.worker(cluster, STREAM, self.application.url, "--max-body-bytes", MAX_BODY,
                                      "--upstream-timeout", f"{int(TIMEOUT_S * 1000)}ms")
        self.caller = Caller(cluster.amqp[0])

    def ask(self, script, *arguments, **options):
        """One request to an application with this script; (properties, body) of the response."""
        self.application.script = script
        self.application.requests.clear()
        return self.caller.ask(self.queue, *arguments, **options)


@pytest.fixture(scope="module", name="served")
def served_fixture(cluster, module_programs):
    """The worker and its application."""
    made = Served(cluster, module_programs)
    yield made
    made.caller.close()
    made.application.close()


def fields(response):
    """Its HTTP fields."""
    return response[0].headers.get("http", {})


def test_reads_chunks_with_extensions_and_keeps_trailers_out_of_the_fields(served):
    response = served.ask(always(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nX-Head: 1\r\n\r\n"
        b"4;name=value;quoted=\"a;b\"\r\nabcd\r\n1\r\ne\r\n0\r\nX-Sum: 5\r\nX-Head: 2\r\n\r\n"))
    assert (status(response), response[1]) == (200, b"abcde")
    assert fields(response) == {"x-head": ["1"]}


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_reads_a_body_that_ends_with_the_connection(served, version):
    response = served.ask(always(b"HTTP/" + version + b" 200 OK\r\nX-A: 1\r\n\r\nall of it", CLOSE))
    assert (status(response), response[1], fields(response)) == (200, b"all of it", {"x-a": ["1"]})


def test_passes_over_interim_responses(served):
    response = served.ask(always(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx"))
    assert (status(response), response[1], fields(response)) == (201, b"x", {})


def test_passes_the_length_of_what_head_and_304_leave_out(served):
    response = served.ask(always(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"), "HEAD")
    assert (status(response), response[1], fields(response)) == (200, b"", {"content-length": ["5000"]})
    response = served.ask(always(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 10\r\n\r\n'))
    assert (status(response), response[1]) == (304, b"")
    assert fields(response) == {"content-length": ["10"], "etag": ['"a"']}
    response = served.ask(always(b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"), "DELETE")
    assert (status(response), response[1], fields(response)) == (204, b"", {"x-a": ["1"]})


def test_keeps_connections_and_uses_them_again(served):
    served.ask(always(OK))
    before = served.application.connections
    for method in ("GET", "PUT", "DELETE", "POST"):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        assert status(served.ask(always(answer), method)) == 200
    assert served.application.connections == before


def test_uses_no_connection_again_on_which_more_came_than_the_response(served):
    assert status(served.ask(always(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))) == 200
    time.sleep(0.1)
    for _ in range(3):
        assert served.ask(always(OK))[1] == b"ok"


def test_takes_a_body_that_follows_an_answer_to_head_for_nobody_s_answer(served):
    def with_a_body(_request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n")
        time.sleep(0.05)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert status(served.ask(with_a_body, "HEAD")) == 200
    for _ in range(3):
        assert served.ask(always(OK))[1] == b"ok"


def test_passes_field_values_raw_and_in_order_both_ways(served):
    high = bytes(range(0x80, 0x100))
    response = served.ask(always(
        b"HTTP/1.1 200 OK\r\nX-Raw: " + high + b"\r\nX-Many: 1\r\nX-Other: a\tb\r\nx-many: 2\r\nX-Many:\r\n"
        b"Content-Length: 0\r\n\r\n"), "PATCH", fields={"x-raw": [high], "x-many": ["a", "", "b"], "x-e": ["\xe9"]})
    assert fields(response) == {"x-raw": [high], "x-many": ["1", "2", ""], "x-other": ["a\tb"]}
    request = served.application.requests[0]
    assert request.values("X-Raw") == [high]
    assert request.values("X-Many") == [b"a", b"", b"b"]
    assert request.values("X-E") == ["\xe9".encode()]


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BROKEN = {
    "head over the limit": HEAD + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n",
    "one field of 128,000 bytes": HEAD + b"X-A: " + b"a" * 128_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "one trailer of 128,000 bytes": CHUNKED + b"0\r\nX-A: " + b"a" * 128_000 + b"\r\n\r\n",
    "trailers without end": CHUNKED + b"0\r\n" + b"X-A: 1\r\n" * 20_000,
    "a chunk extension without end": CHUNKED + b"1;a=" + b"a" * 200_000,
    "name that no table key can be": HEAD + b"X-" + b"a" * 300 + b": 1\r\nContent-Length: 0\r\n\r\n",
    "length over the limit": HEAD + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001,
    "chunks over the limit": CHUNKED + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11 +
                             b"0\r\n\r\n",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "status that is no number": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "status above 599": b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n",
    "status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "protocol switched unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "interim responses without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length that is no number": HEAD + b"Content-Length: -1\r\n\r\n",
    "chunk size that is no number": CHUNKED + b"zz\r\n",
    "line without a colon": HEAD + b"what is this\r\n\r\n",
    "NUL in a value": HEAD + b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n",
}
CUT = {
    "before anything": b"",
    "in the status line": b"HTTP/1.1 20",
    "in the fields": HEAD + b"X-A: 1\r\n",
    "in the body": HEAD + b"Content-Length: 10\r\n\r\nabc",
    "in a chunk": CHUNKED + b"5\r\nab",
    "before the last chunk": CHUNKED + b"2\r\nab\r\n",
    "after more than the limit": HEAD + b"\r\n" + b"x" * 5000,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_answers_502_to_a_response_with(served, kind):
    started = time.monotonic()
    assert status(served.ask(always(BROKEN[kind]), "POST")) == 502
    assert time.monotonic() - started < TIMEOUT_S, "it waited for more of a response that was wrong already"
    assert len(served.application.requests) == 1
    assert served.ask(always(OK))[1] == b"ok"


@pytest.mark.parametrize("place", CUT)
def test_answers_502_when_the_connection_ends(served, place):
    assert status(served.ask(always(CUT[place], CLOSE), "POST")) == 502
    assert len(served.application.requests) == 1
    assert served.ask(always(OK))[1] == b"ok"


@pytest.mark.parametrize("begin", [b"", HEAD, HEAD + b"Content-Length: 10\r\n\r\nabc"])
def test_answers_504_when_the_application_stops_answering(served, begin):
    before = served.worker.metric("warren_worker_upstream_errors_total", reason="timeout")
    started = time.monotonic()
    assert status(served.ask(always(begin))) == 504
    assert TIMEOUT_S - 0.1 < time.monotonic() - started < TIMEOUT_S + 15
    wait_until(lambda: served.worker.metric("warren_worker_upstream_errors_total", reason="timeout") == before + 1, 20)
    assert served.ask(always(OK))[1] == b"ok"


def cuts_old_connections(served, first_bytes=b""):
    """A script: connections from before get these bytes and are closed, later ones are answered."""
    served.ask(always(OK))
    known = served.application.connections

    def script(request, connection):
        connection.sendall(first_bytes if request.connection <= known else OK)
        return CLOSE if request.connection <= known else None
    return script


@pytest.mark.parametrize("method, sent, expected, times", [
    ("GET", {}, 200, 2),
    ("PUT", {}, 200, 2),
    ("POST", {"idempotency-key": ["1"]}, 200, 2),
    ("POST", {}, 502, 1),
])
def test_a_kept_connection_that_ends_as_the_request_comes(served, method, sent, expected, times):
    """RFC 9110 9.2.2: what is not idempotent must not be sent again by an intermediary."""
    safe = {":retry-safe": expected == 200}
    response = served.ask(cuts_old_connections(served), method, "/again", fields=sent, headers=safe)
    assert status(response) == expected
    assert served.application.count("/again") == times


def test_asks_no_second_time_once_a_byte_of_the_response_came(served):
    assert status(served.ask(cuts_old_connections(served, b"HTTP"), "GET", "/again")) == 502
    assert served.application.count("/again") == 1


def test_notices_that_a_kept_connection_ended_before_it_sends(served):
    assert status(served.ask(always(OK, CLOSE))) == 200
    wait_until(lambda: served.worker.metric("warren_worker_upstream_connections") == 0, 20, "it noticed")
    assert status(served.ask(always(OK), "POST", "/new")) == 200
    assert served.application.count("/new") == 1
