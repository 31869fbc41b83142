"""Free TCP ports on the loopback interface.

Ports are taken from below the range that the kernel hands to outgoing connections: a broker that is
killed and started again must find its port free, and an outgoing connection may not have taken it.
A port found free can still be lost to another program; whoever starts a listener tries again. What runs
side by side, as groups of tests do, reserves a slice of the range each: then nobody takes the port of a
node that is down for a while. One part of a slice is for who reserved it, the other for those it starts: a
script may be written with ports for its programs before the cluster in it takes those of its nodes.
"""

import collections
import contextlib
import os
import random
import socket

LOOPBACK = "127.0.0.1"
LOWEST = 20000
FALLBACK_HIGHEST = 32000
SLICE_PORTS = 500
OWN_PORTS = 200  # Of a slice, for the process that reserved it; the rest is for those it starts.
SLICE_VARIABLE = "LOCAL_CLUSTER_PORTS"  # FIRST-LAST: where this process and those it starts take ports from.

_held = []  # The socket that marks this process's slice as taken.
_given = collections.deque(maxlen=100)  # What this process was given lately, and may not have bound yet.


def _highest():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as text:
            first_outgoing = int(text.read().split()[0])
    except (OSError, ValueError):
        return FALLBACK_HIGHEST
    return first_outgoing - 1 if first_outgoing > LOWEST + 2000 else FALLBACK_HIGHEST


def reserve():
    """Reserves a slice of the range for this process and those it starts, until it ends.

    Without a slice that is free (or when it has one, or its parent) nothing changes. The mark is a name in the kernel's
    abstract namespace, so nothing is left behind.
    """
    if os.environ.get(SLICE_VARIABLE):
        return
    for first in range(LOWEST, _highest() - SLICE_PORTS + 2, SLICE_PORTS):
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(OSError):
            mark.bind(f"\0warren-local-cluster-ports-{first}")
            _held.append(mark)
            os.environ[SLICE_VARIABLE] = f"{first}-{first + SLICE_PORTS - 1}"
            return
        mark.close()


def _range():
    first, dash, last = os.environ.get(SLICE_VARIABLE, "").partition("-")
    if not dash:
        return LOWEST, _highest()
    parted = int(first) + OWN_PORTS
    return (int(first), parted - 1) if _held else (parted, int(last))


def is_free(port):
    """Whether a listener could be bound to the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            return True
        except OSError:
            return False


def free_port(avoid=()):
    """A port that is free now, not in `avoid` and not given to this process a moment ago."""
    lowest, highest = _range()
    chooser = random.SystemRandom()
    while True:
        port = chooser.randint(lowest, highest)
        if port not in avoid and port not in _given and is_free(port):
            _given.append(port)
            return port


def answers(port):
    """Whether something accepts connections on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect((LOOPBACK, port))
            return True
        except OSError:
            return False
