"""Expect, pipelining, persistence, halves of connections, and bytes in odd pieces (RFC 9110 10.1.1, RFC 9112 9)."""

from case import CLOSED, EITHER, END, KEPT, RESET, Await, Case, Dribble, Seen, Wait, chunked, ok, post, refused, request

HELLO = Seen(b"POST", body=b"hello")
SLOW, FAST = b"/delay-300/slow", b"/fast"
EXPECT = b"Expect: 100-continue"
NOT_EXPECTED = Seen(b"POST", body=b"hello", fields=((b"expect", None),))


def several(*targets):
    """Requests for these targets, in one piece."""
    return b"".join(request(target=target) for target in targets)


def in_order(name, section, send, *targets, **options):
    """Answers in the order of these targets, whatever the back end does first."""
    order = rb".*".join(b"^x-target: " + target + rb"\b" for target in targets)
    return ok(name, section, send, *[Seen(target=target) for target in targets], **({"shows": (order,)} | options))


CONTINUE = [
    Case("100 is sent before the body is", "RFC 9110 10.1.1", (post(EXPECT, b"Content-Length: 5"), Await(1), b"hello"),
         (100, 200), KEPT,
         (NOT_EXPECTED,), product=True),
    Case("100 before a chunked body", "RFC 9110 10.1.1",
         (post(EXPECT, b"Transfer-Encoding: chunked"), Await(1), b"5\r\nhello\r\n0\r\n\r\n"), (100, 200), KEPT,
         (HELLO,)),
    Case("100-Continue in any case", "RFC 9110 10.1.1", (post(b"expect: 100-CONTINUE", b"Content-Length: 5"), Await(1),
                                                         b"hello"), (100, 200),
         KEPT, (HELLO,)),
    ok("no 100 when the body is there already", "RFC 9110 10.1.1", post(EXPECT, b"Content-Length: 5", body=b"hello"),
       HELLO,
       rfc_allows=(100,)),
    ok("a client that does not wait for 100", "RFC 9110 10.1.1", (post(EXPECT, b"Content-Length: 5"), Wait(0.2),
        b"hello"), HELLO,
       want=(100, 200)),
    ok("no 100 for a request without a body", "RFC 9110 10.1.1", request(b"GET", b"/", EXPECT), Seen(),
       rfc_allows=(100,)),
    ok("no 100 for Content-Length 0", "RFC 9110 10.1.1", post(EXPECT, b"Content-Length: 0"), Seen(b"POST"),
       rfc_allows=(100,)),
    Case("no 100 in HTTP/1.0", "RFC 9110 10.1.1",
         (request(b"POST", b"/", EXPECT, b"Content-Length: 5", version=b"HTTP/1.0"), Wait(0.3), b"hello"), (200,),
         CLOSED, (HELLO,)),
    refused("another expectation", "RFC 9110 10.1.1", post(b"Expect: miracles", b"Content-Length: 5", body=b"hello"),
            417,
            rfc_allows=(200,)),
    refused("another expectation beside 100-continue", "RFC 9110 10.1.1",
            post(b"Expect: 100-continue, miracles", b"Content-Length: 5"), 417,
            rfc_allows=(100, 200, "silent")),
    refused("a final answer in place of 100 when the body is too large", "RFC 9110 10.1.1",
            post(EXPECT, b"Content-Length: 99999999"), 413),
    refused("no 100 for framing that is refused", "RFC 9110 10.1.1", post(EXPECT, b"Content-Length: 5",
        b"Transfer-Encoding: chunked"),
            rfc_allows=(100, 200)),
    Case("100 waits for its turn behind an earlier answer", "RFC 9112 9.3.2",
         (request(target=SLOW) + post(EXPECT, b"Content-Length: 5"), Await(2), b"hello"), (200, 100, 200), KEPT,
         (Seen(target=SLOW), HELLO)),
    Case("two requests that expect 100, one behind the other", "RFC 9110 10.1.1",
         (post(EXPECT, b"Content-Length: 5"), Await(1), b"hello" + post(EXPECT, b"Content-Length: 5"), Await(3),
          b"hello"),
         (100, 200, 100, 200), KEPT, (HELLO, HELLO)),
    refused("bad chunks behind a 100", "RFC 9112 7.1",
            (post(EXPECT, b"Transfer-Encoding: chunked"), Await(1), b"x\r\nhello"), want=(100, 400)),
]

