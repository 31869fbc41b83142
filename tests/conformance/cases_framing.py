"""Where a body ends: Content-Length, chunks, and every way to have two readers see it differently (RFC 9112 6, 7)."""

from case import SMUGGLED, Case, KEPT, Seen, chunked, ok, post, refused, request

HELLO = Seen(b"POST", body=b"hello")
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def lengths(name, *fields, body=b"hello" + SMUGGLED, section="RFC 9112 6.3", **options):
    """A POST with these framing fields that must be refused."""
    return refused(name, section, post(*fields, body=body), **options)


def chunks(name, body, section="RFC 9112 7.1", **options):
    """A chunked body that must be refused, with another request behind it."""
    return refused(name, section, chunked(body + SMUGGLED), **options)


LENGTH = [
    ok("Content-Length frames the body", "RFC 9112 6.2", post(b"Content-Length: 5", body=b"hello"), HELLO),
    ok("leading zeros in Content-Length", "RFC 9110 8.6", post(b"Content-Length: 0005", body=b"hello"), HELLO),
    ok("a POST without Content-Length has no body", "RFC 9112 6.3", post() + request(target=b"/2"), Seen(b"POST"),
       Seen(target=b"/2"),
       rfc_allows=(411,)),
    ok("Content-Length 0", "RFC 9110 8.6", post(b"Content-Length: 0"), Seen(b"POST")),
    lengths("two different Content-Lengths", b"Content-Length: 5", b"Content-Length: 6"),
    lengths("the same Content-Length twice", b"Content-Length: 5", b"Content-Length: 5", rfc_allows=(200,)),
    lengths("a list of equal Content-Lengths", b"Content-Length: 5, 5", rfc_allows=(200,)),
    lengths("a list of different Content-Lengths", b"Content-Length: 5, 6"),
    lengths("a plus sign", b"Content-Length: +5"),
    lengths("a minus sign", b"Content-Length: -5"),
    lengths("hexadecimal", b"Content-Length: 0x5"),
    lengths("a decimal point", b"Content-Length: 5.0"),
    lengths("an empty Content-Length", b"Content-Length:"),
    lengths("letters behind the number", b"Content-Length: 5a"),
    lengths("two numbers with a space", b"Content-Length: 5 5"),
    lengths("more than 64 bits", b"Content-Length: 18446744073709551621"),
    lengths("two to the power of 63", b"Content-Length: 9223372036854775808", rfc_allows=(413,)),
    lengths("Content-Length with a space before its colon", b"Content-Length : 5", section="RFC 9112 5.1"),
    lengths("a folded Content-Length", b"Content-Length:", b" 5", section="RFC 9112 5.2", rfc_allows=(200,)),
    lengths("a vertical tab around the number", b"Content-Length: \x0b5"),
    lengths("digits that are no ASCII", b"Content-Length: \xd9\xa5"),
]

BOTH = [
    lengths("Content-Length, then Transfer-Encoding", b"Content-Length: 5", b"Transfer-Encoding: chunked",
            body=CHUNKS + SMUGGLED,
            rfc_allows=(200,)),
    lengths("Transfer-Encoding, then Content-Length", b"Transfer-Encoding: chunked", b"Content-Length: 4",
            body=CHUNKS + SMUGGLED,
            rfc_allows=(200,)),
    lengths("CL.TE: a chunked body that Content-Length makes longer", b"Content-Length: 46",
            b"Transfer-Encoding: chunked",
            body=b"0\r\n\r\n" + SMUGGLED, rfc_allows=(200,)),
    lengths("Transfer-Encoding: identity with Content-Length", b"Content-Length: 5", b"Transfer-Encoding: identity",
            rfc_allows=(501,)),
]

