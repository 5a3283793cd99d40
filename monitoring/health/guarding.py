"""Runs the checks that beat has made through a breaker each: one that keeps failing is asked less often."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from monitoring.health.registry import Check
from monitoring.health.run import run
from monitoring.health.verdict import CheckResult, Unhealthy
from orchestrator import times
from orchestrator.breaker import breaker, builtin
from orchestrator.breaker.permit import Permit
from orchestrator.errors import BreakerOpen

# What is said of a check that was not made, before what it found last.
_NOT_ASKED = re.compile(
    r"^not asked (?:for another [^,]{1,20}, as its circuit is open|while it is isolated): "
)


def run_guarded(
    checks: Iterable[Check], last: Mapping[str, CheckResult], clock: Callable[[], float] = time.time
) -> list[CheckResult]:
    """Run all but those whose breaker `health:<check>` is open; of these say what was found last.

    Unhealthy is a failure, degraded is none. What beat finds is shared by the fleet: after three failures in
    a row the check is made less and less often, at least every minute; one that is not `guarded` is always
    made. `omninode health` asks no breaker.

    Args:
        checks: what to run.
        last: the last result of each check, by name.
        clock: says when a check was made, in Unix seconds.
    """
    permits: dict[str, Permit] = {}
    skipped: list[CheckResult] = []
    permitted: list[Check] = []
    for check in checks:
        if not check.guarded:
            permitted.append(check)
            continue
        try:
            permits[check.name] = breaker(builtin.health(check.name)).permit()
        except BreakerOpen as error:
            skipped.append(_skipped(check, last.get(check.name), error, clock()))
        else:
            permitted.append(check)
    found = run(permitted, clock=clock)
    for result in found:
        if result.name in permits:
            permits[result.name].end(Unhealthy(result.sentence) if result.status == "unhealthy" else None)
    return [*found, *skipped]


def _skipped(check: Check, last: CheckResult | None, why: BreakerOpen, now: float) -> CheckResult:
    """What was found last, and when: nothing newer is known."""
    is_isolated = breaker(why.breaker).state.mode == "isolated"
    left_seconds = max(1.0, why.retry_after_seconds or 0.0)
    left = times.length(left_seconds)
    when = "while it is isolated" if is_isolated else f"for another {left}, as its circuit is open"
    if last is None:
        return CheckResult(
            check.name, "unhealthy", 0.0, f"not asked {when}: it failed elsewhere", now, check.critical
        )
    return replace(last, sentence=f"not asked {when}: {_NOT_ASKED.sub('', last.sentence)}")
