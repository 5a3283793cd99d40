"""Is the fleet as it should be? What dashboards and alerts say of it, such as that many tasks die."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from redis.exceptions import RedisError

from monitoring.alerts import asking
from monitoring.health.registry import health_check
from monitoring.health.verdict import Degraded, Unhealthy
from monitoring.judging.health import Reason, Status
from monitoring.rollup import verdicts
from monitoring.rollup.reading import FleetSource
from monitoring.rollup.verdicts import Verdict
from orchestrator import broker, settings
from orchestrator.settings import Settings

# To read the last verdict, and else to ask for everything: a second for the sums, three for the fleet.
_ANSWER_SECONDS, _LIMIT_SECONDS = 2.0, 8.0
# So old may a verdict be that nothing is amiss; what was wrong may have been mended since, and is asked anew.
_FRESH_SECONDS = 15.0
# A sentence has room for so much; the first reason, which is the worst, always has its place.
_LONGEST, _LONGEST_FIRST = 280, 200


# Without a breaker: it asks nobody for long, and that the fleet is critical is no failure of asking.
@health_check("fleet", critical=True, timeout_seconds=_LIMIT_SECONDS, guarded=False)
def check_fleet() -> str | Degraded:
    """Read what the last look at the fleet has found; where that was long ago, or was trouble, look at it."""
    chosen = settings.current()
    try:
        verdict = _last(chosen)
    except (RedisError, OSError) as error:
        raise Unhealthy(f"unknown, the broker does not answer: {error}") from error
    if verdict is not None and verdict.status == "healthy":
        return judge(verdict.status, verdict.reasons)
    found = asking.verdict(asking.ask(chosen, FleetSource(chosen)), chosen)
    return judge(found.status, found.reasons)


def judge(status: Status, reasons: Iterable[Reason]) -> str | Degraded:
    """The fleet's verdict as that of a check; the reasons come with the worst first.

    Raises:
        Unhealthy: it is critical.
    """
    if status == "healthy":
        return "nothing is amiss"
    told = _told([reason.sentence for reason in reasons if reason.severity != "info"])
    if status == "critical":
        raise Unhealthy(told)
    return Degraded(told)


def _last(chosen: Settings) -> Verdict | None:
    """What the last look has left, if it is fresh."""
    with broker.client(chosen, decode=True, timeout_seconds=_ANSWER_SECONDS, retries=0) as client:
        ask: Any = client
        with ask.pipeline(transaction=True) as pipeline:
            pipeline.time()
            pipeline.get(verdicts.key(chosen.key_prefix))
            (seconds, _), text = pipeline.execute()
    verdict = verdicts.read(text)
    return verdict if verdict and 0 <= seconds - verdict.at <= _FRESH_SECONDS else None


def _told(sentences: list[str]) -> str:
    """As many as there is room for, none of them cut in its middle but one that is very long."""
    return "; ".join(_kept(sentences))


def _kept(sentences: list[str]) -> Iterator[str]:
    left = _LONGEST
    for number, sentence in enumerate(sentences):
        more = len(sentences) - number
        if number and len(sentence) > left:
            yield f"and {more} more: `omninode dashboard` has all"
            return
        short = sentence if len(sentence) <= _LONGEST_FIRST else f"{sentence[: _LONGEST_FIRST - 1]}…"
        left -= len(short) + 2
        yield short