PIPELINING = [
    in_order("two requests in one piece", "RFC 9112 9.3.2", several(b"/1", b"/2"), b"/1", b"/2"),
    in_order("answers keep the order of requests though the first takes longest", "RFC 9112 9.3.2",
             several(SLOW, FAST, b"/3"),
             SLOW, FAST, b"/3"),
    in_order("slow and fast in turn", "RFC 9112 9.3.2", several(b"/delay-200/a", b"/b", b"/delay-100/c", b"/d"),
             b"/delay-200/a", b"/b", b"/delay-100/c", b"/d"),
    in_order("sixty requests in one piece", "RFC 9112 9.3.2", several(*[b"/%d" % i for i in range(60)]),
             *[b"/%d" % i for i in range(60)]),
    ok("bodies between heads", "RFC 9112 9.3.2",
       post(b"Content-Length: 5", body=b"hello") + request(target=b"/2") + chunked(b"1\r\nx\r\n0\r\n\r\n",
           b"/3") + request(target=b"/4"),
       HELLO, Seen(target=b"/2"), Seen(b"POST", b"/3", body=b"x"), Seen(target=b"/4")),
    ok("HEAD between GETs", "RFC 9112 6.3", request(target=b"/1") + request(b"HEAD", b"/2") + request(target=b"/3"),
       Seen(target=b"/1"), Seen(b"HEAD", b"/2"), Seen(target=b"/3"), head=(1,)),
    Case("an error in the middle is answered in its turn, and ends it", "RFC 9112 9.3.2",
         request(target=SLOW) + request(b"GET", b"/", b"X A: 1") + request(target=b"/3"), (200, 400), CLOSED,
         (Seen(target=SLOW),)),
    Case("bad framing in the middle", "RFC 9112 6.3",
         request(target=b"/1") + post(b"Content-Length: 5", b"Content-Length: 6",
                                      body=b"hello") + request(target=b"/3"), (200, 400), CLOSED,
         (Seen(target=b"/1"),)),
    Case("bad chunks in the middle", "RFC 9112 7.1",
         request(target=SLOW) + chunked(b"x\r\nhello\r\n0\r\n\r\n") + request(target=b"/3"),
         (200, 400), CLOSED, (Seen(target=SLOW),)),
    Case("rubbish behind a good request", "RFC 9112 3", request(target=b"/1") + b"\x00\xff rubbish\r\n\r\n", (200, 400),
         CLOSED,
         (Seen(target=b"/1"),)),
    Case("nothing behind Connection: close is read", "RFC 9112 9.6", request(b"GET", SLOW,
        b"Connection: close") + request(target=b"/2"),
         (200,), CLOSED, (Seen(target=SLOW),)),
    Case("a POST is not run twice when its pipeline breaks off", "RFC 9112 9.3.2",
         (request(target=b"/1") + post(b"Content-Length: 5", body=b"hel"), Await(1), END), None, CLOSED,
         (Seen(target=b"/1"),),
         rfc_allows=(408,)),
]

PERSISTENCE = [
    ok("HTTP/1.1 keeps the connection", "RFC 9112 9.3", request(), Seen(), hides=(rb"^connection: *close",)),
    Case("Connection: close", "RFC 9112 9.6", request(b"GET", b"/", b"Connection: close"), (200,), CLOSED, (Seen(),),
         shows=(rb"^connection: *close",)),
    Case("close in any case and among others", "RFC 9110 7.6.1", request(b"GET", b"/", b"Connection: x-a , CLOSE"),
         (200,), CLOSED, (Seen(),)),
    Case("close in the second Connection line", "RFC 9110 5.3", request(b"GET", b"/", b"Connection: keep-alive",
        b"Connection: close"), (200,),
         CLOSED, (Seen(),)),
    ok("HTTP/1.0 with keep-alive is kept, and told so", "RFC 9112 C.2.2",
       request(b"GET", b"/", b"Connection: Keep-Alive", version=b"HTTP/1.0"),
       Seen(), shows=(rb"^connection: *keep-alive",), hides=(rb"^transfer-encoding:",)),
    Case("HTTP/1.0 without keep-alive is closed", "RFC 9112 9.3", request(version=b"HTTP/1.0"), (200,), CLOSED,
         (Seen(),)),
    Case("HTTP/1.0 with close beside keep-alive is closed", "RFC 9112 9.3",
         request(b"GET", b"/", b"Connection: keep-alive, close", version=b"HTTP/1.0"), (200,), CLOSED, (Seen(),)),
    ok("two requests of HTTP/1.0 on one connection", "RFC 9112 C.2.2",
       request(b"GET", b"/1", b"Connection: keep-alive", version=b"HTTP/1.0") + request(b"GET", b"/2",
           b"Connection: keep-alive", version=b"HTTP/1.0"),
       Seen(target=b"/1"), Seen(target=b"/2")),
    ok("a POST of HTTP/1.0 with Content-Length", "RFC 9112 6.3",
       request(b"POST", b"/", b"Connection: keep-alive", b"Content-Length: 5", version=b"HTTP/1.0", body=b"hello"),
       HELLO),
]

