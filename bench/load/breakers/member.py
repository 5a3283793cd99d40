"""One process of the fleet: does what it is told over a pipe, with one library's breakers."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from bench.load.breakers.contenders import BY_NAME, Contender, Guard, Rules

_PATIENCE_SECONDS = 3.0
_BETWEEN_SECONDS = 0.0002


class Down(Exception):
    """What the dependency says."""


class Member:
    """Each public method is an order; times are of the monotonic clock, which all processes share."""

    def __init__(self, contender: Contender, url: str) -> None:
        self._contender = contender
        self._url = url
        self._guards: dict[str, Guard] = {}

    def guard(self, name: str, rules: Rules) -> Guard:
        """Make or find the guard of that name; as an order, it warms up."""
        if name not in self._guards:
            self._guards[name] = self._contender.make(self._url, name, rules)
            if rules.rate is None:
                # A success would count in the window.
                self._guards[name].wrap(_pause)(0.0)
        return self._guards[name]

    def warm(self, name: str, rules: Rules) -> None:
        """Have used a breaker."""
        self.guard(name, rules)

    def trip(self, name: str, rules: Rules) -> float:
        """Fail until it trips; returns when the call had ended that tripped it."""
        call = self.guard(name, rules).wrap(_fail)
        for _ in range(rules.threshold):
            with suppress(Down, self.guard(name, rules).refused):
                call()
        return time.monotonic()

    def watch(
        self, name: str, rules: Rules, threads: int, seconds: float
    ) -> tuple[float | None, list[float]]:
        """Healthy calls in each thread until they are refused: when all were, and when calls began.

        A call takes so long; one that takes no time is made every fifth of a millisecond.
        """
        guard = self.guard(name, rules)
        refused: list[float] = []
        began: list[float] = []

        def run() -> None:
            def body() -> None:
                began.append(time.monotonic())
                if seconds:
                    time.sleep(seconds)

            call, limit = guard.wrap(body), time.monotonic() + _PATIENCE_SECONDS
            while time.monotonic() < limit:
                try:
                    call()
                except guard.refused:
                    refused.append(time.monotonic())
                    return
                if not seconds:
                    time.sleep(_BETWEEN_SECONDS)

        _in_threads(threads, run)
        return (max(refused) if len(refused) == threads else None), began

    def probe(self, name: str, rules: Rules, threads: int, at: float, seconds: float) -> list[float]:
        """One call in each thread at a moment: when those began that were let through."""
        guard = self.guard(name, rules)
        began: list[float] = []

        def body() -> None:
            began.append(time.monotonic())
            time.sleep(seconds)

        call = guard.wrap(body)

        def run() -> None:
            time.sleep(max(0.0, at - time.monotonic()))
            with suppress(guard.refused):
                call()

        _in_threads(threads, run)
        return began

    def die_probing(self, name: str, rules: Rules, at: float) -> None:
        """Be killed within the probe."""
        time.sleep(max(0.0, at - time.monotonic()))
        self.guard(name, rules).wrap(lambda: os.kill(os.getpid(), signal.SIGKILL))()

    def admitted_at(self, name: str, rules: Rules, patience_seconds: float) -> float | None:
        """Call every millisecond until a call is made: when that was."""
        guard = self.guard(name, rules)
        call, limit = guard.wrap(time.monotonic), time.monotonic() + patience_seconds
        while time.monotonic() < limit:
            try:
                return float(call())
            except guard.refused:
                time.sleep(0.001)
        return None

    def bodies(self, name: str, rules: Rules, calls: int) -> int:
        """How many of so many calls, 1 ms apart, are made; the very first is counted too."""
        guard = self._contender.make(self._url, name, rules)
        made = 0

        def body() -> None:
            nonlocal made
            made += 1

        call = guard.wrap(body)
        for _ in range(calls):
            with suppress(guard.refused):
                call()
            time.sleep(0.001)
        return made

    def forked_sees(self, name: str, rules: Rules) -> float | None:
        """Fork after use; the child calls until it is refused. Returns when, by its clock, or None."""
        guard = self.guard(name, rules)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            call, limit = guard.wrap(lambda: time.sleep(0.001)), time.monotonic() + _PATIENCE_SECONDS
            while time.monotonic() < limit:
                try:
                    call()
                except guard.refused:
                    os.write(writing, str(time.monotonic()).encode())
                    break
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            said = answer.read()
        os.waitpid(child, 0)
        return float(said) if said else None

    def mixed(self, name: str, rules: Rules, per_second: float, seed: int, seconds: float) -> tuple[Any, int]:
        """Calls of which 60 % fail: seconds until the first is refused (or None), and how many failed."""
        guard, chance = self.guard(name, rules), random.Random(seed)  # noqa: S311
        began, failed = time.monotonic(), 0
        due = began + chance.random() / per_second

        def body() -> None:
            nonlocal failed
            if chance.random() < 0.6:  # noqa: PLR2004
                failed += 1
                raise Down

        call = guard.wrap(body)
        while time.monotonic() - began < seconds:
            time.sleep(max(0.0, min(due, began + seconds) - time.monotonic()))
            due += 1 / per_second
            try:
                call()
            except Down:
                pass
            except guard.refused:
                return time.monotonic() - began, failed
        return None, failed

    def slowest(
        self, name: str, rules: Rules, seconds: float, ending: str
    ) -> tuple[float, float, int | None]:
        """Calls for a while: ms of the slowest and of the next, and after how many the first was refused."""
        guard = self.guard(name, rules)
        call = guard.wrap(_fail if ending == "fails" else _pause)
        taken: list[float] = []
        refused, began = None, time.monotonic()
        while time.monotonic() - began < seconds and refused is None:
            start = time.perf_counter()
            try:
                call()
            except Down:
                pass
            except guard.refused:
                refused = len(taken)
            taken.append((time.perf_counter() - start) * 1000)
            time.sleep(0.002)
        taken.sort()
        return taken[-1], taken[-2] if len(taken) > 1 else 0.0, refused

    def many(self, count: int, rules: Rules) -> tuple[int, int]:
        """Use so many breakers: how many threads there are, and KiB of memory."""
        for number in range(count):
            self.guard(f"many-{number}", rules)
        with open("/proc/self/statm") as statm:  # noqa: PTH123
            pages = int(statm.read().split()[1])
        return threading.active_count(), pages * os.sysconf("SC_PAGE_SIZE") // 1024


def serve(pipe: Connection, contender: str, url: str) -> None:
    """Do what is told until None is."""
    member = Member(BY_NAME[contender], url)
    while (order := pipe.recv()) is not None:
        name, arguments = order
        try:
            pipe.send(getattr(member, name)(*arguments))
        except Exception as error:
            pipe.send(error)
    os._exit(0)


def _pause(seconds: float = 0.0) -> None:
    time.sleep(seconds)


def _fail() -> None:
    raise Down


def _in_threads(count: int, run: Any) -> None:
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
