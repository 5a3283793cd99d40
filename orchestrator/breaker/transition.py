"""A breaker's transitions, as the history keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

from orchestrator.breaker.wire import plain

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a breaker's circuit or mode, or of the policy that the fleet goes by."""

    name: str
    before: str
    """A circuit, a mode, or a policy's fingerprint."""
    after: str
    epoch: int
    why: str
    who: str
    """Empty where the fleet did it by itself."""
    error: str
    """What the dependency said last, where that was the reason."""
    at: float
    """Unix seconds, of Redis's clock."""


def read(client: Redis, key: str, matches: Callable[[str], bool] | None, most: int) -> list[Transition]:
    """The newest transitions first, at most so many: of the breakers whose names match, or of all of them."""
    asked: Any = client
    found: list[Transition] = []
    end = "+"
    while len(found) < most:
        entries = asked.xrevrange(key, max=end, count=_AT_ONCE if matches else most)
        told = [_transition({plain(k): plain(v) for k, v in fields.items()}) for _, fields in entries]
        found += [each for each in told if matches is None or matches(each.name)]
        if matches is None or len(entries) < _AT_ONCE:
            break
        end = "(" + plain(entries[-1][0])
    return found[:most]


def _transition(fields: Mapping[str, str]) -> Transition:
    return Transition(
        name=fields.get("name", ""),
        before=fields.get("from", ""),
        after=fields.get("to", ""),
        epoch=int(fields.get("epoch") or 0),
        why=fields.get("why", ""),
        who=fields.get("who", ""),
        error=fields.get("error", ""),
        at=float(fields.get("at") or 0) / 1000,
    )
