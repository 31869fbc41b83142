"""warren-worker and shards that are taken out of service: it empties them, lets go of them so that they can be
deleted, and takes them back when they are bound again. Shards are unbound by hand; no coordinator is needed."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from support.backend import Response
from support.waiting import always, wait_until
from worker_calls import (STREAM, Caller, bind, delete_when_drained, holders, make_shard, make_shards, shard, status,
                          unbind)

CLUSTER_NODES = 2
CLUSTER_STATISTICS_MS = 1000
REQUESTS = 60


@pytest.fixture
def stream(cluster, clean):
    """The stream with two shards on each node; gives the management API."""
    make_shards(clean, cluster.names, per_node=2)
    return clean


@pytest.fixture
def kept(cluster):
    """The shard of the first node that stays."""
    return shard(cluster.names[0], 0)


@pytest.fixture
def drained(cluster):
    """The shard of the first node that is taken out of service."""
    return shard(cluster.names[0], 1)


@pytest.fixture
def caller(cluster):
    """A caller on the first node."""
    made = Caller(cluster.amqp[0])
    yield made
    made.close()


class CountingApi:
    """The management API with an account of what is asked of it."""

    def __init__(self, api):
        class Handler(BaseHTTPRequestHandler):
            """Passes GETs on and notes their paths."""

            protocol_version = "HTTP/1.1"

            def do_GET(handler):  # pylint: disable=invalid-name,no-self-argument
                """One request."""
                self.paths.append(handler.path)
                answer = requests.get(api.url.removesuffix("/api/") + handler.path, timeout=10,
                                      headers={"Authorization": handler.headers["Authorization"]})
                handler.send_response(answer.status_code)
                handler.send_header("Content-Type", answer.headers["Content-Type"])
                handler.send_header("Content-Length", str(len(answer.content)))
                handler.end_headers()
                handler.wfile.write(answer.content)

            def log_message(self, *_arguments):
                """Nothing."""

        self.paths = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def looks(self):
        """The requests of each whole look, which begins with the bindings."""
        seen = list(self.paths)
        begins = [number for number, path in enumerate(seen) if "/bindings/" in path]
        return [seen[begin:end] for begin, end in zip(begins, begins[1:])]

    def close(self):
        """Stops."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def counting(clean):
    """The first node's API with an account."""
    made = CountingApi(clean)
    yield made
    made.close()


def send_many(caller, queue):
    """Requests that are retry-safe and others, in turn."""
    return [caller.send(queue, "POST" if number % 2 else "GET", f"/{number}", timeout_s=120) for number in range(REQUESTS)]


def check_answers(caller, tokens):
    """Each has one answer, with 200."""
    caller.wait(tokens, timeout=100)
    assert {status(caller.responses[token][0]) for token in tokens} == {200}
    assert all(len(caller.responses[token]) == 1 for token in tokens)


def test_empties_a_shard_that_was_unbound_before_it_came(cluster, stream, programs, backend, caller, kept, drained):
    tokens = send_many(caller, drained)
    unbind(stream, drained)
    wait_until(lambda: stream.queues()[drained]["messages"] == REQUESTS, 20, "the messages are counted")
    web = backend("web")
    worker = programs.worker(cluster, STREAM, web.url, node=0)
    check_answers(caller, tokens)
    assert len(web.requests) == REQUESTS, "each was run once"
    delete_when_drained(stream, cluster.amqp[0], drained)
    wait_until(lambda: sorted(holders(stream)) == sorted([kept, *(shard(cluster.names[1], i) for i in range(2))]), 20,
               lambda: f"the others are consumed: {holders(stream)}")
    assert worker.is_ready()


def test_lets_go_of_a_shard_that_is_unbound_while_it_works_on_its_messages(cluster, stream, programs, backend, caller,
                                                                         kept, drained):
    web = backend("web", lambda request: (time.sleep(0.1), Response(200))[1])
    programs.worker(cluster, STREAM, web.url, "--concurrency", "4", node=0)
    wait_until(lambda: drained in holders(stream), 20, "it is consumed")
    tokens = send_many(caller, drained)
    wait_until(lambda: web.requests, 20, "it works")
    unbind(stream, drained)
    check_answers(caller, tokens)
    assert len(web.requests) == REQUESTS, "each was run once"
    delete_when_drained(stream, cluster.amqp[0], drained)
    assert status(caller.ask(kept)) == 200


def test_answers_what_it_holds_of_a_shard_that_it_lets_go_of(cluster, stream, programs, backend, caller, drained):
    release = threading.Event()
    web = backend("web", lambda request: (release.wait(120), Response(200))[1])
    programs.worker(cluster, STREAM, web.url, node=0)
    wait_until(lambda: drained in holders(stream), 20, "it is consumed")
    token = caller.send(drained, "POST", "/slow", timeout_s=120)
    wait_until(lambda: web.requests, 20, "it is being worked on")
    unbind(stream, drained)
    release.set()
    check_answers(caller, [token])
    delete_when_drained(stream, cluster.amqp[0], drained)


