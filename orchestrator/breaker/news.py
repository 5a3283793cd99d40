"""Tells of changed circuits and modes: in the log, and to whoever listens; never in a caller's way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from orchestrator import events, logger
from orchestrator.breaker.state import State

Listener: TypeAlias = Callable[[State, State], object]

_LOG = logger.get(__name__)
# More than this wait only where the thread that tells them is held up; the oldest are dropped then.
_MOST = 10_000


class _Change(NamedTuple):
    before: State
    after: State
    caused: bool
    error: str


class News:
    """Changes, from whichever thread notices them to the one that tells of them."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._changes: deque[_Change] = deque(maxlen=_MOST)

    def listen(self, callback: Listener) -> None:
        """Have it called with the state before and after each change of a circuit or a mode."""
        self._listeners.append(callback)

    def forget(self, callback: Listener) -> None:
        """Call it no more."""
        with suppress(ValueError):
            self._listeners.remove(callback)

    def note(
        self, before: State, after: State, *, caused: bool, is_own: bool = False, error: str = ""
    ) -> None:
        """Remember a change, where it is one; `caused`: a call of this process has made it, by that error.

        `is_own`: this process has made it, whether it hears of that by an answer or by what is published.
        """
        if before.circuit != after.circuit or before.mode != after.mode:
            self._changes.append(_Change(before, after, caused, error))
        if after.circuit == "open" != before.circuit:
            events.emit(events.CircuitOpened(after.name, is_own))

    def tell(self) -> None:
        """Tell of what was noted."""
        while True:
            try:
                change = self._changes.popleft()
            except IndexError:
                # Nothing is left, or another thread tells the rest.
                return
            _log(change)
            for callback in tuple(self._listeners):
                _call(callback, change.before, change.after)


def _log(change: _Change) -> None:
    before, after = change.before, change.after
    say = _LOG.warning if change.caused else _LOG.info
    if before.circuit != after.circuit:
        event = {"open": "breaker_opened", "half_open": "breaker_probing", "closed": "breaker_closed"}
        known = {"why": after.why, "error": change.error if after.circuit == "open" else ""}
        say(
            event[after.circuit],
            breaker=after.name,
            before=before.circuit,
            epoch=after.epoch,
            left_seconds=round(after.left_seconds, 3),
            **{name: words for name, words in known.items() if words},
        )
    if before.mode != after.mode:
        say("breaker_mode_changed", breaker=after.name, before=before.mode, mode=after.mode)


def _call(callback: Listener, before: State, after: State) -> None:
    try:
        callback(before, after)
    except Exception:
        _LOG.exception("breaker_listener_failed", breaker=after.name)
