"""What one case of HTTP/1.1 is: bytes to send, the answers that must come, and what must have reached the back end.

Cases are data. Front ends of any make can be held to them; see runner.py. Field names in `Seen` are lower case.
"""

from dataclasses import dataclass, field

KEPT, CLOSED, EITHER = "kept", "closed", "either"


@dataclass(frozen=True)
class Wait:
    """In `send`: a pause."""
    seconds: float


@dataclass(frozen=True)
class Await:
    """In `send`: goes on once so many answers, interim ones included, have come."""
    answers: int


@dataclass(frozen=True)
class Dribble:
    """In `send`: these bytes one at a time, each in a segment of its own."""
    data: bytes
    pause: float = 0.0


@dataclass(frozen=True)
class Signal:
    """In `send`: something that is no byte."""
    name: str


END = Signal("our side of the connection is shut")
RESET = Signal("the connection is reset")


@dataclass(frozen=True)
class Seen:
    """One request as the back end must have got it. `fields` are (name, values) with exactly these values in this
    order; None in place of the values: it must not be there. A body of None is not looked at."""
    method: bytes = b"GET"
    target: bytes = b"/"
    fields: tuple = ()
    body: bytes = b""


@dataclass(frozen=True)
class Case:
    """`want` has a status, or a set of them, for each answer, interim ones (100) included. `head` are the answers (by
    index) to HEAD. `shows` and `hides` are regular expressions over all bytes of the answers, without case, with `^`
    at each line. `answer` are the bytes that the back end answers with; by default it echoes the body with 200.
    `answer_ends`: the back end closes the connection behind it.
    `rfc_allows`: statuses that the RFC permits as well, for front ends of another make; "closed": the end without
    an answer, "silent": nothing at all. `product`: a promise of
    Warren's alone, which others are not held to. `not_2xx`: how many requests are run without a 2xx for the client.
    `own_2xx`: how many 2xx come from the front end itself. `split`: sent anew in two pieces for every offset."""
    name: str
    section: str
    send: object
    want: tuple = (400,)
    after: str = CLOSED
    seen: tuple = ()
    head: tuple = ()
    shows: tuple = ()
    hides: tuple = ()
    answer: bytes = b""
    answer_ends: bool = False
    rfc_allows: tuple = ()
    product: bool = False
    front: str = "usual"
    not_2xx: int = 0
    own_2xx: int = 0
    split: bool = False
    area: str = field(default="", compare=False)

    def pieces(self):
        """`send` as a tuple."""
        return self.send if isinstance(self.send, tuple) else (self.send,)


def request(method=b"GET", target=b"/", *fields, body=b"", host=b"a", version=b"HTTP/1.1"):
    """A request's bytes; `fields` are whole lines without their end. No Content-Length of its own accord."""
    lines = [method + b" " + target + b" " + version]
    lines += [b"Host: " + host] if host is not None else []
    return b"\r\n".join([*lines, *fields, b"", b""]) + body


def post(*fields, body=b"", target=b"/"):
    """A POST with exactly these fields."""
    return request(b"POST", target, *fields, body=body)


def chunked(body, target=b"/", coding=b"Transfer-Encoding: chunked"):
    """A POST whose body's bytes are given as they are sent."""
    return post(coding, body=body, target=target)


def ok(name, section, send, *seen, **options):
    """A case that is answered 200 once for each request that must be seen, on a connection that stays."""
    return Case(name, section, send, **{"want": (200,) * len(seen), "after": KEPT, "seen": seen} | options)


def refused(name, section, send, status=400, **options):
    """A case that is answered with this status alone; nothing reaches a back end, and the connection is closed."""
    return Case(name, section, send, **{"want": (status,)} | options)


SMUGGLED = request(target=b"/smuggled")
