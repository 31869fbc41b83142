#!/usr/bin/python3 -B
"""The application behind the workers in the fault tests: works on each request for a moment, and writes every
execution to its ledger before it begins.

usage: application.py NAME PORT LEDGER    (127.0.0.1; LEDGER is appended to: one line "RUN METHOD TARGET" for each)

Work lasts 0 to 20 ms, and 400 ms for one request of a hundred, so that kills find requests in hand. The answer to a
request is what load.expected() says; X-Run is the execution's line in the ledger.
"""

import asyncio
import os
import random
import signal
import sys

LONG_WORK_S = 0.4
SHORT_WORK_S = 0.02


class Application(asyncio.Protocol):
    """One connection; requests come one after the other, with Content-Length where there is a body."""

    name, ledger, runs = "", -1, 0

    def __init__(self):
        self.buffer, self.transport, self.busy = b"", None, False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        self._next()

    def _next(self):
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end or self.busy:
            return
        lines = head.split(b"\r\n")
        fields = dict(line.lower().split(b":", 1) for line in lines[1:])
        length = int(fields.get(b"content-length", b"0"))
        if len(rest) < length:
            return
        self.buffer, self.busy = rest[length:], True
        method, target, _ = lines[0].split(b" ")
        Application.runs += 1
        run = b"%s:%d" % (self.name, Application.runs)
        os.write(self.ledger, b"%s %s %s\n" % (run, method, target))
        close = b"close" in fields.get(b"connection", b"") or lines[0].endswith(b"/1.0")
        work = LONG_WORK_S if random.random() < 0.01 else random.random() * SHORT_WORK_S
        if target == b"/ready":
            work = 0
        asyncio.get_running_loop().call_later(work, self._answer, run, method + b" " + target + b" " + rest[:length][::-1],
                                              close)

    def _answer(self, run, body, close):
        self.busy = False
        if self.transport.is_closing():
            return
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Run: %s\r\n%s\r\n%s" %
                             (len(body), run, b"Connection: close\r\n" if close else b"", body))
        if close:
            self.transport.close()
        else:
            self._next()


async def serve(port):
    """Until SIGTERM."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, done.set)
    await loop.create_server(Application, "127.0.0.1", port, backlog=1024)
    await done.wait()


if __name__ == "__main__":
    if len(sys.argv) != 4 or not sys.argv[2].isdigit():
        sys.exit(__doc__)
    Application.name = sys.argv[1].encode()
    Application.ledger = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    # After a restart the numbers go on, so that no two executions have the same name.
    Application.runs = os.fstat(Application.ledger).st_size
    asyncio.run(serve(int(sys.argv[2])))
