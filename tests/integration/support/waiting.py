"""Waiting for something to become true, with an end."""

import time

UNHURRIED_S = 20  # Waits of this length and more are for what comes when it comes, not for what has to be quick.
PATIENCE = 3  # So much longer they may take where others keep the machine busy.


def wait_until(predicate, timeout=30, message="", interval=0.1):
    """Calls `predicate` until it returns something true, and returns that.

    An exception counts as "not yet". `message` is a text, or a callable asked when the time is up; the
    last value or exception is part of the failure in any case. Waits of UNHURRIED_S and more end after PATIENCE
    times as long.
    """
    if timeout >= UNHURRIED_S:
        timeout *= PATIENCE
    end = time.monotonic() + timeout
    last = None
    while True:
        try:
            last = predicate()
            if last:
                return last
        except Exception as error:  # pylint: disable=broad-except
            last = error
        if time.monotonic() > end:
            text = message() if callable(message) else message
            raise AssertionError(f"not within {timeout} s: {text or predicate}; last: {last!r}")
        time.sleep(interval)


def always(predicate, duration, message="", interval=0.1):
    """Fails if `predicate` stops being true within `duration` seconds."""
    end = time.monotonic() + duration
    while time.monotonic() < end:
        assert predicate(), f"stopped being true: {message or predicate}"
        time.sleep(interval)
