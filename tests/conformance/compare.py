#!/usr/bin/python3 -B
"""Plays every case on Warren, nginx and HAProxy, each in front of a logging back end, and writes docs/conformance.md.

usage: WARREN_BIN=build/Release/bin tests/conformance/compare.py [--print]

Needs Debian's nginx-light and haproxy (deploy/setup.sh --bench). --print writes to standard output instead.
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration")]

# pylint: disable=wrong-import-position
import runner  # noqa: E402
from cases import AREAS, CASES  # noqa: E402
from other_fronts import haproxy, nginx  # noqa: E402
from stand import Warren  # noqa: E402
from support.cluster import Cluster  # noqa: E402
from support.processes import Programs  # noqa: E402

DOCUMENT = os.path.join(HERE, "..", "..", "docs", "conformance.md")

HEAD = """# HTTP/1.1 at the edge: conformance

`tests/conformance` holds {count} cases of HTTP/1.1 (RFC 9110, RFC 9112) as data: the bytes to send, in which pieces
and with which pauses; the answers that must come; whether the connection stays; and what the back end must have got,
byte for byte. They are played on bare sockets against `warren-proxy` with a real broker, a shard, `warren-worker` and
a back end that logs what reaches it; a queue beside the shard takes a copy of everything published. Over the whole
run nothing malformed may be published, and 2xx answers, messages and requests at the back end must be one number.

```
WARREN_BIN=build/Release/bin python3 -m pytest tests/conformance       # Warren; also ctest -R conformance
WARREN_BIN=build/Release/bin tests/conformance/compare.py              # all three; writes this page
```

The same cases on {nginx} and {haproxy}, as Debian 12 has them, with the same limits and timeouts, in front of the
same back end, which they reach over HTTP instead of a queue. Each case is a promise of Warren's, so it has to pass
all of them. Another front end passes where it does the same, or anything else that the RFC permits there (a bare LF
may be taken for a line end, a folded line may be unfolded), and what reached the back end was well-formed. The
{product} cases about Warren's own ways are not played on the others: the names in Via and X-Forwarded-*,
X-Request-Id, limits they have no setting for.

"""

DIFFERENCES = """
## Where they differ

Status codes of all answers in order (those of 1xx included), and how many requests reached the back end. **Bold**: not
what the RFC asks for (MUST or SHOULD). A remark says what was wrong where the numbers do not show it.

| case | section | Warren | nginx | HAProxy |
|---|---|---|---|---|
"""


def plain(problem):
    """A problem as a remark in a table: no Python, no regular expressions."""
    text = re.sub(r"b(['\"])(.*?)\1", lambda match: match[2].removeprefix("^"), problem)
    for old, new in ((": *[A-Z][a-z]{2}, \\\\d\\\\d ", ""), ("\\\\", ""), (": *", ": "), (",)", ")"), ("|", "\\|"),
                     ("`", "'")):
        text = text.replace(old, new)
    return text[:110]


@dataclass
class Result:
    """A case on one front end."""
    statuses: list
    forwarded: int
    closed: bool
    wrong: list

    def text(self):
        """A cell."""
        said = " ".join(map(str, self.statuses)) or ("closed" if self.closed else "no answer")
        said += f", {self.forwarded} forwarded" if self.forwarded else ""
        if not self.wrong:
            return said
        told = [problem for problem in self.wrong if not re.match(r"answers |\d+ requests|the connection", problem)]
        if len(self.wrong) == 1:
            told = [problem for problem in self.wrong if problem.startswith("the connection")] or told
        remark = f" ({plain(told[0])})" if told else ""
        return f"**{said}**{remark}"

    def differs(self, other):
        """Whether the other front end did something else, or one of them something wrong."""
        return bool(self.wrong or other.wrong) or (self.statuses, self.forwarded) != (other.statuses, other.forwarded)


def permitted(case, observed):
    """Whether the RFC allows this too, though it is not what Warren does."""
    if any(one.problems for one in observed.seen):
        return False
    if len(observed.statuses) < len(case.want or (0,
                                                  )) and ("closed" if observed.closed else "silent") in case.rfc_allows:
        return True
    return any(status in case.rfc_allows for status in observed.statuses)


def play(case, front):
    """Its variants, of others only some; the first that is not permitted counts, else the first."""
    first = None
    for pieces in runner.variants(case)[::1 if front.name == "Warren" else 16]:
        front.prepare(case)
        observed = runner.play(case, pieces, front)
        wrong = [f"it got a {problem}" for one in observed.seen for problem in one.problems] + runner.check(case,
            observed)
        if wrong and permitted(case, observed):
            wrong = []
        result = Result(observed.statuses, len(observed.seen), observed.closed, wrong)
        if wrong:
            return result
        first = first or result
    return first


def play_all(front):
    """Every case that the front end is held to: its result by name."""
    return {case.name: play(case, front) for case in CASES if front.name == "Warren" or not case.product}


def version(*command):
    """The first line of what a program says of itself."""
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return (result.stdout + result.stderr).splitlines()[0]


def summary(results):
    """Passed cases by area."""
    names = list(results)
    rows = ["| area | cases | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]

    def row(title, cases):
        cells = []
        for name in names:
            played = [results[name][case.name] for case in cases if case.name in results[name]]
            cells.append(f"{sum(not one.wrong for one in played)} of {len(played)}")
        return f"| {title} | {len(cases)} | " + " | ".join(cells) + " |"
    rows += [row(area, [case for case in CASES if case.area == area]) for area in AREAS]
    return "\n".join([*rows, row("**all**", CASES)]) + "\n"


def differences(results):
    """A row for each case that another front end takes otherwise."""
    rows, area = [], None
    ours = results["Warren"]
    for case in CASES:
        others = [results[name].get(case.name) for name in ("nginx", "HAProxy")]
        mine = ours[case.name]
        if not any(other and other.differs(mine) for other in others):
            continue
        if case.area != area:
            area = case.area
            rows.append(f"| *{area}* | | | | |")
        cells = [mine.text(), *[other.text() if other else "not played" for other in others]]
        rows.append(f"| {case.name} | {case.section} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def run():
    """Plays everything; returns the page."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        programs, cluster = Programs(folder), Cluster(1)
        fronts = []
        try:
            fronts = [Warren(programs, cluster), nginx(folder), haproxy(folder)]
            with ThreadPoolExecutor(len(fronts)) as pool:
                for front, result in zip(fronts, pool.map(play_all, fronts)):
                    results[front.name] = result
        finally:
            for front in fronts:
                front.close()
            programs.end()
            cluster.stop()
    text = HEAD.format(count=len(CASES), product=sum(case.product for case in CASES),
                       nginx="nginx " + version("/usr/sbin/nginx", "-v").rpartition("/")[2],
                       haproxy=" ".join(version("/usr/sbin/haproxy", "-v").split()[:3]))
    return text + summary(results) + DIFFERENCES + differences(results)


def main():
    """Writes the page."""
    if sys.argv[1:] not in ([], ["--print"]):
        print(__doc__, file=sys.stderr)
        return 64
    text = run()
    if sys.argv[1:]:
        print(text, end="")
    else:
        with open(DOCUMENT, "w", encoding="utf-8") as output:
            output.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
