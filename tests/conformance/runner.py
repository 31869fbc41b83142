"""Plays a case against a front end on a bare socket, and says what came back and what reached the back end."""

import contextlib
import re
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from case import CLOSED, END, KEPT, RESET, EITHER, Await, Dribble, Wait

CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r\n")
QUIET_S = 0.05  # Nothing more is expected: a look whether something comes all the same.


@dataclass
class Observed:
    """What a front end did. `statuses` has interim answers too; `raw` are all bytes that came."""
    statuses: list = field(default_factory=list)
    raw: bytes = b""
    closed: bool = False
    kept: bool = False  # A further request was answered.
    problems: list = field(default_factory=list)
    seen: list = field(default_factory=list)  # By the back end, backend.Logged.

    def summary(self):
        """In a few words, for tables."""
        said = " ".join(map(str, self.statuses)) or "no answer"
        count = len(self.seen)
        return said + (", closed" if self.closed else "") + (f", {count} forwarded" if count else "")


class Client:
    """One connection whose bytes are read by a thread as they come."""

    def __init__(self, port, head_answers):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head_answers = head_answers
        self.received, self.ended, self.reset = b"", False, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                ready, _, _ = select.select([self.socket], [], [], 30)
                data = self.socket.recv(1 << 18) if ready else b""
            except (OSError, ValueError):
                data, self.reset = b"", True
            with self._changed:
                self.received += data
                self.ended = not data
                self._changed.notify_all()
            if not data:
                return

    def answers(self):
        """(statuses of the complete answers, problem or None)."""
        return parse(self.received, self.head_answers, self.ended)

    def wait(self, predicate, timeout):
        """Until predicate() or the time is up; returns whether it came true."""
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def wait_answers(self, count, timeout=10):
        """Until so many answers, or the end."""
        return self.wait(lambda: self.ended or len(self.answers()[0]) >= count, timeout)

    def play(self, pieces):
        """Sends, pauses, waits. A front end that has closed already is no error."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                self._step(piece)

    def _step(self, piece):
        if isinstance(piece, bytes):
            self.socket.sendall(piece)
        elif isinstance(piece, Dribble):
            for index in range(len(piece.data)):
                self.socket.sendall(piece.data[index:index + 1])
                time.sleep(piece.pause or 0.0005)
        elif isinstance(piece, Wait):
            time.sleep(piece.seconds)
        elif isinstance(piece, Await):
            self.wait_answers(piece.answers, 5)
        elif piece is END:
            self.socket.shutdown(socket.SHUT_WR)
        elif piece is RESET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def close(self):
        """Ends it; the reader sees that."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RD)
        self.socket.close()


