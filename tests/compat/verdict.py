"""Compares the two sides: what passes on stock Celery has to pass on OmniNode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.compat.results import FAILED, PASSED, PYTEST_ITSELF, SKIPPED, Results

_MISSING = "missing"


@dataclass(frozen=True)
class Difference:
    """A test that ended differently on the two sides."""

    file: str
    name: str
    stock: str
    omninode: str
    says: str


@dataclass(frozen=True)
class Verdict:
    """`worse` passes on stock alone, `better` on OmniNode alone, `both_fail` on neither."""

    worse: Sequence[Difference]
    better: Sequence[Difference]
    both_fail: Sequence[Difference]


def compare(stock: Results | None, omninode: Results, files: Iterable[str], *, chosen: bool) -> Verdict:
    """The verdict on these files; without `stock` no test may fail.

    `chosen` says that OmniNode ran some tests only: others are not missed.
    """
    stock = stock or Results()
    worse, better, both_fail = [], [], []
    expected = {key for key in stock.tests.keys() | omninode.tests.keys() if key[0] in set(files)}
    for key in sorted(expected & omninode.tests.keys() if chosen else expected):
        difference = _difference(key, stock, omninode)
        if _is_worse(difference):
            worse.append(difference)
        elif difference.omninode == PASSED and difference.stock == FAILED:
            better.append(difference)
        elif FAILED in (difference.omninode, difference.stock):
            both_fail.append(difference)
    return Verdict(worse, better, both_fail)


def _is_worse(difference: Difference) -> bool:
    if difference.stock == PASSED:
        return difference.omninode != PASSED
    unknown = difference.stock == _MISSING or difference.name == PYTEST_ITSELF
    return unknown and FAILED in (difference.omninode, difference.stock)


def _difference(key: tuple[str, str], stock: Results, omninode: Results) -> Difference:
    before, now = stock.tests.get(key), omninode.tests.get(key)
    return Difference(
        *key,
        stock=before.outcome if before else _MISSING,
        omninode=now.outcome if now else _MISSING,
        says=(now.says if now and now.outcome != PASSED else before.says if before else ""),
    )


def counts(results: Results, file: str) -> dict[str, float]:
    """How many tests of the file passed, failed and were skipped, the reruns, and the seconds."""
    tests = [test for (place, _), test in results.tests.items() if place == file]
    outcomes = {
        outcome: sum(test.outcome == outcome for test in tests) for outcome in (PASSED, FAILED, SKIPPED)
    }
    seconds = round(sum(test.seconds for test in tests), 1)
    return outcomes | {"reruns": results.reruns.get(file, 0), "seconds": seconds}
