"""Raw HTTP/1.1 for tests: bytes out, a parsed answer back, field values kept as bytes."""

import contextlib
import socket
from dataclasses import dataclass

from .waiting import wait_until


@dataclass
class Answer:
    """`fields` are (name, value) pairs of bytes, in order; names as they came."""
    status: int
    fields: list
    body: bytes

    def values(self, name):
        """Every value of a field, as bytes."""
        return [value for key, value in self.fields if key.lower() == name.lower().encode()]

    def value(self, name):
        """The only value of a field as text; None if it is not there."""
        found = self.values(name)
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0].decode("latin-1") if found else None


class Connection:
    """One connection that can carry several requests. Every wait ends after `timeout` seconds."""

    def __init__(self, port, timeout=40, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes it."""
        with contextlib.suppress(OSError):
            self.file.close()
            self.socket.close()

    def send(self, data):
        """Raw bytes."""
        self.socket.sendall(data)

    def request(self, method, target, fields=(), body=b"", host=b"localhost"):
        """A request with Host and, where there is a body, Content-Length; returns the answer."""
        lines = [method.encode() + b" " + _bytes(target) + b" HTTP/1.1", b"Host: " + host]
        lines += [_bytes(key) + b": " + _bytes(value) for key, value in fields]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(b"Content-Length: " + str(len(body)).encode())
        self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        return self.read(method)

    def read(self, method="GET"):
        """The next answer; 1xx are skipped. ConnectionError if the server closed."""
        while True:
            answer = self._read_one(method)
            if answer.status >= 200:
                return answer

    def _read_one(self, method):
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed before an answer")
        status = int(line.split()[1])
        fields = []
        while (line := self.file.readline().rstrip(b"\r\n")):
            key, _, value = line.partition(b":")
            fields.append((key, value.strip(b" \t")))
        answer = Answer(status, fields, b"")
        if method == "HEAD" or status < 200 or status in (204, 304):
            return answer
        if any(b"chunked" in value for value in answer.values("transfer-encoding")):
            answer.body = self._chunks()
        elif answer.values("content-length"):
            length = int(answer.values("content-length")[0])
            answer.body = self.file.read(length)
            if len(answer.body) != length:
                raise ConnectionError(f"closed after {len(answer.body)} of {length} bytes")
        else:
            answer.body = self.file.read()
        return answer

    def _chunks(self):
        body = b""
        while size := int(self.file.readline().split(b";")[0], 16):
            body += self.file.read(size)
            self.file.readline()
        while self.file.readline().strip():
            pass
        return body


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def request(port, method, target, fields=(), body=b"", timeout=40):
    """One request on a connection of its own."""
    with Connection(port, timeout) as connection:
        return connection.request(method, target, fields, body)


def wait_serving(port, target="/", timeout=30):
    """Waits until GET is answered with 200."""
    def served():
        answer = request(port, "GET", target, timeout=10)
        return answer if answer.status == 200 else None
    return wait_until(served, timeout, f"GET {target} on port {port} is 200")
