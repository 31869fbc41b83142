"""The logging back end: keeps every byte of every request it is sent, and reads them as strictly as it can.

Answers echo the body with 200, and say the target; a target /delay-MS/… is answered that much later. A case may have
it answer other bytes. Connections are served each on a thread.
"""

import contextlib
import re
import socket
import threading
import time
from dataclasses import dataclass, field

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
PROBE = b"/probe"
SILENCE = b"(nothing)"


@dataclass
class Logged:
    """One request; `fields` in order, names in lower case; `problems` is what no back end should be sent."""
    line: bytes
    fields: list = field(default_factory=list)
    body: bytes = b""
    problems: list = field(default_factory=list)

    @property
    def method(self):
        """The request line's first word."""
        return self.line.split(b" ")[0]

    @property
    def target(self):
        """What is between method and version."""
        return self.line.partition(b" ")[2].rpartition(b" ")[0]

    def values(self, name):
        """Every value of a field."""
        return [value for key, value in self.fields if key == name]


class LoggingBackend:
    """Serves on a free port until close(). `requests` has all but the probes."""

    def __init__(self):
        self.requests, self.answer, self.answer_ends = [], b"", False
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Stops listening and cuts every connection."""
        for each in [self._listener, *list(self._open)]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            reader = connection.makefile("rb")
            while (logged := read_request(reader)) and self._respond(logged, connection):
                pass
        self._open.discard(connection)

    def _respond(self, logged, connection):
        """Whether the connection stays."""
        probe = logged.target.startswith(PROBE)
        if not probe:
            self.requests.append(logged)
        if match := re.match(rb"/delay-(\d+)/", logged.target):
            time.sleep(int(match[1]) / 1000)
        if self.answer and not probe:
            if self.answer != SILENCE:
                connection.sendall(self.answer)
            if self.answer_ends:
                connection.shutdown(socket.SHUT_RDWR)
            return not self.answer_ends
        body = b"" if logged.method == b"HEAD" else logged.body
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Target: %s\r\n\r\n%s" % (len(body),
            logged.target[:200], body))
        return not logged.problems


def read_request(reader):
    """The next request of a connection; None at its end."""
    line = reader.readline()
    if not line:
        return None
    logged = Logged(line.rstrip(b"\r\n"))
    if not re.fullmatch(TOKEN + rb" [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]\r\n", line):
        logged.problems.append(f"request line {line[:80]!r}")
    while (line := reader.readline()) not in (b"\r\n", b""):
        match = re.fullmatch(rb"(" + TOKEN + rb"):[ \t]*([^\r\n\0]*?)[ \t]*\r\n", line)
        if match:
            logged.fields.append((match[1].lower(), match[2]))
        else:
            logged.problems.append(f"field line {line[:80]!r}")
    lengths, codings = logged.values(b"content-length"), logged.values(b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        logged.problems.append(f"framed by {lengths} and {codings}")
    if codings:
        logged.body = read_chunks(reader, logged)
    elif lengths and lengths[0].isdigit():
        logged.body = reader.read(int(lengths[0]))
    elif lengths:
        logged.problems.append(f"Content-Length {lengths[0][:40]!r}")
    return logged


def read_chunks(reader, logged):
    """A chunked body. Trailers are dropped."""
    body = b""
    while True:
        line = reader.readline()
        match = re.fullmatch(rb"([0-9A-Fa-f]{1,16})(;[^\r\n]*)?\r\n", line)
        if not match:
            logged.problems.append(f"chunk size {line[:40]!r}")
            return body
        size = int(match[1], 16)
        if size == 0:
            while reader.readline() not in (b"\r\n", b""):
                pass
            return body
        body += reader.read(size)
        if reader.read(2) != b"\r\n":
            logged.problems.append("chunk data longer than its size")
            return body
