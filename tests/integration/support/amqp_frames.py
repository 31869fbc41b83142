"""AMQP 0-9-1 frame by frame, with pika's own tables: what a client library would not send, and every frame that comes back."""

import socket
import time

import pika
from pika import frame, spec

HEADER = b"AMQP\x00\x00\x09\x01"


def method(channel, what):
    """A method frame as bytes."""
    return frame.Method(channel, what).marshal()


def content(channel, body, properties=None, announced=None):
    """Header and body frames as bytes; `announced` is the length that the header tells."""
    head = frame.Header(channel, len(body) if announced is None else announced, properties or pika.BasicProperties()).marshal()
    return head + (frame.Body(channel, body).marshal() if body else b"")


def raw_frame(kind, channel, payload, end=b"\xce"):
    """Any frame, right or wrong."""
    return bytes([kind]) + channel.to_bytes(2, "big") + len(payload).to_bytes(4, "big") + payload + end


def is_frame(found):
    """Whether FrameClient.read gave something; pika's frames cannot be compared with other things."""
    return found is not None and not isinstance(found, str)


def described(something):
    """A frame as text, to be compared."""
    if isinstance(something, frame.Method):
        return f"{something.channel_number} {something.method!r}"
    if isinstance(something, frame.Header):
        return f"{something.channel_number} header {something.body_size} {something.properties!r}"
    if isinstance(something, frame.Body):
        return f"{something.channel_number} body {len(something.fragment)}"
    return repr(something) if isinstance(something, (str, bytes)) else type(something).__name__


class FrameClient:
    """One connection. For one thread."""

    def __init__(self, address, timeout=10):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout, self.buffer, self.closed = timeout, b"", False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *pieces):
        """Bytes, one after the other. A peer that has closed is not an error: what it said before is read later."""
        try:
            self.socket.settimeout(self.timeout)
            self.socket.sendall(b"".join(pieces))
        except OSError:
            pass
        return self

    def dribble(self, octets):
        """Each byte in a segment of its own."""
        for octet in octets:
            self.send(bytes([octet]))
        return self

    def read(self, timeout=None):
        """The next frame, or the bytes of a protocol header; None once the peer has closed, "quiet" if nothing came."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if self.buffer.startswith(b"AMQP") and len(self.buffer) >= 8:
                header, self.buffer = self.buffer[:8], self.buffer[8:]
                return header
            taken, found = frame.decode_frame(self.buffer) if not self.buffer.startswith(b"A") else (0, None)
            if found is not None:
                self.buffer = self.buffer[taken:]
                if not isinstance(found, frame.Heartbeat):
                    return found
                continue
            if self.closed:
                return None
            left = end - time.monotonic()
            if left <= 0:
                return "quiet"
            self._receive(left)

    def _receive(self, seconds):
        self.socket.settimeout(max(seconds, 0.01))
        try:
            more = self.socket.recv(1 << 16)
            self.closed = not more
            self.buffer += more
        except socket.timeout:
            pass
        except OSError:  # A reset: some of what was sent came after the peer had closed.
            self.closed = True

    def until(self, kind):
        """Reads up to a method of this class; returns it. Content frames on the way are dropped."""
        while True:
            found = self.read()
            assert is_frame(found), f"{kind.__name__} did not come: {found or 'closed'}"
            if isinstance(found, frame.Method) and isinstance(found.method, kind):
                return found.method
            closed = (spec.Connection.Close, spec.Channel.Close)
            assert not (isinstance(found, frame.Method) and isinstance(found.method, closed)), f"{found.method}"

    def until_closed(self, channel):
        """The next frame, which is the end of this channel; its method."""
        found = self.read()
        assert isinstance(found, frame.Method) and isinstance(found.method, spec.Channel.Close), described(found)
        assert found.channel_number == channel
        return found.method

    def ask(self, channel, what, answer):
        """Sends a method and waits for its answer."""
        self.send(method(channel, what))
        return self.until(answer)

    def login(self, channels=(1,)):
        """The whole handshake, and these channels opened."""
        self.send(HEADER)
        self.until(spec.Connection.Start)
        self.send(method(0, spec.Connection.StartOk({"capabilities": {"consumer_cancel_notify": True}},
                                                    response=b"\0guest\0guest")))
        tune = self.until(spec.Connection.Tune)
        self.send(method(0, spec.Connection.TuneOk(tune.channel_max, tune.frame_max, 0)),
                  method(0, spec.Connection.Open("/")))
        self.until(spec.Connection.OpenOk)
        for channel in channels:
            self.ask(channel, spec.Channel.Open(), spec.Channel.OpenOk)
        return self

    def close(self):
        """Without a word."""
        self.socket.close()
