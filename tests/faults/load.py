"""A bounded load whose every answer is checked against its request: 64 connections, half GET, a quarter POST with
Idempotency-Key, a quarter plain POST, each with a path of its own.

It runs on a thread of its own (asyncio); the test breaks things meanwhile. After the block `answers` has one entry for
each request and `problems` what no server may do: no answer, half an answer, somebody else's answer.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass

CONNECTIONS = 64
LONGEST_PAUSE_S = 0.08  # Between two requests of a connection: about 1,000 requests a second in all, at most.
ANSWER_TIMEOUT_S = 60   # Above the proxy's timeout.
CONNECT_TRIES = 40
BODY_BYTES = (1, 100, 5_000)


def expected(method, path, body):
    """The one right answer to a request."""
    return f"{method} {path} ".encode() + body[::-1]


@dataclass
class Answer:
    """One request and what came of it. `status` is 0 when no answer came."""
    kind: str
    path: str
    started: float
    seconds: float
    status: int
    retry_after: str = ""
    run: str = ""
    text: str = ""


class Load:
    """Clients that run until the end of the block. `ports` are tried in turn: a connection that was closed, or that
    is refused, is made anew to the next one that takes it."""

    runs = 0

    def __init__(self, ports, connections=CONNECTIONS):
        Load.runs += 1
        self.number, self.ports, self.connections = Load.runs, list(ports), connections
        self.answers, self.problems = [], []
        self.refused = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)

    def __enter__(self):
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(ANSWER_TIMEOUT_S + 10)
        if self._thread.is_alive():
            self.problems.append("clients hang")
        self.seconds = time.monotonic() - self.began

    async def _all(self):
        await asyncio.gather(*(self._client(index) for index in range(self.connections)))

    async def _client(self, index):
        streams, count = None, 0
        await asyncio.sleep(random.random() * LONGEST_PAUSE_S)
        while not self._stop.is_set() and len(self.problems) < 100:
            kind = random.choice(("get", "get", "keyed", "plain"))
            count += 1
            path = f"/{kind}/{self.number}/{index}/{count}"
            streams = streams or await self._connect(index)
            if streams is None:
                self.problems.append("nobody takes a connection")
                return
            if not await self._ask(streams, kind, path):
                streams[1].close()
                streams = None
            await asyncio.sleep(random.random() * LONGEST_PAUSE_S)
        if streams:
            streams[1].close()

    async def _connect(self, index):
        for number in range(CONNECT_TRIES):
            try:
                return await asyncio.open_connection("127.0.0.1", self.ports[(index + number) % len(self.ports)])
            except OSError:
                self.refused += 1
                await asyncio.sleep(0.02 * number)
        return None

    async def _ask(self, streams, kind, path):
        """Whether the connection may be used again."""
        reader, writer = streams
        method = "GET" if kind == "get" else "POST"
        body = b"" if kind == "get" else random.randbytes(random.choice(BODY_BYTES))
        head = f"{method} {path} HTTP/1.1\r\nHost: faults\r\n"
        head += f"Idempotency-Key: {path}\r\n" if kind == "keyed" else ""
        head += f"Content-Length: {len(body)}\r\n" if body else ""
        answer = Answer(kind, path, time.monotonic(), 0.0, 0)
        self.answers.append(answer)
        try:
            writer.write(head.encode() + b"\r\n" + body)
            status, fields, text = await asyncio.wait_for(_read(reader), ANSWER_TIMEOUT_S)
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            answer.seconds = time.monotonic() - answer.started
            self.problems.append(f"{path}: {error!r} after {answer.seconds:.3f} s")
            return False
        answer.seconds = time.monotonic() - answer.started
        answer.status = status
        answer.retry_after, answer.run = fields.get("retry-after", ""), fields.get("x-run", "")
        if status != 200:
            answer.text = text.decode(errors="replace").strip()
        elif text != expected(method, path, body):
            self.problems.append(f"{path}: not its own answer: {text[:100]!r}")
        return fields.get("connection", "") != "close"

    def statuses(self, kind, since=0.0):
        """Status -> how often, of requests of one kind begun after `since` (time.monotonic())."""
        return Counter(answer.status for answer in self.answers if answer.kind == kind and answer.started >= since)

    def failures(self, kinds=("get", "keyed", "plain"), allowed=(200,)):
        """What has none of the allowed statuses, for messages."""
        return [f"{answer.path} {answer.status} at {answer.started - self.began:.2f} s after {answer.seconds:.2f} s: "
                f"{answer.text}" for answer in self.answers
                if answer.kind in kinds and answer.status not in allowed and answer.status]

    def summary(self):
        """One line for people."""
        times = sorted(answer.seconds for answer in self.answers) or [0.0]
        return (f"{len(self.answers)} requests, {len(self.answers) / self.seconds:.0f}/s, "
                + ", ".join(f"{kind} {dict(self.statuses(kind))}" for kind in ("get", "keyed", "plain"))
                + f", median {times[len(times) // 2] * 1000:.0f} ms, 99 % {times[len(times) * 99 // 100] * 1000:.0f} ms, "
                f"slowest {times[-1]:.2f} s, {len(self.problems)} problems, {self.refused} connections refused")


async def _read(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in head[1:] if line)}
    return int(head[0].split()[1]), fields, await reader.readexactly(int(fields["content-length"]))
