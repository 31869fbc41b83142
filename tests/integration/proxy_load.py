"""What the proxy's failure tests share: a bounded load whose every answer is checked, and back ends that
keep a ledger of what was run."""

import random
import threading
import time
from collections import Counter

from support.backend import Response
from support.http_client import Connection

EXCHANGE = "shard.web"
PAUSE_S = 0.03  # Between two requests of a connection.
CLIENT_TIMEOUT_S = 45  # Above the proxy's timeout of 30 s.
KINDS = ("get", "keyed", "plain")


def expected(method, path, body):
    """The one right answer to a request."""
    return f"{method} {path} ".encode() + body[::-1]


class Ledger:
    """How often each request was run, over all back ends."""

    def __init__(self):
        self.runs = Counter()
        self.lock = threading.Lock()
        self.held = {}  # Path -> name of the back end that holds it.
        self.release = threading.Event()

    def respond(self, name):
        """For Backend: answers as expected(); a path in /hold/ waits for `release`."""
        def answer(request):
            with self.lock:
                self.runs[request.path] += 1
                if request.path.startswith("/hold/"):
                    self.held.setdefault(request.path, name)
            if request.path.startswith("/hold/"):
                self.release.wait(120)
            return Response(200, [("X-Backend", name)], expected(request.method, request.path, request.body))
        return answer


class Client(threading.Thread):
    """One connection that sends requests of one kind for paths of its own until told to stop."""

    def __init__(self, port, run, number):
        super().__init__(daemon=True)
        self.port, self.kind = port, KINDS[number % len(KINDS)]
        self.prefix = f"/{self.kind}/{run}/{number}"
        self.stop = threading.Event()
        self.answers = []  # (started, path, status, Retry-After)
        self.problems = []

    def run(self):
        connection, count = None, 0
        while not self.stop.is_set() and len(self.problems) < 5:
            path, started = f"{self.prefix}/{count}", time.monotonic()
            count += 1
            try:
                connection = connection or Connection(self.port, CLIENT_TIMEOUT_S)
                answer = self._ask(connection, path, started)
                if answer.value("connection") == "close":
                    connection.close()
                    connection = None
            except (OSError, ValueError, IndexError) as error:
                self.problems.append(f"{path}: {error!r} after {time.monotonic() - started:.1f} s")
                connection = None
            time.sleep(PAUSE_S)
        if connection:
            connection.close()

    def _ask(self, connection, path, started):
        method = "GET" if self.kind == "get" else "POST"
        body = b"" if self.kind == "get" else random.randbytes(random.choice((1, 100, 5_000)))
        fields = [("Idempotency-Key", path)] if self.kind == "keyed" else []
        answer = connection.request(method, path, fields, body)
        self.answers.append((started, path, answer.status, answer.value("retry-after")))
        if answer.status == 200 and answer.body != expected(method, path, body):
            self.problems.append(f"{path}: not its own answer: {answer.body[:100]!r}")
        return answer


class Load:
    """Clients that run until the end of the block; afterwards `answers` and `problems` are those of all."""

    runs = 0

    def __init__(self, port, connections=16):
        Load.runs += 1
        self.clients = [Client(port, Load.runs, number) for number in range(connections)]
        self.answers, self.problems = [], []

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.stop.set()
        end = time.monotonic() + CLIENT_TIMEOUT_S + 5
        for client in self.clients:
            client.join(max(0.1, end - time.monotonic()))
        self.problems = [f"{client.prefix} hangs" for client in self.clients if client.is_alive()]
        self.problems += [problem for client in self.clients for problem in client.problems]
        self.answers = [answer for client in self.clients for answer in list(client.answers)]

    def statuses(self, kind, since=0.0):
        """Status -> how often, of requests of one kind sent after `since` (time.monotonic())."""
        return Counter(status for started, path, status, _ in self.answers
                       if path.startswith(f"/{kind}/") and started >= since)

    def check(self, ledger):
        """Nothing lost, nothing mixed up, nothing that is not retry-safe run twice."""
        assert not self.problems, "\n".join(self.problems[:20])
        for kind in ("get", "keyed"):
            assert set(self.statuses(kind)) == {200}, self.failures(kind)
        assert set(self.statuses("plain")) <= {200, 502, 503}, self.failures("plain")
        assert self.statuses("plain")[200] > 0
        self.check_ledger(ledger)

    def check_ledger(self, ledger):
        """Plain POSTs run once at most, and exactly once where the answer was 200."""
        plain = {path: status for _, path, status, _ in self.answers if path.startswith("/plain/")}
        wrong = {path: (status, ledger.runs[path]) for path, status in plain.items()
                 if ledger.runs[path] > 1 or (status == 200 and ledger.runs[path] != 1)}
        assert not wrong, f"(status, runs) of plain POSTs: {wrong}"

    def failures(self, kind):
        """What was not 200, for messages."""
        return [answer[1:] for answer in self.answers if answer[1].startswith(f"/{kind}/") and answer[2] != 200][:20]
