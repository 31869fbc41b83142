"""warren-worker's connections to its applications: how many, how long kept, and which address is asked when one is
away or gives nothing. The applications are bare sockets; requests are published with pika."""

import threading
import time

import pytest

from raw_backend import CLOSE, EARLY_S, OK, RawBackend, always
from support.management import ManagementApi
from support.waiting import wait_until
from worker_calls import STREAM, Caller, holders, make_shards, shard, status

CLUSTER_NODES = 1
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(scope="module", name="queue")
def queue_fixture(cluster):
    """The one shard."""
    make_shards(ManagementApi(cluster.management[0]), cluster.names)
    return shard(cluster.names[0])


@pytest.fixture(name="caller")
def caller_fixture(cluster):
    """A caller."""
    made = Caller(cluster.amqp[0])
    yield made
    made.close()


@pytest.fixture(name="application")
def application_fixture():
    """application(script, port=0) starts a scripted application."""
    made = []

    def make(script=always(OK), **options):
        made.append(RawBackend(script, **options))
        return made[-1]
    yield make
    for each in made:
        each.close()


def wait_fit(worker, *applications):
    """Waits until the worker has found each fit to be asked."""
    for each in applications:
        wait_until(lambda address=each.url.removeprefix("http://"):
                   worker.metric("warren_worker_upstream_healthy", upstream=address) == 1, 20, f"{each.url} is healthy")


def statuses(caller, tokens):
    """What each was answered."""
    caller.wait(tokens)
    return [status(caller.responses[token][0]) for token in tokens]


def test_uses_one_connection_for_each_request_that_runs_and_closes_idle_ones(cluster, programs, application, caller,
                                                                            queue):
    def script(request, connection):
        time.sleep(0.01)
        return always(OK)(request, connection)
    web = application(script)
    worker = programs.worker(cluster, STREAM, web.url, "--concurrency", "4", "--upstream-idle-timeout", "3s")
    probes = wait_until(lambda: web.connections, 20, "it has looked")
    assert set(statuses(caller, [caller.send(queue, "POST", f"/{i}") for i in range(60)])) == {200}
    assert len(web.requests) == 60
    assert web.connections - probes <= 4
    address = web.url.removeprefix("http://")
    assert 1 <= worker.metric("warren_worker_upstream_connections", upstream=address) <= 4
    wait_until(lambda: web.open_connections() == 0, 20, "unused ones are closed")
    wait_until(lambda: worker.metric("warren_worker_upstream_connections", upstream=address) == 0, 20, "and counted")
    assert status(caller.ask(queue, "POST", "/after")) == 200


@pytest.mark.parametrize("says_so", [b"", b"Connection: close\r\n"])
def test_gets_on_with_an_application_that_closes_after_each_response(cluster, programs, application, caller, queue,
                                                                     says_so):
    web = application(always(b"HTTP/1.1 200 OK\r\n" + says_so + b"Content-Length: 2\r\n\r\nok", CLOSE))
    programs.worker(cluster, STREAM, web.url, "--concurrency", "2")
    tokens = [caller.send(queue, "GET", f"/{number}") for number in range(20)]
    assert set(statuses(caller, tokens)) == {200}
    assert all(web.count(f"/{number}") == 1 for number in range(20)), "each was run once"


def test_takes_the_answer_of_an_application_that_does_not_read_the_body(cluster, programs, application, caller, queue):
    """It says 413 and neither reads on nor closes."""
    web = application()
    web.early = REFUSAL
    programs.worker(cluster, STREAM, web.url, "--upstream-timeout", "80s")
    started = time.monotonic()
    assert status(caller.ask(queue, "POST", "/upload", b"x" * (8 << 20), timeout_s=90)) == 413
    assert time.monotonic() - started < EARLY_S / 2, "it went on sending"
    web.early = None
    assert status(caller.ask(queue, "GET", "/next")) == 200