HALVES = [
    Case("a client that shuts its side gets its answer", "RFC 9112 9.6", (request(target=SLOW), END), (200,), CLOSED,
         (Seen(target=SLOW),), rfc_allows=("closed",)),
    Case("all answers of a pipeline, after our side was shut", "RFC 9112 9.6", (several(SLOW, FAST), END), (200, 200),
         CLOSED,
         (Seen(target=SLOW), Seen(target=FAST)), rfc_allows=("closed",)),
    Case("half a head, then the end", "RFC 9112 8", (b"GET / HTTP/1.1\r\nHo", END), None, CLOSED, rfc_allows=(400,)),
    Case("half a body, then the end", "RFC 9112 8", (post(b"Content-Length: 10", body=b"hello"), END), None, CLOSED,
         rfc_allows=(400,)),
    Case("half a chunked body, then the end", "RFC 9112 8", (chunked(b"5\r\nhello\r\n"), END), None, CLOSED,
         rfc_allows=(400,)),
    Case("a chunked body without its last empty line, then the end", "RFC 9112 8",
         (chunked(b"5\r\nhello\r\n0\r\n"), END), None, CLOSED,
         rfc_allows=(400,)),
    Case("nothing at all, then the end", "RFC 9112 9.6", (END,), (), CLOSED, rfc_allows=(400,)),
    Case("empty lines alone, then the end", "RFC 9112 2.2", (b"\r\n\r\n", END), (), CLOSED, rfc_allows=(400,)),
    Case("half a head, then a reset", "RFC 9112 9.6", (b"GET / HTTP/1.1\r\nHo", RESET), (), EITHER),
    Case("half a body, then a reset", "RFC 9112 9.6", (post(b"Content-Length: 10", body=b"hello"), Wait(0.1), RESET),
         (), EITHER),
]

TWO = post(b"Content-Length: 5", body=b"hello") + request(target=b"/2")
PIECES = [
    ok("a request one byte at a time", "RFC 9112 2.2", (Dribble(request(b"GET", b"/x", b"X-A: 1")),),
       Seen(target=b"/x", fields=((b"x-a", (b"1",)),))),
    ok("a body one byte at a time", "RFC 9112 6.2", (Dribble(post(b"Content-Length: 5", body=b"hello")),), HELLO),
    ok("chunks one byte at a time", "RFC 9112 7.1",
       (Dribble(chunked(b"5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-A: 1\r\n\r\n")),),
       Seen(b"POST", body=b"hello0123456789")),
    ok("a pipeline one byte at a time", "RFC 9112 9.3.2", (Dribble(TWO),), HELLO, Seen(target=b"/2")),
    ok("empty lines and a request one byte at a time", "RFC 9112 2.2", (Dribble(b"\r\n\r\n" + request()),), Seen()),
    refused("a bad field, one byte at a time", "RFC 9112 5.1", (Dribble(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),)),
    ok("a GET in two pieces, split at every offset", "RFC 9112 2.2", request(b"GET", b"/x", b"X-A: 1"),
       Seen(target=b"/x", fields=((b"x-a", (b"1",)),)), split=True),
    ok("a body and a GET in two pieces, split at every offset", "RFC 9112 6.2", TWO, HELLO, Seen(target=b"/2"),
       split=True),
    ok("chunks with extension and trailer in two pieces, split at every offset", "RFC 9112 7.1",
       chunked(b"5;x=y\r\nhello\r\n0\r\nX-A: 1\r\n\r\n"), HELLO, split=True),
    refused("two framings in two pieces, split at every offset", "RFC 9112 6.3",
            request(b"POST", b"/", b"Content-Length: 5", b"Transfer-Encoding: chunked"), split=True,
            rfc_allows=(200, 408, "silent")),
]

AREAS = {"Expect": CONTINUE, "pipelining": PIPELINING, "persistence": PERSISTENCE, "half-closed": HALVES,
         "pieces": PIECES}