CODING = [
    ok("chunked frames the body", "RFC 9112 7.1", chunked(CHUNKS), Seen(b"POST", body=b"hello",
        fields=((b"transfer-encoding", None),)),
       product=True),
    ok("codings have no case", "RFC 9112 7", chunked(CHUNKS, coding=b"TRANSFER-ENCODING: ChUnKeD"), HELLO),
    ok("white space around chunked", "RFC 9112 5", chunked(CHUNKS, coding=b"Transfer-Encoding:\t chunked \t"), HELLO),
    refused("Transfer-Encoding in HTTP/1.0", "RFC 9112 6.1",
            request(b"POST", b"/", b"Connection: keep-alive", b"Transfer-Encoding: chunked", body=CHUNKS + SMUGGLED,
                    version=b"HTTP/1.0"), rfc_allows=(200,)),
    lengths("chunked twice in one line", b"Transfer-Encoding: chunked, chunked", body=CHUNKS, section="RFC 9112 6.1",
            rfc_allows=(501,)),
    lengths("chunked in two lines", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=CHUNKS,
            section="RFC 9112 6.1"),
    lengths("chunked and identity in two lines", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
            body=CHUNKS,
            section="RFC 9112 6.3"),
    lengths("identity and chunked in two lines", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked",
            body=CHUNKS,
            section="RFC 9112 6.1", rfc_allows=(422, 501)),
    lengths("chunked is not last", b"Transfer-Encoding: chunked, gzip", body=CHUNKS, rfc_allows=(501,)),
    lengths("a coding that is not known", b"Transfer-Encoding: gzip, chunked", body=CHUNKS, section="RFC 9112 6.1",
            status=501,
            rfc_allows=(400, 422)),
    lengths("gzip alone", b"Transfer-Encoding: gzip", body=CHUNKS, rfc_allows=(501,)),
    lengths("xchunked", b"Transfer-Encoding: xchunked", body=CHUNKS, rfc_allows=(501,)),
    lengths("chunkedx", b"Transfer-Encoding: chunkedx", body=CHUNKS, rfc_allows=(501,)),
    lengths("chunked in quotes", b'Transfer-Encoding: "chunked"', body=CHUNKS, rfc_allows=(501,)),
    lengths("chunked with a parameter", b"Transfer-Encoding: chunked;a=b", body=CHUNKS, rfc_allows=(501,)),
    lengths("chunk and ed in two words", b"Transfer-Encoding: chunk ed", body=CHUNKS, rfc_allows=(501,)),
    lengths("an empty Transfer-Encoding", b"Transfer-Encoding:", body=CHUNKS, rfc_allows=(501,)),
    lengths("an empty Transfer-Encoding with Content-Length", b"Transfer-Encoding:", b"Content-Length: 5",
            rfc_allows=(501,)),
    lengths("a comma behind chunked", b"Transfer-Encoding: chunked,", body=CHUNKS, section="RFC 9110 5.6.1",
            rfc_allows=(200, 501)),
    lengths("a comma before chunked", b"Transfer-Encoding: ,chunked", body=CHUNKS, section="RFC 9110 5.6.1",
            status={400, 501},
            rfc_allows=(200, 422)),
    lengths("a space before the colon of Transfer-Encoding", b"Transfer-Encoding : chunked", body=CHUNKS,
            section="RFC 9112 5.1"),
    lengths("a tab before the colon of Transfer-Encoding", b"Transfer-Encoding\t: chunked", body=CHUNKS,
            section="RFC 9112 5.1"),
    lengths("a vertical tab before chunked", b"Transfer-Encoding: \x0bchunked", body=CHUNKS, rfc_allows=(501,)),
    lengths("a form feed behind chunked", b"Transfer-Encoding: chunked\x0c", body=CHUNKS, rfc_allows=(501,)),
    lengths("a NUL in chunked", b"Transfer-Encoding: chunked\0", body=CHUNKS, rfc_allows=(501,)),
    lengths("a folded Transfer-Encoding", b"Transfer-Encoding:", b" chunked", body=CHUNKS, section="RFC 9112 5.2",
            rfc_allows=(200,)),
    lengths("a bare LF before a hidden Transfer-Encoding", b"X-A: 1\nTransfer-Encoding: chunked", body=CHUNKS,
            section="RFC 9112 2.2",
            rfc_allows=(200,)),
    lengths("a bare CR before a hidden Content-Length", b"X-A: 1\rContent-Length: 5", section="RFC 9112 2.2",
            rfc_allows=(200,)),
]

