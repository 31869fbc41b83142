"""What the applications ran, and what that says about the answers that the clients got."""

import os
import sys
from collections import Counter

from support.ports import free_port
from support.processes import Program
from support.waiting import wait_until
from support.http_client import request

SCRIPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "application.py")


class Applications:
    """`count` applications as processes of their own, each with its ledger in `folder`."""

    def __init__(self, folder, count):
        self.ledgers = [os.path.join(folder, f"ledger-{index}") for index in range(count)]
        self.ports = [free_port() for _ in range(count)]
        self.programs = [Program([sys.executable, "-B", SCRIPT, f"application{index}", str(port), ledger],
                                 os.path.join(folder, f"application-{index}.log"))
                         for index, (port, ledger) in enumerate(zip(self.ports, self.ledgers))]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        for port in self.ports:
            wait_until(lambda port=port: request(port, "GET", "/ready", timeout=2).status == 200, 20, "it serves")

    def runs(self):
        """Target -> names of its executions."""
        found = {}
        for ledger in self.ledgers:
            with open(ledger, encoding="ascii") as lines:
                for line in lines:
                    run, _, target = line.split()
                    found.setdefault(target, []).append(run)
        return found

    def close(self):
        """Ends all."""
        for program in self.programs:
            program.kill()


def mistakes(load, runs):
    """What is wrong with the answers by the ledgers: executions that were made up, plain POSTs that were run twice or
    answered 200 without having been run, as texts."""
    wrong = []
    for answer in load.answers:
        mine = runs.get(answer.path, [])
        if answer.status == 200 and answer.run not in mine:
            wrong.append(f"{answer.path}: answered by {answer.run}, run as {mine}")
        if answer.kind == "plain" and len(mine) > 1:
            wrong.append(f"{answer.path}: {answer.status}, and run {len(mine)} times: {mine}")
    return wrong


def repeated(load, runs):
    """Kind -> how many requests were run more than once."""
    return Counter(answer.kind for answer in load.answers if len(runs.get(answer.path, [])) > 1)


def check(load, applications, plain=(200, 502), others=(200,), at_least=500):
    """The promise of the data plane: no wrong or lost answer; retry-safe requests are answered with 200; a plain POST
    is answered once, or 502, and never run twice. `plain` and `others` are the statuses that may appear; fewer than
    `at_least` answers are no load."""
    runs = applications.runs()
    print(load.summary() + f", run again {dict(repeated(load, runs))}")
    assert not load.problems, f"{load.summary()}\n" + "\n".join(load.problems[:20])
    failed = load.failures(("get", "keyed"), others) + load.failures(("plain",), plain)
    assert not failed, f"{load.summary()}\n" + "\n".join(failed[:20])
    wrong = mistakes(load, runs)
    assert not wrong, f"{load.summary()}\n" + "\n".join(wrong[:20])
    assert len(load.answers) > at_least and load.statuses("plain")[200] > 0, load.summary()
