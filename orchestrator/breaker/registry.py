"""The process's breakers: one object a name, however often it is asked for, and a bounded number of names."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from weakref import WeakValueDictionary

from orchestrator.breaker.guard import Breaker, Kinds
from orchestrator.errors import InvalidBreaker
from orchestrator.policy import Policy

LONGEST_NAME = 200
# So many are kept though nobody holds them; the rest are made again when they are asked for.
MOST_KEPT = 4096


class Registry:
    """Breakers by name."""

    def __init__(self) -> None:
        self._all: WeakValueDictionary[str, Breaker] = WeakValueDictionary()
        self._kept: OrderedDict[str, Breaker] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, name: str) -> Breaker:
        """The breaker of this name.

        Raises:
            InvalidBreaker: the name is none.
        """
        name = checked(name)
        with self._lock:
            breaker = self._all.get(name)
            if breaker is None:
                breaker = self._all[name] = Breaker(name)
            self._kept[name] = breaker
            self._kept.move_to_end(name)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return breaker

    def all(self) -> list[Breaker]:
        """Those that there are."""
        with self._lock:
            return list(self._all.values())

    def __len__(self) -> int:
        """How many breakers there are."""
        return len(self._all)

    def after_fork(self) -> None:
        """This is a forked child: whatever lock was held is free, and nothing that was heard is trusted."""
        self._lock = threading.RLock()
        self._all = WeakValueDictionary(dict(self._all.items()))
        for breaker in list(self._all.values()):
            breaker.standing.start_anew(keep=True)


def breaker(
    name: str,
    policy: Policy | None = None,
    *,
    expected: Kinds | None = None,
    excluded: Kinds | None = None,
) -> Breaker:
    """The process's breaker of this name; nothing is connected before its first call.

    Without a `policy` it is that of the settings: under exactly this name, else of the first pattern that
    fits, else `Policy()`. `expected` (any Exception) are the classes or predicates of errors that count as
    failures, `excluded` those that never do. What is given later, for the same name, holds from then on.

    Raises:
        InvalidBreaker: the name is empty, or longer than 200 characters, or what is given is of a wrong kind.
    """
    found = registry.get(name)
    if policy is None and expected is None and excluded is None:
        return found
    if policy is not None and not isinstance(policy, Policy):
        message = f"the policy of breaker {name!r} must be a Policy, not {policy!r:.80}"
        raise InvalidBreaker(message)
    try:
        found.configure(policy, expected, excluded)
    except TypeError as error:
        raise InvalidBreaker(f"breaker {name!r}: {error}") from None
    return found


def checked(name: str) -> str:
    """The name, if a breaker can have it; else InvalidBreaker."""
    if not isinstance(name, str):
        message = f"a breaker's name must be text, not {name!r:.80}"
        raise InvalidBreaker(message)
    if not name.strip():
        message = f"a breaker's name must have 1 to {LONGEST_NAME} characters, and {name!r:.40} is blank"
        raise InvalidBreaker(message)
    if len(name) > LONGEST_NAME:
        message = f"a breaker's name must have 1 to {LONGEST_NAME} characters: {name!r:.40} … has {len(name)}"
        raise InvalidBreaker(message)
    try:
        name.encode()
    except UnicodeEncodeError:
        message = f"a breaker's name must be text that UTF-8 can hold, not {name!r:.80}"
        raise InvalidBreaker(message) from None
    return name


registry = Registry()
os.register_at_fork(after_in_child=registry.after_fork)
