"""Field lines, and what becomes of them on the way (RFC 9112 section 5, RFC 9110 sections 5 and 7.6)."""

from case import KEPT, SMUGGLED, Case, Seen, ok, refused, request

ALL_TOKEN = b"!#$%&'*+-.^_`|~x9"
LATIN = b"caf\xe9 \xff\x80"
LONG = b"v" * 7_500
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def passed(name, section, *lines, wanted, **options):
    """A GET with these field lines; `wanted` are name and values that the back end must have."""
    return ok(name, section, request(b"GET", b"/", *lines), Seen(fields=wanted), **options)


SYNTAX = [
    passed("white space around a value is not part of it", "RFC 9112 5", b"X-A: \t one two\t ", wanted=((b"x-a", (b"one two",)),)),
    passed("no white space behind the colon is needed", "RFC 9112 5", b"X-A:1", wanted=((b"x-a", (b"1",)),)),
    passed("an empty value is a value", "RFC 9110 5.5", b"X-A:", wanted=((b"x-a", (b"",)),)),
    passed("tabs inside a value stay", "RFC 9110 5.5", b"X-A: a\tb", wanted=((b"x-a", (b"a\tb",)),)),
    passed("high bytes in a value stay as they are", "RFC 9110 5.5", b"X-A: " + LATIN, wanted=((b"x-a", (LATIN,)),)),
    passed("colons, quotes and commas in a value stay", "RFC 9110 5.5", b'X-A: a:b, "c;d", (e)', wanted=((b"x-a", (b'a:b, "c;d", (e)',)),)),
    passed("every character of tokens may be in a name", "RFC 9110 5.6.2", ALL_TOKEN + b": 1", wanted=((ALL_TOKEN, (b"1",)),),
           rfc_allows=(400,)),
    passed("lines of one name keep number and order", "RFC 9110 5.3", b"X-A: 1", b"X-B: x", b"x-a: 2", b"X-A: 1",
           wanted=((b"x-a", (b"1", b"2", b"1")), (b"x-b", (b"x",)))),
    passed("Cookie lines are not merged", "RFC 9110 5.3", b"Cookie: a=1", b"Cookie: b=2", wanted=((b"cookie", (b"a=1", b"b=2")),),
           product=True),
    passed("a value of several thousand bytes", "RFC 9110 5.4", b"X-A: " + LONG, wanted=((b"x-a", (LONG,)),)),
    passed("a hundred fields", "RFC 9110 5.4", *[b"X-%d: %d" % (i, i) for i in range(90)],
           wanted=tuple((b"x-%d" % i, (b"%d" % i,)) for i in range(90))),
    passed("a name of 255 bytes", "RFC 9110 5.4", b"n" * 255 + b": 1", wanted=((b"n" * 255, (b"1",)),)),
    refused("a space before the colon", "RFC 9112 5.1", request(b"GET", b"/", b"X-A : 1")),
    refused("a tab before the colon", "RFC 9112 5.1", request(b"GET", b"/", b"X-A\t: 1")),
    refused("a folded line", "RFC 9112 5.2", request(b"GET", b"/", b"X-A: 1", b" 2"), rfc_allows=(200,)),
    refused("a line folded with a tab", "RFC 9112 5.2", request(b"GET", b"/", b"X-A: 1", b"\t2"), rfc_allows=(200,)),
    refused("a folded line behind the request line", "RFC 9112 2.2", b"GET / HTTP/1.1\r\n X-A: 1\r\nHost: a\r\n\r\n",
            rfc_allows=(200,)),
    refused("a line of white space alone", "RFC 9112 5.2", request(b"GET", b"/", b"X-A: 1", b" "), rfc_allows=(200,)),
    refused("a bare CR in a value", "RFC 9112 2.2", request(b"GET", b"/", b"X-A: 1\r2"), rfc_allows=(200,)),
    refused("a bare CR at a value's end", "RFC 9112 2.2", request(b"GET", b"/", b"X-A: 1\r"), rfc_allows=(200,)),
    refused("a bare CR before a smuggled field", "RFC 9112 2.2", request(b"GET", b"/", b"X-A: 1\rTransfer-Encoding: chunked"),
            rfc_allows=(200,)),
    refused("a bare LF behind a field", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: a\nX-A: 1\r\n\r\n", rfc_allows=(200,)),
    refused("a bare LF as the empty line", "RFC 9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\n" + SMUGGLED, rfc_allows=(200,)),
    refused("lines that end in LF alone", "RFC 9112 2.2", b"GET / HTTP/1.1\nHost: a\n\n", rfc_allows=(200,)),
    refused("a NUL in a value", "RFC 9110 5.5", request(b"GET", b"/", b"X-A: 1\x002"), rfc_allows=(200,)),
    refused("a NUL in a name", "RFC 9110 5.1", request(b"GET", b"/", b"X\0A: 1")),
    refused("a control byte in a value", "RFC 9110 5.5", request(b"GET", b"/", b"X-A: \x0b"), rfc_allows=(200,)),
    refused("DEL in a value", "RFC 9110 5.5", request(b"GET", b"/", b"X-A: \x7f"), rfc_allows=(200,)),
    refused("an empty name", "RFC 9110 5.1", request(b"GET", b"/", b": 1")),
    refused("no colon", "RFC 9112 5", request(b"GET", b"/", b"X-A")),
    refused("a name with a space", "RFC 9110 5.1", request(b"GET", b"/", b"X A: 1")),
    refused("a name with a bracket", "RFC 9110 5.1", request(b"GET", b"/", b"X[1]: 1")),
    refused("a name with a slash", "RFC 9110 5.1", request(b"GET", b"/", b"X/A: 1")),
    refused("a name with a high byte", "RFC 9110 5.1", request(b"GET", b"/", b"X\xe9: 1")),
    refused("a name in quotes", "RFC 9110 5.1", request(b"GET", b"/", b'"X": 1')),
    refused("a request line among the fields", "RFC 9112 5", request(b"GET", b"/", b"GET /2 HTTP/1.1")),
]

HOP_BY_HOP = [
    passed("Connection and what it names stop here", "RFC 9110 7.6.1", b"Connection: X-Hop, x-HOP-2", b"X-Hop: 1", b"X-Hop-2: 2",
           b"X-End: 3", wanted=((b"x-hop", None), (b"x-hop-2", None), (b"x-end", (b"3",)))),
    passed("two Connection lines name fields together", "RFC 9110 7.6.1", b"Connection: X-Hop", b"Connection: X-Hop-2", b"X-Hop: 1",
           b"X-Hop-2: 2", wanted=((b"x-hop", None), (b"x-hop-2", None))),
    passed("Keep-Alive and Proxy-Connection stop here", "RFC 9110 7.6.1", b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive",
           wanted=((b"keep-alive", None), (b"proxy-connection", None))),
    passed("TE stops here", "RFC 9110 10.1.4", b"TE: trailers, deflate", b"Connection: TE", wanted=((b"te", None),)),
    passed("Upgrade is ignored", "RFC 9110 7.8", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk",
           wanted=((b"upgrade", None), (b"http2-settings", None))),
    passed("Upgrade to websocket is ignored", "RFC 9110 7.8", b"Connection: Upgrade", b"Upgrade: websocket",
           b"Sec-WebSocket-Version: 13", wanted=((b"upgrade", None), (b"sec-websocket-version", (b"13",)))),
    passed("naming Host in Connection does not remove it", "RFC 9110 7.6.1", b"Connection: host", wanted=((b"host", (b"a",)),),
           rfc_allows=(400,)),
    passed("naming what the proxy writes does not remove it", "RFC 9110 7.6.1", b"Connection: close, X-Forwarded-For, Via, X-Request-Id",
           b"X-Forwarded-For: 9.9.9.9", wanted=((b"x-forwarded-for", (b"127.0.0.1",)),), after="closed", product=True),
    passed("Authorization and Proxy-Authorization pass", "RFC 9110 11.7.2", b"Authorization: Basic YTpi", b"Proxy-Authorization: Basic YTpi",
           wanted=((b"authorization", (b"Basic YTpi",)), (b"proxy-authorization", (b"Basic YTpi",)))),
    ok("naming Content-Length in Connection does not unframe the body", "RFC 9112 6.3",
       request(b"POST", b"/", b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"), Seen(b"POST", body=b"hello"),
       rfc_allows=(400,)),
    ok("naming Transfer-Encoding in Connection does not unframe the body", "RFC 9112 6.3",
       request(b"POST", b"/", b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
       Seen(b"POST", body=b"hello", fields=((b"transfer-encoding", None),)), rfc_allows=(400,)),
]

FORWARDING = [
    passed("Via says that we were here", "RFC 9110 7.6.3", wanted=((b"via", (b"1.1 warren",)),), product=True),
    passed("Via is added to the one that is there", "RFC 9110 7.6.3", b"Via: 1.0 fred", b"Via: 1.1 p", wanted=((b"via", (b"1.0 fred, 1.1 p, 1.1 warren",)),),
           product=True),
    ok("Via names the version that came", "RFC 9110 7.6.3", request(b"GET", b"/", b"Connection: keep-alive", version=b"HTTP/1.0"),
       Seen(fields=((b"via", (b"1.0 warren",)),)), product=True),
    passed("the client's address, scheme and host are told", "docs/man/warren-proxy.1", wanted=(
        (b"x-forwarded-for", (b"127.0.0.1",)), (b"x-forwarded-proto", (b"http",)), (b"x-forwarded-host", (b"a",))), product=True),
    passed("what a stranger claims about them is replaced", "docs/man/warren-proxy.1", b"X-Forwarded-For: 6.6.6.6", b"X-Forwarded-Proto: https",
           b"X-Forwarded-Host: evil", b"Forwarded: for=6.6.6.6", wanted=((b"x-forwarded-for", (b"127.0.0.1",)), (b"forwarded", None),
                                                                        (b"x-forwarded-proto", (b"http",)), (b"x-forwarded-host", (b"a",))),
           product=True),
    passed("underscores do not disguise those names", "docs/man/warren-proxy.1", b"X_Forwarded_For: 6.6.6.6", b"Transfer_Encoding: chunked",
           b"X_Own: 1", wanted=((b"x_forwarded_for", None), (b"transfer_encoding", None), (b"x_own", (b"1",))), product=True),
    passed("X-Request-Id is passed on", "docs/wire.md", b"X-Request-Id: req-1", wanted=((b"x-request-id", (b"req-1",)),), product=True),
    passed("an X-Request-Id that cannot be one is replaced", "docs/wire.md", b"X-Request-Id: a b", wanted=((b"x-request-id", (rb"re:[0-9a-f]{32}",)),),
           product=True),
    passed("X-Request-Id is made where there is none", "docs/wire.md", wanted=((b"x-request-id", (rb"re:[0-9a-f]{32}",)),), product=True),
    passed("traceparent is passed on", "W3C Trace Context 3.2", b"traceparent: " + TRACE, wanted=((b"traceparent", (TRACE,)),)),
    passed("a traceparent that is none is replaced", "W3C Trace Context 3.2", b"traceparent: 00-" + b"0" * 32 + b"-b7ad6b7169203331-01",
           wanted=((b"traceparent", (rb"re:00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",)),), product=True),
    passed("traceparent is made where there is none", "W3C Trace Context 3.2",
           wanted=((b"traceparent", (rb"re:00-[0-9a-f]{32}-[0-9a-f]{16}-00",)),), product=True),
    ok("Max-Forwards of TRACE counts down", "RFC 9110 7.6.2", request(b"TRACE", b"/", b"Max-Forwards: 3"),
       Seen(b"TRACE", fields=((b"max-forwards", (b"2",)),)), rfc_allows=(405, 501)),
    Case("OPTIONS with Max-Forwards 0 is answered here", "RFC 9110 7.6.2", request(b"OPTIONS", b"/", b"Max-Forwards: 0"), (200,), KEPT,
         own_2xx=1),
    Case("TRACE with Max-Forwards 0 goes no further", "RFC 9110 7.6.2", request(b"TRACE", b"/", b"Max-Forwards: 0"), (501,),
         rfc_allows=(200, 405)),
    passed("Max-Forwards of other methods is not looked at", "RFC 9110 7.6.2", b"Max-Forwards: 0", wanted=((b"max-forwards", (b"0",)),)),
    ok("TRACE is the back end's to answer", "RFC 9110 9.3.8", request(b"TRACE", b"/t"), Seen(b"TRACE", b"/t"), rfc_allows=(405, 501)),
]

AREAS = {"field syntax": SYNTAX, "hop-by-hop": HOP_BY_HOP, "forwarding": FORWARDING}
