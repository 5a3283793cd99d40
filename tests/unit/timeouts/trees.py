"""Trees of nested contexts: as a program that runs, and, told apart from that, what must come of them."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.errors import TimeoutExceeded
from orchestrator.timeouts import TimeoutManager

WhenCancelled = Literal["ends", "swallows", "ignores"]


@dataclass(frozen=True)
class Sleep:
    """`swallows`: ends at once when it is cancelled, as if nothing was; `ignores`: goes on."""

    seconds: float
    when_cancelled: WhenCancelled = "ends"


@dataclass(frozen=True)
class Within:
    name: str
    timeout: float
    body: Tree


@dataclass(frozen=True)
class InTurn:
    parts: tuple[Tree, ...]


@dataclass(frozen=True)
class AtOnce:
    parts: tuple[Tree, ...]


@dataclass(frozen=True)
class Caught:
    """A timeout that comes out of it is caught."""

    body: Tree


Tree = Sleep | Within | InTurn | AtOnce | Caught


@dataclass
class Program:
    """`ends` has of each context when it was left and when it had to be."""

    manager: TimeoutManager
    ends: list[tuple[str, float, float]] = field(default_factory=list)

    async def run(self, tree: Tree) -> None:
        match tree:
            case Sleep():
                await _sleep(tree)
            case InTurn():
                for part in tree.parts:
                    await self.run(part)
            case AtOnce():
                await asyncio.gather(*map(self.run, tree.parts))
            case Caught():
                with contextlib.suppress(TimeoutExceeded):
                    await self.run(tree.body)
            case Within():
                await self._within(tree)

    async def _within(self, tree: Within) -> None:
        context = self.manager.timeout_context(tree.name, tree.timeout)
        try:
            async with context:
                await self.run(tree.body)
        finally:
            if context.outcome:
                self.ends.append((tree.name, asyncio.get_running_loop().time(), context.ends_at))


async def _sleep(tree: Sleep) -> None:
    time = asyncio.get_running_loop().time
    ends_at = time() + tree.seconds
    while time() < ends_at:
        try:
            await asyncio.sleep(ends_at - time())
        except asyncio.CancelledError:
            if tree.when_cancelled == "ends":
                raise
            if tree.when_cancelled == "swallows":
                return


@dataclass(frozen=True)
class End:
    """How and when something ends: `named` are those that a timeout may name, `over` when they ended."""

    at: float
    how: Literal["ok", "cancelled", "timeout"]
    named: frozenset[str] = frozenset()
    over: float = 0.0


@dataclass(frozen=True)
class Around:
    """A context, as what is in it sees it; `strikes`: it cancels what is in it by itself."""

    began: float
    ends_at: float
    first: str
    strikes: bool


@dataclass(frozen=True)
class Model:
    """`cancel_at` is when the flow is cancelled from outside."""

    grace: float
    whole: float
    cancel_at: float = math.inf
    around: tuple[Around, ...] = ()
    beyond: Around | None = None

    def run(self, tree: Tree, now: float) -> End:
        match tree:
            case Sleep():
                return self._sleep(tree, now)
            case InTurn():
                return self._in_turn(tree.parts, now)
            case AtOnce():
                return self._at_once(tree.parts, now)
            case Caught():
                end = self.run(tree.body, now)
                return End(end.at, "ok") if end.how == "timeout" else end
            case Within():
                return self._within(tree, now)

    def next_cancel(self, now: float) -> float:
        strikes = [_next_strike(each.ends_at, now) for each in self.around if each.strikes]
        outside = self.cancel_at if self.cancel_at > now else math.inf
        return min([*strikes, outside])

    def _sleep(self, tree: Sleep, now: float) -> End:
        ends_at, cancel_at = now + tree.seconds, self.next_cancel(now)
        if tree.when_cancelled == "ignores" or ends_at < cancel_at:
            return End(ends_at, "ok")
        return End(cancel_at, "ok" if tree.when_cancelled == "swallows" else "cancelled")

    def _in_turn(self, parts: Sequence[Tree], now: float) -> End:
        for part in parts:
            end = self.run(part, now)
            if end.how != "ok":
                return end
            now = end.at
        return End(now, "ok")

    def _at_once(self, parts: Sequence[Tree], now: float) -> End:
        innermost = self.around[-1] if self.around else self.beyond
        each = Model(self.grace, self.whole, self.next_cancel(now), (), innermost)
        ends = [each.run(part, now) for part in parts]
        failed = [end for end in ends if end.how != "ok"]
        if not failed:
            return End(max(end.at for end in ends), "ok")
        at = min(end.at for end in failed)
        first = [end for end in failed if end.at == at]
        if any(end.how == "cancelled" for end in first):
            return End(at, "cancelled")
        return End(at, "timeout", frozenset().union(*(end.named for end in first)), first[0].over)

    def _within(self, tree: Within, now: float) -> End:
        outer = self.around[-1] if self.around else self.beyond
        own = now + tree.timeout + self.grace
        if outer is None:
            mine = Around(now, min(own, now + self.whole), tree.name, strikes=True)
        elif outer.ends_at <= own:
            mine = Around(now, outer.ends_at, outer.first, strikes=not self.around)
        else:
            mine = Around(now, own, tree.name, strikes=True)
        timed_out = frozenset({mine.first})
        if mine.ends_at <= now:
            return End(now, "timeout", timed_out, mine.ends_at)
        inside = Model(self.grace, self.whole, self.cancel_at, (*self.around, mine), self.beyond)
        end = inside.run(tree.body, now)
        if end.at < mine.ends_at or (end.how == "timeout" and end.over <= mine.ends_at):
            return end
        is_from_outside = now < self.cancel_at <= end.at
        if end.how == "cancelled" and (is_from_outside or not mine.strikes):
            return end
        return End(end.at, "timeout", timed_out, mine.ends_at)


def _next_strike(ends_at: float, now: float) -> float:
    """It is struck at its end, and every second after that."""
    return ends_at if now < ends_at else ends_at + math.floor(now - ends_at) + 1
