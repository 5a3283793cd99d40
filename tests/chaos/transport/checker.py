"""The verdict: what a run's evidence shows that must not be."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.transport.broker_state import Letter
from tests.chaos.transport.conditions import MAX_DELIVERIES
from tests.chaos.transport.evidence import LOST, Case, Evidence
from tests.chaos.transport.kinds import FAILED, REVOKED, letter

# Clocks of Redis, of producers and of workers are one, but are read at different times.
_EARLY_SECONDS = 0.01


@dataclass(frozen=True)
class Violation:
    """One thing that is wrong with one message."""

    what: str
    kind: str
    task_id: str
    details: str


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong."""
    found = [
        Violation(what, case.sent.name, case.sent.task_id, _details(case))
        for case in evidence.cases
        for what in _wrongs(case, evidence)
    ]
    found += [Violation("left in the broker", place, "", str(size)) for place, size in evidence.left.items()]
    found += [
        Violation("letter of no message", "", each.task_id, repr(each)[:300]) for each in evidence.strays
    ]
    if not evidence.conditions.stock and finished_again(evidence) > evidence.explained:
        details = f"{finished_again(evidence)}, and what was done explains {evidence.explained}"
        found.append(Violation("finished more often than faults explain", "", "", details))
    ids = Counter(each.id for case in evidence.cases for each in case.letters)
    return found + [
        Violation("letters with one id", "", "", each) for each, times in ids.items() if times > 1
    ]


def finished_again(evidence: Evidence) -> int:
    """How often a task has finished that had finished before; what is unconfirmed may be there twice."""
    return sum(max(0, case.run.finishes - 1) for case in evidence.cases if case.sent.confirmed)


def _wrongs(case: Case, evidence: Evidence) -> Iterator[str]:
    if wrong := _settled_twice(case) or _wrong_ending(case, stock=evidence.conditions.stock):
        yield wrong
    if wrong := _wrong_result(case):
        yield wrong
    if case.run.starts and case.run.first_start < _earliest_start(case) - _EARLY_SECONDS:
        yield "started before its time"
    if evidence.conditions.calm and not _is_exact(case):
        yield "other counts than its kind's, without a fault"
    if not evidence.conditions.stock:
        yield from _wrong_letters(case, evidence.sent)


def _is_exact(case: Case) -> bool:
    kind, run = case.sent.part.kind, case.run
    if REVOKED in kind.ends and not run.starts:
        return run.finishes == 0
    return (run.starts, run.finishes) == (kind.starts, kind.finishes)


def _settled_twice(case: Case) -> str:
    # A publish that failed may have left two copies: they have bytes of their own.
    copies = 1 if case.sent.confirmed else len({each.raw for each in case.letters})
    if len(case.letters) > max(1, copies):
        return "settled twice: letters"
    if case.letters and case.state == "SUCCESS":
        return "settled twice: letter and success"
    return ""


def _wrong_ending(case: Case, *, stock: bool) -> str:
    ending, allowed = case.ending(), _allowed(case)
    if case.is_left:
        return "stuck: still in the broker"
    if ending == LOST:
        # What has started was there, whatever its producer knows.
        was_there = case.sent.confirmed or case.run.starts
        return ("lost: chord hangs" if case.sent.is_body else "lost") if was_there else ""
    # Plain Celery's signals tell of a death, but not of its reason.
    if ending in allowed or (stock and _is_letter(ending) and any(_is_letter(each) for each in allowed)):
        return ""
    return f"wrong ending: {'failed without a letter' if ending == FAILED else ending}"


def _allowed(case: Case) -> set[str]:
    kind = case.sent.part.kind
    allowed = set(kind.ends)
    # Faults use up deliveries and attempts too.
    if case.run.starts >= MAX_DELIVERIES:
        allowed.add(letter("too_many_deliveries"))
    if case.run.starts > kind.max_retries:
        allowed.add(letter("worker_lost"))
    return allowed


def _is_letter(ending: str) -> bool:
    return ending.startswith("letter ")


def _wrong_result(case: Case) -> str:
    value = case.sent.part.value
    if case.state != "SUCCESS":
        return ""
    if value is not None and case.result != value:
        return "wrong result"
    return "" if case.run.finishes else "success of a task that never finished"


def _earliest_start(case: Case) -> float:
    return case.sent.intended_at + (case.sent.part.countdown or 0.0)


def _wrong_letters(case: Case, sent: bytes) -> Iterator[str]:
    for each in case.letters:
        if case.sent.raw is None:
            yield from _wrong_envelope(case, each, sent)
        elif each.raw != case.sent.raw:
            yield "letter with other bytes than were pushed"


def _wrong_envelope(case: Case, each: Letter, sent: bytes) -> Iterator[str]:
    if each.raw is None:
        yield "letter without bytes"
        return
    try:
        envelope: Any = json.loads(each.raw)
        headers, arguments = envelope["headers"], json.loads(base64.b64decode(envelope["body"]))[0]
    except (ValueError, TypeError, LookupError):
        yield "letter with bytes that are no message"
        return
    if headers["id"] != case.sent.task_id:
        yield "letter with the bytes of another message"
    elif arguments[1 if case.sent.part.is_follower else 0 :] != [case.sent.message.index]:
        yield "letter with other arguments than were sent"
    # What was tried again, or follows on another task, is a message of the worker's own.
    elif not headers["retries"] and not case.sent.part.is_follower and each.raw not in sent:
        yield "letter with bytes that no producer sent"


def _details(case: Case) -> str:
    sent = case.sent
    letters = ", ".join(f"{each.reason} {each.id[:12]}" for each in case.letters[:3])
    return (
        f"of {sent.message.kind}, {sent.part.queue}:{sent.part.priority}, "
        f"{'confirmed' if sent.confirmed else 'unconfirmed'}, state {case.state}, "
        f"result {case.result!r:.80}, {case.run.starts} starts, {case.run.finishes} finishes, "
        f"letters [{letters}]"
    )