def test_never_takes_an_empty_shard_that_is_not_bound(cluster, stream, programs, backend, drained):
    unbind(stream, drained)
    programs.worker(cluster, STREAM, backend("web").url, node=0)
    wait_until(lambda: len(holders(stream)) == 3, 20, lambda: f"the bound ones are consumed: {holders(stream)}")
    always(lambda: drained not in holders(stream), 4, "the unbound one is left alone")


def test_empties_a_draining_shard_of_a_node_that_has_no_worker(cluster, stream, programs, backend, caller):
    programs.worker(cluster, STREAM, backend("web").url, node=0)
    foreign = shard(cluster.names[1], 1)
    unbind(stream, foreign)
    wait_until(lambda: foreign not in holders(stream), 20, "let go of")
    check_answers(caller, send_many(caller, foreign))
    delete_when_drained(stream, cluster.amqp[0], foreign)


def test_takes_a_shard_back_that_is_bound_again(cluster, stream, programs, backend, caller, drained):
    programs.worker(cluster, STREAM, backend("web").url, node=0)
    unbind(stream, drained)
    wait_until(lambda: len(holders(stream)) == 3 and drained not in holders(stream), 20, "let go of")
    bind(stream, drained)
    wait_until(lambda: drained in holders(stream), 20, "taken back")
    assert status(caller.ask(drained)) == 200


def test_empties_the_shards_of_an_exchange_that_is_gone(cluster, stream, programs, backend, caller, kept, drained):
    tokens = send_many(caller, kept) + send_many(caller, drained)
    stream.delete_exchange(STREAM)
    worker = programs.worker(cluster, STREAM, backend("web").url, node=0, ready=False)
    check_answers(caller, tokens)
    delete_when_drained(stream, cluster.amqp[0], kept)
    delete_when_drained(stream, cluster.amqp[0], drained)
    wait_until(lambda: not holders(stream) and not worker.is_ready(), 20, "it waits for shards, and says so")


def test_serves_and_empties_shards_named_as_the_sharding_plugin_does(cluster, clean, programs, backend, caller):
    clean.declare_exchange(STREAM)
    first, second = (shard(cluster.names[0], index, style="sharding") for index in range(2))
    for queue in (first, second):
        make_shard(clean, cluster.names[0], queue)
    tokens = send_many(caller, second)
    unbind(clean, second)
    programs.worker(cluster, STREAM, backend("web").url, node=0)
    check_answers(caller, tokens)
    assert status(caller.ask(first)) == 200
    delete_when_drained(clean, cluster.amqp[0], second)


def test_a_look_costs_as_many_requests_however_many_shards_there_are(cluster, clean, programs, backend, counting):
    make_shards(clean, cluster.names)
    programs.start("warren-worker", "--stream", STREAM, "--upstream", backend("web").url, "--node", cluster.amqp[0],
                   "--management", counting.url, "--refresh", "200ms")
    wait_until(lambda: len(counting.looks()) >= 2, 20, lambda: f"it looks: {counting.paths}")
    few = len(counting.looks()[-1])
    make_shards(clean, cluster.names, per_node=8)
    unbind(clean, shard(cluster.names[1], 7))
    wait_until(lambda: len(holders(clean)) == 15, 20, lambda: f"all that are bound are consumed: {holders(clean)}")
    seen = len(counting.looks())
    wait_until(lambda: len(counting.looks()) >= seen + 2, 20, lambda: f"it goes on looking: {counting.paths[-9:]}")
    assert len(counting.looks()[-1]) == few == 3, counting.looks()[-1]


def test_lets_go_of_drained_shards_without_the_management_api_too(cluster, clean, programs, backend, caller):
    local = cluster.names[0]
    make_shards(clean, [local], per_node=2)
    kept_shard, plugin = shard(local, 0), shard(local, 0, style="sharding")
    make_shard(clean, local, plugin)
    queues = [kept_shard, shard(local, 1), plugin]
    web = backend("web")
    workers = [programs.start("warren-worker", "--stream", STREAM, "--upstream", web.url, "--node", cluster.amqp[0],
                              "--local-node", local, "--yield-every", "30s") for _ in range(2)]
    wait_until(lambda: sorted(holders(clean)) == sorted(queues), 20, lambda: f"all are found: {holders(clean)}")
    for queue in queues[1:]:
        unbind(clean, queue)
        delete_when_drained(clean, cluster.amqp[0], queue, timeout=90)
    wait_until(lambda: kept_shard not in holders(clean), 60, "the idle shard is let go of for a while, too")
    assert all(worker.is_ready() for worker in workers), "they serve all the same"
    assert status(caller.ask(kept_shard)) == 200
    wait_until(lambda: list(holders(clean)) == [kept_shard], 60, lambda: f"it stays: {holders(clean)}")
    assert status(caller.ask(kept_shard)) == 200
