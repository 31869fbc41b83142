#!/usr/bin/python3
"""The quickstart's HTTP application: says its name and what it was asked; sends a body back as it came.

usage: backend.py NAME PORT    (127.0.0.1; port 0 is any free one; prints the port it listens on)
"""

import http.server
import sys


class Server(http.server.ThreadingHTTPServer):
    """Many connections, none of them holds up the end."""
    daemon_threads = True
    request_queue_size = 256


class Handler(http.server.BaseHTTPRequestHandler):
    """GET and HEAD: a line of text. POST and PUT: the request's body."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Backend", sys.argv[1])
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        """Who answered what."""
        self._answer("text/plain; charset=utf-8", f"{sys.argv[1]}: {self.command} {self.path}\n".encode())

    do_HEAD = do_GET

    def do_POST(self):  # pylint: disable=invalid-name
        """An echo."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(self.headers.get("Content-Type", "application/octet-stream"), body)

    do_PUT = do_POST

    def log_message(self, *_):  # pylint: disable=arguments-differ
        """The proxy has an access log."""


if len(sys.argv) != 3 or not sys.argv[2].isdigit():
    sys.exit(__doc__)
server = Server(("127.0.0.1", int(sys.argv[2])), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