CHUNKED = [
    ok("chunks of several sizes, in capitals and small letters", "RFC 9112 7.1",
       chunked(b"A\r\n0123456789\r\n1\r\nx\r\nf\r\n0123456789abcde\r\n0\r\n\r\n"),
       Seen(b"POST", body=b"0123456789x0123456789abcde")),
    ok("an empty chunked body", "RFC 9112 7.1", chunked(b"0\r\n\r\n"), Seen(b"POST")),
    ok("leading zeros in sizes", "RFC 9112 7.1", chunked(b"0005\r\nhello\r\n000\r\n\r\n"), HELLO),
    ok("chunk extensions are dropped", "RFC 9112 7.1.1", chunked(b'5;a;b=c;d="e"\r\nhello\r\n0;x\r\n\r\n'), HELLO),
    ok("space before a chunk extension", "RFC 9112 7.1.1", chunked(b"5 ; a=b\r\nhello\r\n0\r\n\r\n"), HELLO,
       rfc_allows=(400,)),
    ok("trailers are dropped", "RFC 9110 6.5.1", chunked(b"5\r\nhello\r\n0\r\nX-A: 1\r\nContent-Length: 9\r\n\r\n"),
       Seen(b"POST", body=b"hello", fields=((b"x-a", None),))),
    ok("chunk data may look like chunks", "RFC 9112 7.1", chunked(b"7\r\n0\r\n\r\nxx\r\n0\r\n\r\n"),
       Seen(b"POST", body=b"0\r\n\r\nxx")),
    ok("a request right behind the last chunk", "RFC 9112 7.1", chunked(CHUNKS) + request(target=b"/2"), HELLO,
       Seen(target=b"/2")),
    chunks("a bare LF behind a size", b"5\nhello\r\n0\r\n\r\n"),
    chunks("a bare CR behind a size", b"5\rhello\r\n0\r\n\r\n"),
    chunks("a bare LF behind chunk data", b"5\r\nhello\n0\r\n\r\n"),
    chunks("chunk data longer than its size", b"4\r\nhello\r\n0\r\n\r\n"),
    chunks("chunk data shorter than its size", b"6\r\nhello\r\n0\r\n\r\n"),
    chunks("a size that is no number", b"x\r\nhello\r\n0\r\n\r\n"),
    chunks("an empty size", b"\r\nhello\r\n0\r\n\r\n"),
    chunks("0x before a size", b"0x5\r\nhello\r\n0\r\n\r\n"),
    chunks("a plus sign before a size", b"+5\r\nhello\r\n0\r\n\r\n"),
    chunks("a minus sign before a size", b"-5\r\nhello\r\n0\r\n\r\n"),
    chunks("a space before a size", b" 5\r\nhello\r\n0\r\n\r\n"),
    chunks("a space behind a size", b"5 \r\nhello\r\n0\r\n\r\n", rfc_allows=(200,)),
    chunks("an underscore in a size", b"0_5\r\nhello\r\n0\r\n\r\n"),
    chunks("a size beyond 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n", rfc_allows=(413,)),
    chunks("a size of 64 ones", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", rfc_allows=(413,)),
    chunks("a bare LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n", section="RFC 9112 7.1.1"),
    chunks("a bare CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n", section="RFC 9112 7.1.1"),
    chunks("a NUL in an extension", b"5;a\0\r\nhello\r\n0\r\n\r\n", section="RFC 9112 7.1.1"),
    chunks("an endless extension", b"5;" + b"a" * 20_000 + b"\r\nhello\r\n0\r\n\r\n", section="RFC 9112 7.1.1",
           rfc_allows=(200, 413, 431)),
    chunks("a bare LF behind the last chunk", b"5\r\nhello\r\n0\n\r\n"),
    chunks("a bare LF as the last line", b"5\r\nhello\r\n0\r\n\n", rfc_allows=(200,)),
    chunks("a trailer without a colon", b"5\r\nhello\r\n0\r\nx\r\n\r\n", section="RFC 9112 7.1.2", rfc_allows=(200,)),
    chunks("a space before a trailer's colon", b"5\r\nhello\r\n0\r\nX-A : 1\r\n\r\n", section="RFC 9112 5.1",
           rfc_allows=(200,)),
    chunks("a folded trailer", b"5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n", section="RFC 9112 5.2", rfc_allows=(200,)),
    chunks("a control byte in a trailer", b"5\r\nhello\r\n0\r\nX-A: \x01\r\n\r\n", section="RFC 9110 5.5",
           rfc_allows=(200,)),
    chunks("endless trailers", b"0\r\n" + b"X-A: 0123456789\r\n" * 2_000 + b"\r\n", section="RFC 9110 6.5.1",
           status=431,
           rfc_allows=(200, 400, 413)),
]

ANY_METHOD = [
    ok(f"a body on {method.decode()} is passed on", "RFC 9110 9.3", request(method, b"/", b"Content-Length: 5",
        body=b"hello"),
       Seen(method, body=b"hello"), rfc_allows=(400,)) for method in (b"GET", b"DELETE", b"OPTIONS", b"PATCH")
] + [
    ok("a chunked body on GET, and a request behind it", "RFC 9110 9.3.1",
       request(b"GET", b"/", b"Transfer-Encoding: chunked", body=CHUNKS) + request(target=b"/2"), Seen(body=b"hello"),
       Seen(target=b"/2"),
       rfc_allows=(400,)),
    Case("a body on HEAD is passed on, and none comes back", "RFC 9110 9.3.2",
         request(b"HEAD", b"/", b"Content-Length: 5", body=b"hello"),
         (200,), KEPT, (Seen(b"HEAD", body=b"hello"),), head=(0,), rfc_allows=(400,)),
    ok("bytes of every value in a body", "RFC 9110 6.4", post(b"Content-Length: 256", body=bytes(range(256))),
       Seen(b"POST", body=bytes(range(256)))),
    ok("a body that looks like a request", "RFC 9112 6.2", post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
       Seen(b"POST", body=SMUGGLED)),
    ok("a body of a million bytes", "RFC 9110 6.4", post(b"Content-Length: 1000000", body=b"0123456789" * 100_000),
       Seen(b"POST", body=b"0123456789" * 100_000)),
    ok("a million bytes in ten chunks", "RFC 9112 7.1",
       chunked((b"186a0\r\n" + b"0123456789" * 10_000 + b"\r\n") * 10 + b"0\r\n\r\n"),
       Seen(b"POST", body=b"0123456789" * 100_000)),
]

AREAS = {"Content-Length": LENGTH, "both framings": BOTH, "Transfer-Encoding": CODING, "chunks": CHUNKED,
         "bodies": ANY_METHOD}
