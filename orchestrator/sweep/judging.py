"""Whether a message has waited for too long where nobody claims it, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from orchestrator import times
from orchestrator.deadletter.death import FAILURES
from orchestrator.queues import fronts
from orchestrator.stamp import ASIDE, ENQUEUED_AT, enqueued_at
from orchestrator.timeouts import deadline, given
from orchestrator.timeouts.deadline import INHERITED, text


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a message is ended: as the reason of its letter, and in a sentence; one that is revoked is none."""

    reason: Literal["deadline_exceeded", "expired", "revoked"]
    sentence: str


@dataclass(frozen=True, slots=True)
class Unserved:
    """A queue from which nobody claims; in one that a person has paused no limit of ours counts."""

    name: str
    limit_hours: float
    is_paused: bool = False

    @property
    def words(self) -> str:
        """Where a message waits there."""
        return f"in the queue {self.name!r}, which {'is paused' if self.is_paused else 'no worker serves'}"


def judge(headers: Mapping[str, Any], task: Any, queue: Unserved, now: float) -> Verdict | None:
    """What its time says, in this order: it has expired, its deadline or the limit of its queue has passed.

    None where it may wait on. `task` is the one that it names, or None where this process does not have it.
    Only what somebody has asked for counts as a deadline: the default one is no time of waiting.
    """
    expires = _moment(headers.get("expires"))
    if expires is not None and now > expires:
        return Verdict("expired", "expired")
    due = _deadline(headers, task, now)
    if due is not None and now >= due:
        return Verdict(
            "deadline_exceeded", f"not begun: its deadline was due at {_since(due, headers, queue)}"
        )
    since = _waits_since(headers)
    if queue.is_paused or since is None or now - since <= queue.limit_hours * 3600:
        return None
    waited = f"not begun: it has waited for {times.length(now - since)} {queue.words}"
    allowed = f"OMNINODE_QUEUE_LIMIT_HOURS ({queue.limit_hours:g})"
    return Verdict("deadline_exceeded", f"{waited}: longer than {allowed} allows")


def _since(due: float, headers: Mapping[str, Any], queue: Unserved) -> str:
    enqueued = enqueued_at(headers)
    since = f"was enqueued at {text(enqueued)}, and " if enqueued is not None else ""
    return f"{text(due)}; it {since}has waited for its turn {queue.words}"


def _deadline(headers: Mapping[str, Any], task: Any, now: float) -> float | None:
    """The one that somebody has asked for, of its message or of its task; as a worker reads it."""
    found = deadline.read(headers, now)
    if found and headers.get(INHERITED) is not True:
        return None if found.is_default else found.at
    enqueued = enqueued_at(headers)
    own = given.of_task(task, enqueued) if task is not None and enqueued is not None else None
    counts = given.earlier(own, found)
    return counts.at if counts and not counts.is_default else None


def _waits_since(headers: Mapping[str, Any]) -> float | None:
    """Since when it may have been claimed; None where its producer has not said when it was enqueued."""
    failures, aside = headers.get(FAILURES), headers.get(ASIDE)
    last = failures[-1] if isinstance(failures, list) and failures else None
    told = (
        headers.get(ENQUEUED_AT),
        headers.get("eta"),
        last[0] if isinstance(last, list) and last else None,
        aside.get("since") if isinstance(aside, dict) else None,
    )
    # As the age of the oldest message in `omninode queues list`.
    return fronts.since(*map(str, told))


def _moment(value: Any) -> float | None:
    """A moment with its zone; what has none is left to a worker, whose app knows it."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return at.timestamp() if at is not None and at.tzinfo else None
    except (ValueError, OverflowError):
        return None