def test_a_request_that_nobody_took_waits_for_an_application_that_is_restarted(cluster, programs, application, caller,
                                                                               queue, free_port):
    port = free_port()
    web = application(port=port)
    worker = programs.worker(cluster, STREAM, web.url, "--concurrency", "1")
    entered, go_on = threading.Event(), threading.Event()

    def hang(_request, connection):
        entered.set()
        go_on.wait(120)
        connection.sendall(OK)
        return CLOSE
    web.script = hang
    first, second = caller.send(queue, "POST", "/1"), caller.send(queue, "POST", "/2")
    wait_until(entered.is_set, 20, "the first runs")
    web.stop_listening()
    go_on.set()
    caller.wait([first])
    wait_until(lambda: "cannot be reached" in worker.log(), 20, "the second found nobody")
    again = application(port=port)
    assert statuses(caller, [first, second]) == [200, 200]
    assert (web.count("/1"), web.count("/2"), again.count("/2")) == (1, 0, 1)


def test_answers_502_when_nobody_takes_the_request_in_time_and_stops_consuming(cluster, programs, application, caller,
                                                                             queue):
    web = application()
    worker = programs.worker(cluster, STREAM, web.url, "--concurrency", "1", "--upstream-idle-timeout", "10ms")
    assert worker.metric("warren_worker_upstream_healthy", upstream=web.url.removeprefix("http://")) == 1
    web.close()
    token = caller.send(queue, "POST", "/nobody")
    assert statuses(caller, [token]) == [502]
    api = ManagementApi(cluster.management[0])
    wait_until(lambda: not holders(api) and not worker.is_ready(), 20, "it stops consuming")
    assert worker.metric("warren_worker_upstream_errors_total", reason="connect") == 1


def test_leaves_out_an_address_that_gives_no_responses_where_there_is_another(cluster, programs, application, caller,
                                                                              queue):
    good, bad = application(), application(always(b"", CLOSE))
    worker = programs.worker(cluster, STREAM, good.url, "--upstream", bad.url, "--concurrency", "1")
    wait_fit(worker, good, bad)
    answers = [status(caller.ask(queue, "POST", f"/{number}")) for number in range(24)]
    assert answers.count(502) == len(bad.requests) == 5
    assert answers[-10:] == [200] * 10
    assert worker.metric("warren_worker_upstream_healthy", upstream=bad.url.removeprefix("http://")) == 0
    bad.script = always(OK)
    wait_fit(worker, bad)  # It is asked again after a while.


def test_sends_more_to_the_address_that_answers_sooner(cluster, programs, application, caller, queue):
    release = threading.Event()

    def slow(request, connection):
        release.wait(120)
        return always(OK)(request, connection)
    fast, stuck = application(), application(slow)
    wait_fit(programs.worker(cluster, STREAM, fast.url, "--upstream", stuck.url, "--concurrency", "8"), fast, stuck)
    tokens = [caller.send(queue, "GET", f"/{number}") for number in range(60)]
    wait_until(lambda: (caller.connection.process_data_events(0.05), len(fast.requests) >= 50)[1], 20,
               "most go to the one that answers")
    assert 1 <= len(stuck.requests) <= 8
    release.set()
    assert set(statuses(caller, tokens)) == {200}


def test_asks_another_address_when_an_application_dies_with_a_request_that_is_safe_to_repeat(
        cluster, programs, application, caller, queue):
    good, dying = application(), application(always(b"", CLOSE))
    wait_fit(programs.worker(cluster, STREAM, good.url, "--upstream", dying.url, "--concurrency", "1"), good, dying)
    for number in range(4):
        assert status(caller.ask(queue, "GET", f"/safe/{number}")) == 200
    assert dying.requests and len(good.requests) == 4
    posts = [status(caller.ask(queue, "POST", f"/unsafe/{number}")) for number in range(2)]
    assert sorted(posts) == [200, 502]
