"""An HTTP back end on bare sockets, which answers whatever a test scripts: any bytes, in any pieces, or nothing.

`script(request, connection)` is called for each request with the socket; it returns CLOSE to end the
connection, anything else to read the next request from it. It may be replaced at any time.
"""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

CLOSE = "close"
EARLY_S = 60
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class RawRequest:
    """One request as its bytes; `connection` counts connections from 1."""
    head: bytes
    body: bytes
    connection: int

    @property
    def line(self):
        """The request line."""
        return self.head.partition(b"\r\n")[0]

    @property
    def path(self):
        """The request target."""
        return self.line.split(b" ")[1].decode("latin-1")

    def values(self, name):
        """Every value of a field, as bytes."""
        found = []
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                found.append(value.strip())
        return found


def always(response, then=None):
    """A script that sends these bytes to each request."""
    def script(_request, connection):
        connection.sendall(response)
        return then
    return script


class RawBackend:
    """Serves on a free port, or on `port`, until close(). `early` is sent as soon as a connection says anything; what it
    says is then left unread."""

    def __init__(self, script=always(OK), port=0):
        self.script = script
        self.early = None
        self.requests = []
        self.connections = 0
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def count(self, path):
        """How often a path was asked for."""
        return sum(request.path == path for request in self.requests)

    def open_connections(self):
        """How many there are now."""
        return len(self._open)

    def stop_listening(self):
        """New connections are refused; those that are open go on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self):
        """Stops listening and cuts every connection."""
        self.stop_listening()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection, number):
        with contextlib.suppress(OSError), connection:
            if self.early and connection.recv(1, socket.MSG_PEEK):
                connection.sendall(self.early)
                time.sleep(EARLY_S)
                return
            reader = connection.makefile("rb")
            while request := _read(reader, number):
                self.requests.append(request)
                if self.script(request, connection) == CLOSE:
                    connection.shutdown(socket.SHUT_RDWR)
                    break
        self._open.discard(connection)


def _read(reader, number):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return None
        head += line
    request = RawRequest(head[:-4], b"", number)
    length = request.values("Content-Length")
    request.body = reader.read(int(length[0])) if length else b""
    return request
