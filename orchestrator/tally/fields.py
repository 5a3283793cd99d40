"""The fields that counts have in a minute's hash: JSON arrays that say of what.

    ["outcome", task, queue, outcome, reason]     a count, written by settlements
    ["event", kind, component or topic]           a count
    ["error", component, class]                   a count
    ["call", component, operation, status]        durations
    ["wait", queue, task]                         durations, from the enqueue to the first start

Durations are a text of whole numbers: how many, their sum, the shortest and the longest in microseconds; then
of each bucket that is not empty its index and its count.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Literal, get_args

from orchestrator.tally.names import LONGEST, OTHER, name

Outcome = Literal["succeeded", "retried", "waited", "requeued", "dead_lettered", "revoked"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

# What a hash has beside its counts: which window this is, and since when there is one.
WINDOW_ID, SINCE = "id", "since"

# How many tasks and queues one process tells apart: a producer may invent a name for every message.
_MOST_PAIRS = 1000
_pairs: set[tuple[str, str]] = set()
# Of what no task could be made of only the producer says how it is called: that leaves the others their room.
_UNMADE = frozenset({"unknown_task", "invalid", "undecodable", "bad_envelope"})
_MOST_UNMADE = 100
_unmade: set[tuple[str, str]] = set()


def field(*parts: str) -> str:
    """The field of these parts."""
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def parts(of: str) -> tuple[str, ...]:
    """What a field is made of; empty where it is none."""
    if not of.startswith("["):
        return ()
    try:
        read = json.loads(of)
    except (ValueError, RecursionError):
        return ()
    return tuple(read) if all(isinstance(part, str) for part in read) else ()


def outcome(task: str, queue: str, ended: Outcome, reason: str = "") -> str:
    """The field of a task's outcome; where a process has told a thousand tasks apart, the rest is one.

    So it is where it has told a hundred names apart of which no worker knows a task.
    """
    # What is remembered is short: a producer's name may be a megabyte.
    return _outcome(task if len(task) <= LONGEST else name(task), queue, ended, reason)


@lru_cache(maxsize=4096)
def _outcome(task: str, queue: str, ended: Outcome, reason: str) -> str:
    pair = name(task), name(queue)
    if reason in _UNMADE:
        pair = _told_apart(pair, _unmade, _MOST_UNMADE, (OTHER, pair[1]))
    else:
        pair = _told_apart(pair, _pairs, _MOST_PAIRS, (OTHER, OTHER))
    return field("outcome", *pair, ended, reason)


def _told_apart(
    pair: tuple[str, str], known: set[tuple[str, str]], most: int, rest: tuple[str, str]
) -> tuple[str, str]:
    if pair in known:
        return pair
    if len(known) >= most:
        return rest
    known.add(pair)
    return pair