def parse(data, head_answers=(), ended=False):
    """(statuses of complete answers, what is wrong with the bytes or None)."""
    statuses, final = [], 0
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            return statuses, "a head without end" if ended else None
        lines = head.split(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.[01] (\d{3}) ?[^\r\n\0]*", lines[0])
        if not match:
            return statuses, f"no status line: {lines[0][:60]!r}"
        for line in lines[1:]:
            if not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*", line):
                return statuses, f"no field line: {line[:60]!r}"
        status = int(match[1])
        bodiless = status < 200 or status in (204, 304) or final in head_answers
        body = b"" if bodiless else read_body(lines[1:], rest, ended)
        if body is None:
            return statuses, "a body without end" if ended else None
        data = rest[len(body):]
        final += status >= 200
        statuses.append(status)
    return statuses, None


def read_body(lines, rest, ended):
    """The bytes on the wire that are the body; None while they are not all there."""
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    lengths = [value for name, value in fields if name == b"content-length"]
    if any(name == b"transfer-encoding" and b"chunked" in value.lower() for name, value in fields):
        at = 0
        while match := CHUNK_SIZE.match(rest, at):
            at = match.end() + int(match[1], 16) + 2
            if int(match[1], 16) == 0:
                return rest[:at] if len(rest) >= at else None
        return None
    if lengths:
        return rest[:int(lengths[0])] if len(rest) >= int(lengths[0]) else None
    return rest if ended else None


def variants(case):
    """The case's pieces; for a case that is to be split, once for each offset."""
    if not case.split:
        return [case.pieces()]
    data = case.send
    return [(data[:at], Wait(0.003), data[at:]) for at in range(1, len(data))]


def play(case, pieces, front):
    """One run of a case. `front` is a Front of stand.py."""
    observed = Observed()
    client = Client(front.port(case.front), case.head)
    try:
        client.play(pieces)
        _take_answers(case, client, observed, front)
        _look_at_the_end(case, client, observed, front)
    finally:
        client.close()
    observed.seen = front.settle(len(case.seen), case)
    return observed


def _take_answers(case, client, observed, front):
    if RESET in case.pieces():
        return
    client.wait_answers(1 if case.want is None else len(case.want), front.answer_s)
    observed.statuses, problem = client.answers()
    observed.raw = client.received
    if problem and not (case.want is None or case.after == EITHER):
        observed.problems.append(problem)


def _look_at_the_end(case, client, observed, front):
    if RESET in case.pieces():
        return
    if case.after == KEPT and not client.ended:
        already = len(observed.statuses)
        with contextlib.suppress(OSError):
            client.socket.sendall(front.probe_request())
        client.wait_answers(already + 1, front.answer_s)
        statuses, _ = client.answers()
        observed.kept = len(statuses) == already + 1 and statuses[-1] == 200 and not client.reset
    elif case.after == CLOSED:
        client.wait(lambda: client.ended, front.close_s if as_wanted(case, observed) else QUIET_S)
    else:
        client.wait(lambda: client.ended, QUIET_S)
    observed.closed = client.ended
    if not observed.kept:
        observed.raw = client.received
        observed.statuses, problem = client.answers()
        if problem and case.want is not None and problem not in observed.problems:
            observed.problems.append(problem)


def as_wanted(case, observed):
    """Whether the statuses are."""
    if case.want is None:
        return True
    allowed = [{one} if isinstance(one, int) else set(one) for one in case.want]
    return len(observed.statuses) == len(allowed) and all(got in may for got, may in zip(observed.statuses, allowed))


def check(case, observed):
    """What is wrong, as sentences; empty when the case is met."""
    wrong = list(observed.problems)
    if not as_wanted(case, observed):
        wrong.append(f"answers {observed.statuses}, wanted {list(case.want)}")
    if case.after == KEPT and not observed.kept:
        wrong.append("the connection did not stay")
    if case.after == CLOSED and not observed.closed and RESET not in case.pieces():
        wrong.append("the connection was not closed")
    flags = re.IGNORECASE | re.MULTILINE | re.DOTALL
    wrong += [f"the answer lacks {text!r}" for text in case.shows if not re.search(text, observed.raw, flags)]
    wrong += [f"the answer has {text!r}" for text in case.hides if re.search(text, observed.raw, flags)]
    return wrong + check_seen(case, observed.seen)


def check_seen(case, logged):
    """Compares what the back end got. Requests of one client may reach it in any order."""
    if len(logged) != len(case.seen):
        lines = [one.line[:80] for one in logged]
        return [f"{len(logged)} requests reached the back end, wanted {len(case.seen)}: {lines}"]
    wrong, left = [], list(logged)
    for expected in case.seen:
        complaints = [_difference(expected, one) for one in left]
        best = min(range(len(left)), key=lambda index: len(complaints[index]))
        wrong += complaints[best]
        left.pop(best)
    return wrong


def _difference(expected, logged):
    wrong = list(logged.problems)
    if logged.method != expected.method:
        wrong += [f"method {logged.method!r} in place of {expected.method!r}"] * 3
    if logged.target != expected.target:
        wrong += [f"target {logged.target[:80]!r} in place of {expected.target[:80]!r}"] * 3
    if expected.body is not None and logged.body != expected.body:
        wrong.append(f"a body of {len(logged.body)} bytes, {logged.body[:60]!r}, in place of {len(expected.body)}, "
                     f"{expected.body[:60]!r}")
    for name, values in expected.fields:
        got = tuple(logged.values(name))
        if not (not got if values is None else len(got) == len(values) and all(map(_matches, values, got))):
            wrong.append(f"{name!r} is {got!r} in place of {values!r}")
    return wrong


def _matches(expected, got):
    return bool(re.fullmatch(expected[3:], got)) if expected.startswith(b"re:") else expected == got
