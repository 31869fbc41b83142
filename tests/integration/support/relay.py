"""A relay in front of a broker's port that can misbehave, for tests of bad networks and bad answers.

Modes: pass (both ways), error500, html, half (full Content-Length, half the body, then closed),
half_json (well-formed HTTP whose document ends in the middle), nothing (takes what comes, never
answers), cut (closes at once). All but pass, nothing and cut are for HTTP.
"""

import contextlib
import socket
import threading
import time

MODES = ("pass", "error500", "html", "half", "half_json", "nothing", "cut")
HEAD_BYTES = 4096
HTML = b"<!doctype html><html><body><h1>It works!</h1></body></html>"


class Relay:
    """Listens on a free port; `target` is HOST:PORT. Setting `mode` cuts the connections that are open. `bytes_per_s`,
    unless 0, is the pace of each direction of each connection."""

    def __init__(self, target, mode="pass", bytes_per_s=0):
        self._pause_per_byte = 1 / bytes_per_s if bytes_per_s else 0
        host, _, port = target.removeprefix("http://").rpartition(":")
        self._target = (host, int(port))
        self._mode = mode
        self._open, self._pairs = set(), set()
        self._lock = threading.Lock()
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def mode(self):
        """How new connections are treated."""
        return self._mode

    @mode.setter
    def mode(self, mode):
        assert mode in MODES, mode
        self._mode = mode
        self.drop()

    def drop(self):
        """Cuts every open connection."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def half_cut(self, marker):
        """Ends connections whose client began with something that holds `marker`, on the target's side alone: the client
        is not told, and what it sends goes nowhere. Returns how many there were."""
        with self._lock:
            pairs = [pair for pair in self._pairs if marker in pair.head]
        for pair in pairs:
            pair.end_half()
        return len(pairs)

    def close(self):
        """Stops listening and cuts every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @contextlib.contextmanager
    def _tracked(self, connection):
        with self._lock:
            self._open.add(connection)
        try:
            with connection:
                yield connection
        finally:
            with self._lock:
                self._open.discard(connection)

    def _serve(self, client):
        mode = self._mode
        with contextlib.suppress(OSError, ValueError), self._tracked(client):
            if mode == "pass":
                with self._tracked(socket.create_connection(self._target, 10)) as server:
                    server.settimeout(None)
                    self._carry(_Pair(client, server, self._pause_per_byte))
            elif mode == "nothing":
                while client.recv(65536):
                    pass
            elif mode != "cut":
                self._misanswer(client, mode, _read_head(client))

    def _carry(self, pair):
        with self._lock:
            self._pairs.add(pair)
        try:
            pair.carry()
        finally:
            with self._lock:
                self._pairs.discard(pair)

    def _misanswer(self, client, mode, head):
        if mode == "error500":
            client.sendall(_document(b"500 Internal Server Error", b"text/plain", b"boom"))
        elif mode == "html":
            client.sendall(_document(b"200 OK", b"text/html", HTML))
        else:
            body = self._true_body(head)
            half = body[:len(body) // 2]
            announced = len(body) if mode == "half" else len(half)
            client.sendall(_document(b"200 OK", b"application/json", half, announced))

    def _true_body(self, head):
        """Asks the target the same and returns the body of its answer."""
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        lines.insert(1, b"Connection: close")
        with self._tracked(socket.create_connection(self._target, 10)) as server:
            server.sendall(b"\r\n".join(lines))
            answer = b""
            while piece := server.recv(65536):
                answer += piece
        return answer.partition(b"\r\n\r\n")[2]


class _Pair:
    """A connection and its continuation; `head` is the beginning of what the client sent."""

    def __init__(self, client, server, pause_per_byte):
        self.client, self.server, self.pause_per_byte = client, server, pause_per_byte
        self.head = b""
        self.half = False

    def carry(self):
        """Both ways, until both ends are closed."""
        back = threading.Thread(target=self._back, daemon=True)
        back.start()
        self._forth()
        back.join()
        while self.half and self.client.recv(65536):
            pass

    def end_half(self):
        """Closes the server's side alone."""
        self.half = True
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)

    def _forth(self):
        for piece in self._copied(self.client, self.server):
            if len(self.head) < HEAD_BYTES:
                self.head += piece
        _end(self.server)

    def _back(self):
        for _ in self._copied(self.server, self.client):
            pass
        if not self.half:
            _end(self.client)

    def _copied(self, source, sink):
        """Copies until either ends; yields each piece before it goes on."""
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if self.pause_per_byte:
                    time.sleep(len(piece) * self.pause_per_byte)
                yield piece
                sink.sendall(piece)


def _read_head(client):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(65536)
        if not piece:
            raise ValueError("closed before the end of the head")
        head += piece
    return head


def _document(status, kind, body, announced=None):
    length = str(len(body) if announced is None else announced).encode()
    return (b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " + length +
            b"\r\nConnection: close\r\n\r\n" + body)


def _end(sink):
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
