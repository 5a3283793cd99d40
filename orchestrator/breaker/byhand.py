"""Steers breakers by hand, for the whole fleet: nothing is changed unless all makes sense."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from orchestrator import events
from orchestrator.breaker import hub
from orchestrator.breaker.origin import origin
from orchestrator.breaker.registry import checked
from orchestrator.breaker.state import Action, State
from orchestrator.errors import InvalidBreaker

if TYPE_CHECKING:
    from orchestrator.breaker.store import Store

ACTIONS: tuple[Action, ...] = get_args(Action)
# What holds until it is taken back, or for a time: the others are done once.
LASTING: tuple[Action, ...] = ("open", "isolate", "disable", "shadow")
MOST_TEXT = 1000
LONGEST_SECONDS = 315_360_000.0
_MOST_ALIKE = 3


def control(
    store: Store,
    names: Sequence[str],
    action: str,
    *,
    who: str,
    why: str,
    seconds: float | None = None,
    create: bool = False,
) -> list[State]:
    """Change the breakers of these names, and return their new states.

    `seconds` is how long that holds, None: until it is changed, or for an open circuit as long as its policy
    says. A name through which no call was made yet is refused, as it may be misspelt, unless `create` says
    that it is meant: what is set then holds from the first call on.

    Raises:
        InvalidBreaker: a name, the action, or another of these is none; nothing is changed.
        RedisError: Redis is away.
    """
    chosen = check(action, why=why, who=who, seconds=seconds)
    known = frozenset(store.names())
    for name in map(checked, names):
        if name not in known and not (create and chosen in LASTING):
            hint = f"; with create=True it can be set to {chosen} before its first call"
            raise InvalidBreaker(unknown(name, known) + (hint if chosen in LASTING else ""))
    done = [store.control(name, chosen, who=who, why=why, seconds=seconds) for name in names]
    if chosen == "open":
        for state in done:
            _tell(state)
    return done


def _tell(state: State) -> None:
    # Where it was open already, nobody has opened it.
    if state.opened_by == origin() and not hub.hears_of(state.name):
        events.emit(events.CircuitOpened(state.name, is_own=True))


def check(action: str, *, why: str, who: str, seconds: float | None) -> Action:
    """The action, if it is one and can be done like that.

    Raises:
        InvalidBreaker: saying what is wrong.
    """
    chosen = next((each for each in ACTIONS if each == action), None)
    if chosen is None:
        raise InvalidBreaker(f"there is no action {action!r:.80}: there are {', '.join(ACTIONS)}")
    for field, text in (("why", why), ("who", who)):
        if not isinstance(text, str) or len(text) > MOST_TEXT:
            raise InvalidBreaker(f"{field} must be a text of at most {MOST_TEXT:,} characters")
        if not text.strip():
            raise InvalidBreaker(f"say {field}: it is kept with what was done, and when")
    if seconds is not None:
        _check_seconds(chosen, seconds)
    return chosen


def unknown(name: str, names: Collection[str]) -> str:
    """What to say of a name that is not known, as it is from its first call on: which it may have meant."""
    alike = get_close_matches(name, sorted(names), _MOST_ALIKE)
    meant = f" (is {' or '.join(map(repr, alike))} meant?)" if alike else ""
    return f"no call has been made through a breaker {name!r:.200} yet{meant}"


def _check_seconds(action: Action, seconds: float) -> None:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not math.isfinite(seconds) or not 0 < seconds <= LONGEST_SECONDS:
        raise InvalidBreaker(f"seconds must be a number above 0, ten years at most, not {seconds!r:.80}")
    if action not in LASTING:
        raise InvalidBreaker(f"{action} is done once, and holds for no length of time: leave it away")
