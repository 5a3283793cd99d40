"""Asks for several things at the same time, each in a thread of its own: one that hangs delays no other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread
from typing import Any

from orchestrator import redaction
from orchestrator.errors import OmniNodeError

_LONGEST = 300


def ask(
    parts: Mapping[str, Callable[[], Any]], limit_seconds: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """What each of them answers, and for those that do not within this time, a sentence that says why.

    One that was given up goes on in its thread; where eight of a name do, none is asked until one ends.
    """
    until = time.monotonic() + limit_seconds
    asked = {name: _begin(name, part) for name, part in parts.items()}
    answers: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    for name, question in asked.items():
        if question is None:
            unknown[name] = "has not answered since it was last asked"
        elif not question.ended.wait(max(0.0, until - time.monotonic())):
            unknown[name] = f"did not answer within {limit_seconds:g} s"
        elif question.error is not None:
            unknown[name] = _sentence(question.error)
        else:
            answers[name] = question.answer
    return answers, unknown


class _Question(Thread):
    """One part that is asked; the thread keeps no process alive."""

    def __init__(self, name: str, part: Callable[[], Any]) -> None:
        super().__init__(name=f"fleet-{name}", daemon=True)
        self._part = part
        self.ended = Event()
        self.answer: Any = None
        self.error: BaseException | None = None

    def begin(self) -> None:
        """Ask; where there can be no more threads, that is the answer."""
        try:
            self.start()
        except RuntimeError as error:
            self.error = error
            self.ended.set()

    def run(self) -> None:
        try:
            self.answer = self._part()
        except BaseException as error:
            self.error = error
        self.ended.set()


def _begin(name: str, part: Callable[[], Any]) -> _Question | None:
    """None where threads that hang would pile up."""
    with _lock:
        under_way = [each for each in _asked.get(name, ()) if each.is_alive()]
        if len(under_way) >= _MOST_AT_ONCE:
            _asked[name] = under_way
            return None
        question = _Question(name, part)
        _asked[name] = [*under_way, question]
        question.begin()
    return question


def _sentence(error: BaseException) -> str:
    text = " ".join(redaction.text(str(error)).split()) or type(error).__name__
    if not isinstance(error, OmniNodeError):
        text = f"{type(error).__name__}: {text}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _after_fork() -> None:
    """Another thread of the parent may have held the lock, and none of them goes on here."""
    global _lock  # noqa: PLW0603 (a process has one)
    _lock = Lock()
    _asked.clear()


# Several may look at the same time, such as requests of an exporter.
_MOST_AT_ONCE = 8
_lock = Lock()
_asked: dict[str, list[_Question]] = {}
os.register_at_fork(after_in_child=_after_fork)
