"""A dependency's retry budget in Redis: what every process adds to it, and what all of them make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from orchestrator import keys, settings
from orchestrator.retry.plan import LONGEST_SECONDS, SLOTS_A_MINUTE, Counts, Fleet, Kind, Terms, slot_of

# The field that says in which slot a process was at work last.
_PROCESS = "process"
_KINDS = get_args(Kind)
# Longer than any retry is put off.
_LIFE_SECONDS = int(LONGEST_SECONDS) + 300
# What is older is removed by whoever comes by.
_KEPT_SLOTS = 2 * SLOTS_A_MINUTE


@dataclass(frozen=True, slots=True)
class Budget:
    """A dependency's last minute: first attempts, retries that were due, and how many were allowed.

    `delayed` is how many retries of this minute were put off, `waiting` how many are due later.
    """

    dependency: str
    first_attempts: int
    retries: int
    delayed: int
    allowed: float
    waiting: int = 0


def read(client: Any, prefix: str, dependency: str) -> Budget:
    """What the fleet has counted for a dependency; all 0 where nothing has."""
    with client.pipeline(transaction=False) as pipeline:
        pipeline.time()
        pipeline.hgetall(keys.retry_budget(dependency, prefix))
        (seconds, _), fields = pipeline.execute()
    counts, this_slot = counts_of(fields), slot_of(seconds)
    firsts, retries, delayed = (
        sum(counts.get((kind, this_slot - back), 0) for back in range(SLOTS_A_MINUTE)) for kind in _KINDS
    )
    waiting = sum(count for (kind, slot), count in counts.items() if kind == "retry" and slot > this_slot)
    return Budget(dependency, firsts, retries, delayed, round(terms().allowed(firsts), 3), waiting)


def terms() -> Terms:
    """What the settings say."""
    current = settings.current()
    return Terms(current.retry_budget, current.retry_floor_per_minute)


def tell(pipeline: Any, key: str, process: str, this_slot: int, more: Counts) -> None:
    """Add what a process has counted, that it is there, and ask for all that is counted."""
    for (kind, slot), count in more.items():
        pipeline.hincrby(key, f"{kind}:{slot}", count)
    pipeline.hset(key, f"{_PROCESS}:{process}", this_slot)
    pipeline.expire(key, _LIFE_SECONDS)
    pipeline.hgetall(key)


def fleet_of(fields: Mapping[str, str], process: str, this_slot: int) -> Fleet:
    """What was read, for one of the processes that were at work in the last minute."""
    recent = this_slot - SLOTS_A_MINUTE
    at_work = sorted({name for name, slot in _processes(fields).items() if slot >= recent} | {process})
    return Fleet(counts_of(fields), len(at_work), at_work.index(process))


def outdated(fields: Mapping[str, str], this_slot: int) -> list[str]:
    """The fields that say nothing any more."""
    oldest = this_slot - _KEPT_SLOTS
    slots = [f"{kind}:{slot}" for kind, slot in counts_of(fields) if slot < oldest]
    return slots + [f"{_PROCESS}:{name}" for name, slot in _processes(fields).items() if slot < oldest]


def counts_of(fields: Mapping[str, str]) -> dict[tuple[Kind, int], int]:
    """The counts by kind and slot; what is none is left out."""
    counts: dict[tuple[Kind, int], int] = {}
    for name, count in fields.items():
        kind, _, slot = name.partition(":")
        if kind in _KINDS and slot.isdecimal() and count.isdecimal():
            counts[cast("Kind", kind), int(slot)] = int(count)
    return counts


def _processes(fields: Mapping[str, str]) -> dict[str, int]:
    parted = ((name.partition(":"), slot) for name, slot in fields.items())
    return {name: int(slot) for (kind, _, name), slot in parted if kind == _PROCESS and slot.isdecimal()}
