"""Free TCP ports on the loopback interface.

Ports are taken from below the range that the kernel hands to outgoing connections: a broker that is
killed and started again must find its port free, and an outgoing connection may not have taken it.
A port found free can still be lost to another program; whoever starts a listener tries again.
"""

import random
import socket

LOOPBACK = "127.0.0.1"
LOWEST = 20000
FALLBACK_HIGHEST = 32000


def _highest():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as text:
            first_outgoing = int(text.read().split()[0])
    except (OSError, ValueError):
        return FALLBACK_HIGHEST
    return first_outgoing - 1 if first_outgoing > LOWEST + 2000 else FALLBACK_HIGHEST


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
    """A port that is free now and not in `avoid`."""
    highest = _highest()
    chooser = random.SystemRandom()
    while True:
        port = chooser.randint(LOWEST, highest)
        if port not in avoid and is_free(port):
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
