"""A relay in front of a broker's port that can misbehave, for tests of bad networks and bad answers.

Modes: pass (both ways), error500, html, half (full Content-Length, half the body, then closed),
half_json (well-formed HTTP whose document ends in the middle), nothing (takes what comes, never
answers), cut (closes at once). All but pass, nothing and cut are for HTTP.
"""

import contextlib
import socket
import threading

MODES = ("pass", "error500", "html", "half", "half_json", "nothing", "cut")
HTML = b"<!doctype html><html><body><h1>It works!</h1></body></html>"


class Relay:
    """Listens on a free port; `target` is HOST:PORT. Setting `mode` cuts the connections that are open."""

    def __init__(self, target, mode="pass"):
        host, _, port = target.removeprefix("http://").rpartition(":")
        self._target = (host, int(port))
        self._mode = mode
        self._open = set()
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
                    back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                    back.start()
                    _copy(client, server)
                    back.join()
            elif mode == "nothing":
                while client.recv(65536):
                    pass
            elif mode != "cut":
                self._misanswer(client, mode, _read_head(client))

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


def _copy(source, sink):
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
    except OSError:
        pass
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
