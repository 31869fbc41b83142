"""An HTTP/1.1 back end that records what it was asked and answers as told; by default it echoes.

Field values are Latin-1 text, so that every byte survives: value.encode("latin-1") are the bytes on the wire.
"""

import base64
import hashlib
import http.server
import json
import socket
import threading
from dataclasses import dataclass, field


@dataclass
class Request:
    """One request as it arrived. `fields` keeps order, case and repetition."""
    method: str
    path: str
    fields: list
    body: bytes
    number: int

    def values(self, name):
        """Every value of a field."""
        return [value for key, value in self.fields if key.lower() == name.lower()]


@dataclass
class Response:
    """What to answer. Content-Length is added unless `fields` has it; `fields` is a list of pairs."""
    status: int = 200
    fields: list = field(default_factory=list)
    body: bytes = b""
    reason: str = "Reason"


class Backend:
    """Serves on a free port until close(). `respond(request) -> Response` may be replaced at any time;
    it is called on the connection's thread, so it may sleep."""

    def __init__(self, name="backend", respond=None, port=0):
        self.name = name
        self.respond = respond or self.echo
        self.requests = []
        self._lock = threading.Lock()
        backend = self

        class Handler(_Handler):  # pylint: disable=too-few-public-methods
            """Bound to this back end."""
            owner = backend

        self._server = _Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def echo(self, request):
        """The request as JSON: name of the back end, method, path, fields, body and its digest."""
        text = json.dumps({
            "backend": self.name, "number": request.number, "method": request.method, "path": request.path,
            "fields": request.fields, "body": base64.b64encode(request.body[:65536]).decode(),
            "length": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest()})
        return Response(200, [("Content-Type", "application/json"), ("X-Backend", self.name)], text.encode())

    def record(self, method, path, fields, body):
        """Adds a request to `requests`."""
        with self._lock:
            request = Request(method, path, fields, body, len(self.requests))
            self.requests.append(request)
        return request

    def executions(self, path):
        """How often a path was asked for."""
        with self._lock:
            return sum(request.path == path for request in self.requests)

    def close(self):
        """Stops listening and closes every connection."""
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_address = True

    def __init__(self, *arguments):
        self.open_sockets = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self.open_sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open_sockets.discard(request)
        super().shutdown_request(request)

    def close_connections(self):
        """Cuts what is still open."""
        for open_socket in list(self.open_sockets):
            try:
                open_socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request, client_address):
        """A client that goes away is part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    owner = None

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        """Quiet."""

    def _body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                if size == 0:
                    while self.rfile.readline().strip():
                        pass
                    return body
                body += self.rfile.read(size)
                self.rfile.readline()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self):
        fields = [(key, value) for key, value in self.headers.items()]
        request = self.owner.record(self.command, self.path, fields, self._body())
        response = self.owner.respond(request)
        names = {key.lower() for key, _ in response.fields}
        lines = [f"HTTP/1.1 {response.status} {response.reason}"]
        lines += [f"{key}: {value}" for key, value in response.fields]
        if "content-length" not in names and "transfer-encoding" not in names and response.status not in (204, 304):
            lines.append(f"Content-Length: {len(response.body)}")
        self.wfile.write("\r\n".join(lines + ["", ""]).encode("latin-1"))
        if self.command != "HEAD" and response.status not in (204, 304):
            self.wfile.write(response.body)
        self.wfile.flush()
        if "close" in dict((key.lower(), value) for key, value in response.fields).get("connection", ""):
            self.close_connection = True
