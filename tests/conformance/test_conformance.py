"""HTTP/1.1 at the proxy's edge, case by case on raw sockets, with a real broker, shard and worker behind it.

compare.py plays the same cases on other front ends and writes docs/conformance.md.
"""

import os
import re

import pytest
import runner
from cases import AREAS, CASES
from published import complaints

CLUSTER_NODES = 1
PAGE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "docs", "conformance.md")
TOTALS = {"2xx": 0, "published": 0, "back end": 0, "not 2xx": 0, "own 2xx": 0, "cases": 0}


def play_on(stand, case):
    """Plays it in every way it has; returns what was wrong, and adds to the totals."""
    wrong = []
    for pieces in runner.variants(case):
        stand.prepare(case)
        observed = runner.play(case, pieces, stand)
        wrong += [f"{problem} {pieces if case.split else ''}" for problem in runner.check(case, observed)]
        wrong += [problem for message in stand.published for problem in complaints(message)]
        TOTALS["2xx"] += sum(200 <= status < 300 for status in observed.statuses)
        TOTALS["published"] += len(stand.published)
        TOTALS["back end"] += len(observed.seen)
        TOTALS["not 2xx"] += case.not_2xx
        TOTALS["own 2xx"] += case.own_2xx
    TOTALS["cases"] += 1
    return wrong


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.area}: {case.name}")
def test_case(stand, case):
    wrong = play_on(stand, case)
    assert not wrong, "\n".join([f"{case.name} ({case.section})", *wrong[:20]])


def test_every_request_was_run_once_and_answered_once():
    """Over all cases that were played: 2xx answers, published messages and requests at the back end are one number."""
    assert TOTALS["cases"] > 0
    assert TOTALS["2xx"] - TOTALS["own 2xx"] + TOTALS["not 2xx"] == TOTALS["back end"] == TOTALS["published"], TOTALS


def test_the_page_is_about_these_cases():
    with open(PAGE, encoding="utf-8") as text:
        page = text.read()
    assert f"{len(CASES)} cases" in page, "tests/conformance/compare.py writes docs/conformance.md anew"
    rows = re.findall(r"^\| (?!\*|case |area |---)([^|]+?) \| [^|]*[A-Za-z][^|]* \|", page, re.MULTILINE)
    assert len(rows) > 50 and not set(rows) - {case.name for case in CASES}


def test_the_suite_is_as_large_as_it_says():
    assert len(CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.section for case in CASES) and len(AREAS) > 15
