"""Answers on their way back, limits and timeouts (RFC 9110 section 15, RFC 9112 sections 6, 7 and 9.5)."""

from backend import SILENCE
from case import CLOSED, KEPT, Await, Case, Dribble, Seen, Wait, chunked, ok, post, refused, request


def answer(name, section, raw, send=request(), *, want=(200,), after=KEPT, seen=(Seen(),), **options):
    """The back end answers with these bytes."""
    return Case(name, section, send, want, after, seen, answer=raw, **options)


def raw_answer(status, *lines, body=b"", version=b"HTTP/1.1"):
    """Bytes of an answer; no field of its own accord."""
    return b"\r\n".join([version + b" " + status, *lines, b"", b""]) + body


OLD = request(b"GET", b"/", b"Connection: keep-alive", version=b"HTTP/1.0")
CHUNKED_HELLO = raw_answer(b"200 OK", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")

FRAMING = [
    answer("HEAD has the length that GET would have, and no body", "RFC 9110 9.3.2",
           raw_answer(b"200 OK", b"Content-Length: 12345"),
           request(b"HEAD"), seen=(Seen(b"HEAD"),), head=(0,), shows=(rb"^content-length: *12345\r",)),
    answer("HEAD without a length", "RFC 9110 9.3.2", raw_answer(b"200 OK", b"X-A: 1"), request(b"HEAD"),
           seen=(Seen(b"HEAD"),), head=(0,)),
    answer("204 has neither body nor length", "RFC 9110 15.3.5", raw_answer(b"204 No Content"), want=(204,),
           hides=(rb"^content-length:", rb"^transfer-encoding:")),
    answer("304 has no body, and may have a length", "RFC 9110 15.4.5",
           raw_answer(b"304 Not Modified", b'ETag: "x"', b"Content-Length: 7"), want=(304,),
           shows=(rb'^etag: *"x"',), not_2xx=1),
    answer("205 has no body", "RFC 9110 15.3.6", raw_answer(b"205 Reset Content", b"Content-Length: 0"), want=(205,),
           shows=(rb"^content-length: *0\r",)),
    answer("an answer in chunks arrives whole", "RFC 9112 7.1", CHUNKED_HELLO, shows=(rb"hello",)),
    answer("HTTP/1.0 gets no chunks", "RFC 9112 6.1", CHUNKED_HELLO, OLD, shows=(rb"hello",),
           hides=(rb"^transfer-encoding:",), after="either"),
    answer("an answer that ends with its connection arrives whole", "RFC 9112 6.3",
           raw_answer(b"200 OK", b"Connection: close", body=b"until the end"),
           shows=(rb"until the end",), hides=(rb"^connection: *close",), answer_ends=True, rfc_allows=(200,)),
    answer("an answer of HTTP/1.0", "RFC 9112 2.3", raw_answer(b"200 OK", b"Content-Length: 2", body=b"ok",
        version=b"HTTP/1.0"),
           shows=(rb"^HTTP/1\.1 200",)),
    answer("an empty answer", "RFC 9112 6.2", raw_answer(b"200 OK", b"Content-Length: 0"),
           shows=(rb"^content-length: *0\r",)),
    answer("interim answers of the back end do not disturb", "RFC 9110 15.2",
           raw_answer(b"103 Early Hints", b"Link: </x>") + raw_answer(b"200 OK", b"Content-Length: 2", body=b"ok"),
           shows=(rb"^HTTP/1.1 200",),
           want=None, rfc_allows=(103, 200)),
    answer("an answer of a million bytes", "RFC 9112 6.2", raw_answer(b"200 OK", b"Content-Length: 1000000",
        body=b"x" * 1_000_000),
           shows=(rb"\r\n\r\nx{1000}",)),
    answer("a status that nobody knows", "RFC 9110 15", raw_answer(b"299 Curious", b"Content-Length: 0"), want=(299,)),
    answer("a failure of the back end is passed on", "RFC 9110 15.6.1",
           raw_answer(b"500 Oops", b"Content-Length: 4", body=b"oops"), want=(500,),
           not_2xx=1, shows=(rb"oops",)),
    answer("a redirect is passed on", "RFC 9110 15.4.3", raw_answer(b"302 Found", b"Location: /elsewhere",
        b"Content-Length: 0"), want=(302,), not_2xx=1,
           shows=(rb"^location: */elsewhere\r",)),
]

ANSWER_FIELDS = [
    answer("Set-Cookie lines are not merged", "RFC 6265 3", raw_answer(b"200 OK", b"Set-Cookie: a=1",
        b"Set-Cookie: b=2; Path=/", b"Content-Length: 0"),
           shows=(rb"^set-cookie: *a=1\r", rb"^set-cookie: *b=2; Path=/\r")),
    answer("high bytes in an answer's value stay", "RFC 9110 5.5", raw_answer(b"200 OK", b"X-A: caf\xe9 \xff",
        b"Content-Length: 0"), shows=(rb"^x-a: caf\xe9 \xff\r",)),
    answer("Connection of the answer and what it names stop here", "RFC 9110 7.6.1",
           raw_answer(b"200 OK", b"Connection: X-Hop", b"X-Hop: 1", b"Keep-Alive: timeout=9",
                      b"Proxy-Connection: close", b"X-End: 2", b"Content-Length: 0"),
           shows=(rb"^x-end: *2\r",), hides=(rb"^x-hop:", rb"^keep-alive: timeout=9", rb"^proxy-connection:")),
    answer("Upgrade of the answer stops here", "RFC 9110 7.8", raw_answer(b"200 OK", b"Connection: Upgrade",
        b"Upgrade: h2", b"Content-Length: 0"),
           hides=(rb"^upgrade:",)),
    answer("Via on the answer", "RFC 9110 7.6.3", raw_answer(b"200 OK", b"Via: 1.1 inner", b"Content-Length: 0"),
           shows=(rb"^via: *1\.1 inner\r", rb"^via: *1\.1 warren\r"),
           product=True),
    answer("Date is added where there is none", "RFC 9110 6.6.1", raw_answer(b"200 OK", b"Content-Length: 0"),
           shows=(rb"^date: *[A-Z][a-z]{2}, \d\d ",)),
    answer("Date of the back end stays", "RFC 9110 6.6.1", raw_answer(b"200 OK", b"Date: Sun, 06 Nov 1994 08:49:37 GMT",
        b"Content-Length: 0"),
           shows=(rb"^date: *Sun, 06 Nov 1994 08:49:37 GMT\r",), rfc_allows=(200,)),
    answer("Content-Encoding, ETag and Vary are not touched", "RFC 9110 7.7",
           raw_answer(b"200 OK", b"Content-Encoding: gzip", b'ETag: W/"1"', b"Vary: Accept", b"Content-Length: 2",
                      body=b"\x1f\x8b"),
           shows=(rb"^content-encoding: *gzip\r", rb'^etag: *W/"1"\r', rb"^vary: *Accept\r", rb"\x1f\x8b")),
]

BROKEN = [
    answer(name, section, raw, post(), seen=(Seen(b"POST"),), want=(502,), not_2xx=1, answer_ends=True, **options)
    for name, section, raw, options in [
        ("an answer that is no HTTP", "RFC 9112 4", b"hello\r\n\r\n", {"rfc_allows": (200,)}),
        ("an answer without end", "RFC 9112 8", raw_answer(b"200 OK", b"Content-Length: 10", body=b"short"),
         {"rfc_allows": ("closed",)}),
        ("an answer with a NUL in a value", "RFC 9110 5.5", raw_answer(b"200 OK", b"X-A: \0", b"Content-Length: 0"),
         {"rfc_allows": (200,)}),
        ("an answer with two lengths", "RFC 9112 6.3", raw_answer(b"200 OK", b"Content-Length: 2", b"Content-Length: 3",
            body=b"oka"), {}),
        ("an answer with bad chunks", "RFC 9112 7.1", raw_answer(b"200 OK", b"Transfer-Encoding: chunked",
            body=b"zz\r\nhello"), {"rfc_allows": ("closed",)}),
        ("no answer", "RFC 9110 15.6.3", SILENCE, {}),
    ]]

LIMITS = [
    refused("a request line beyond the limit", "RFC 9110 15.5.15", request(target=b"/" + b"a" * 20_000), 414,
            rfc_allows=(400,)),
    refused("an endless request line", "RFC 9110 15.5.15", b"GET /" + b"a" * 70_000, 414, rfc_allows=(400,)),
    refused("an endless method", "RFC 9112 3", b"A" * 70_000, {400, 414}, rfc_allows=(501,)),
    refused("one field beyond the limit", "RFC 6585 5", request(b"GET", b"/", b"X-A: " + b"a" * 20_000), 431,
            rfc_allows=(400,)),
    refused("many fields beyond the limit", "RFC 6585 5", request(b"GET", b"/",
        *[b"X-%d: %s" % (i, b"a" * 400) for i in range(60)]), 431, rfc_allows=(400,)),
    refused("more fields than anybody sends", "RFC 6585 5", request(b"GET", b"/",
        *[b"X-%d: 1" % i for i in range(400)]), 431, rfc_allows=(200, 400)),
    refused("a name beyond the limit", "RFC 6585 5", request(b"GET", b"/", b"n" * 300 + b": 1"), 431,
            rfc_allows=(200, 400)),
    Case("HEAD that is refused has no body", "RFC 9110 9.3.2", request(b"HEAD", b"/", b"X-A: " + b"a" * 20_000), (431,),
         CLOSED, head=(0,), rfc_allows=(400,)),
    refused("a body announced beyond the limit", "RFC 9110 15.5.14", post(b"Content-Length: 99999999"), 413),
    refused("a chunk beyond the limit", "RFC 9110 15.5.14", chunked(b"5f5e0ff\r\nhello"), 413, product=True),
    refused("chunks that add up beyond the limit", "RFC 9110 15.5.14",
            chunked((b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 5), 413, front="tight", product=True),
    refused("the answer to a refused upload arrives though all of it is sent", "RFC 9112 9.6",
            post(b"Content-Length: 20000000", body=b"x" * 20_000_000), 413),
    ok("the connection serves on behind a body of the size allowed", "RFC 9110 15.5.14",
       post(b"Content-Length: 65536", body=b"x" * 65_536) + request(target=b"/2"),
       Seen(b"POST", body=b"x" * 65_536), Seen(target=b"/2"), front="tight"),
]

TIMEOUTS = [
    refused("half a head, then nothing", "RFC 9110 15.5.9", b"GET / HTTP/1.1\r\nHo", 408, front="tight",
            rfc_allows=("closed",)),
    refused("a head that trickles without end", "RFC 9110 15.5.9", (b"GET / HTTP/1.1\r\nX: ", Dribble(b"a" * 30, 0.05)),
            408, front="tight", rfc_allows=("closed",)),
    refused("half a body, then nothing", "RFC 9110 15.5.9", post(b"Content-Length: 10", body=b"hello"), 408,
            front="tight", rfc_allows=("closed",)),
    refused("a body that trickles without end", "RFC 9110 15.5.9", (post(b"Content-Length: 1000"),
        Dribble(b"a" * 40, 0.05)), 408, front="tight", product=True),
    refused("half a chunked body, then nothing", "RFC 9110 15.5.9", chunked(b"5\r\nhello\r\n"), 408, front="tight",
            rfc_allows=("closed",)),
    refused("100 sent, and no body comes", "RFC 9110 15.5.9", (post(b"Expect: 100-continue", b"Content-Length: 5"),
        Await(1)), want=(100, 408), front="tight",
            rfc_allows=("closed",)),
    Case("a connection without a request is closed in silence", "RFC 9112 9.5", (Wait(0.1),), (), CLOSED, front="tight",
         rfc_allows=(408,)),
    Case("a connection that idles after its answer is closed in silence", "RFC 9112 9.5",
         (request(), Await(1), Wait(0.1)), (200,), CLOSED, (Seen(),), front="tight"),
    Case("a pipeline whose last head stops short", "RFC 9112 9.5", (request(target=b"/1") + b"GET /2 HTTP/1.1\r\nHo",),
         (200, 408), CLOSED, (Seen(target=b"/1"),),
         front="tight", rfc_allows=("closed",)),
    ok("an answer that takes longer than all of them", "RFC 9112 9.5", request(target=b"/delay-1500/x"),
       Seen(target=b"/delay-1500/x"), front="tight"),
]

AREAS = {"answer framing": FRAMING, "answer fields": ANSWER_FIELDS, "broken answers": BROKEN, "limits": LIMITS,
         "timeouts": TIMEOUTS}
