"""Processes that use breakers of one library on one Redis, and take orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from bench.load.breakers.contenders import Contender
from bench.load.breakers.member import serve

_SPAWNED = get_context("spawn")
_PATIENCE_SECONDS = 120.0


class Process:
    """One member. `tell` gives an order, `answer` waits for what came of it."""

    def __init__(self, contender: Contender, url: str) -> None:
        self._pipe, others = _SPAWNED.Pipe()
        self.process = _SPAWNED.Process(target=serve, args=(others, contender.name, url), daemon=False)
        self.process.start()

    def tell(self, order: str, *arguments: Any) -> None:
        """Begin."""
        self._pipe.send((order, arguments))

    def answer(self) -> Any:
        """What came of it; raises what it raised."""
        if not self._pipe.poll(_PATIENCE_SECONDS):
            raise TimeoutError("a process of the fleet does not answer")
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, order: str, *arguments: Any) -> Any:
        """Both."""
        self.tell(order, *arguments)
        return self.answer()

    def end(self) -> None:
        """Kill it, and have it gone."""
        self.process.kill()
        self.process.join()


@contextmanager
def fleet(contender: Contender, url: str, size: int) -> Iterator[list[Process]]:
    """Start so many; they are killed at the end."""
    members = [Process(contender, url) for _ in range(size)]
    try:
        yield members
    finally:
        for member in members:
            member.end()


def ask_all(members: Sequence[Process], order: str, *arguments: Any) -> list[Any]:
    """Have all do the same at the same time."""
    for member in members:
        member.tell(order, *arguments)
    return [member.answer() for member in members]
