"""One run: servers, proxy, fleet; faults while the producers send; then quiet."""

import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event
from typing import TypeVar

from redis.exceptions import RedisError

from orchestrator.dev.ports import LOOPBACK, free, is_listening
from tests.chaos.transport import broker_state
from tests.chaos.transport.conditions import PRODUCERS, Conditions
from tests.chaos.transport.faults import DECK, Deck, sequence
from tests.chaos.transport.fleet import WORKERS, Fleet
from tests.chaos.transport.servers import Server

Tell = Callable[[str], None]
_TICK_SECONDS = 0.1
_START_SECONDS = 60.0
_QUIET_SECONDS = 1.5
_PAUSE_SECONDS = (0.4, 1.8)


@dataclass
class Rig:
    """What faults reach and the checker reads."""

    conditions: Conditions
    random: Random
    broker: Server
    results: Server
    fleet: Fleet
    proxy: subprocess.Popen[bytes]
    workers_url: str
    tell: Tell
    deck: Deck = field(default_factory=lambda: DECK)
    faults: Counter[str] = field(default_factory=Counter)
    slow_to_end: list[str] = field(default_factory=list)
    quiet: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    def wire(self, command: str) -> None:
        """Command the proxy between workers and broker."""
        assert self.proxy.stdin
        self.proxy.stdin.write(f"{command}\n".encode())
        self.proxy.stdin.flush()

    def now(self) -> float:
        """The clock of all limits."""
        return time.monotonic()

    def run(self, quiet_within_seconds: float) -> None:
        """Send everything under faults, then let everything end."""
        began = self.now()
        for name in WORKERS:
            self.fleet.start_worker(name, self.conditions.environment(self.workers_url))
        self._wait_until(lambda: all(each.is_ready() for each in self.fleet.workers()), _START_SECONDS)
        begin_at = time.time() + 1.0
        for number in range(PRODUCERS):
            self._start_producer(number, begin_at)
        if self.conditions.calm:
            self._wait_until(lambda: not self._producers(), math.inf)
        else:
            self._hit_until_all_is_sent()
        self.seconds["under faults"] = self.now() - began
        calm = self.now()
        self.tell("faults have ended: waiting for quiet")
        self.quiet = self._wait_until(self._is_quiet, quiet_within_seconds)
        self.seconds["to quiet"] = self.now() - calm
        if not self.quiet:
            self.fleet.tell_stacks()
            self._wait(_TICK_SECONDS)
        self.slow_to_end = self.fleet.close()

    def _start_producer(self, number: int, begin_at: float) -> None:
        command = ["tests.chaos.transport.producer", str(number), str(begin_at)]
        # Past the proxy: a lost answer would leave many messages unconfirmed, and prove less.
        self.fleet.start(f"producer-{number}", command, self.conditions.environment(self.broker.url))

    def _hit_until_all_is_sent(self) -> None:
        tell_at = self.now()
        for name in sequence(self.random, self.deck):
            if not self._producers():
                return
            self.faults[name] += 1
            for pause in self.deck[name][1](self):
                self._wait(pause)
            self._wait(self.random.uniform(*_PAUSE_SECONDS))
            if self.now() > tell_at:
                tell_at = self.now() + 5.0
                self.tell(f"{self.faults.total()} faults, left: {self._left() or 'nothing'}")

    def _producers(self) -> list[str]:
        return [name for name in self.fleet.members if name.startswith("producer")]

    def _left(self) -> dict[str, int]:
        try:
            return broker_state.left(self.broker.client)
        except RedisError:
            return {"Redis is away": 1}

    def _is_quiet(self) -> bool:
        """Nothing waits, is in flight or delayed, and that for a while."""
        until = self.now() + _QUIET_SECONDS
        while not self._producers() and not self._left():
            if self.now() > until:
                return True
            self._wait(_TICK_SECONDS)
        return False

    def _wait(self, seconds: float) -> None:
        until = self.now() + seconds
        while True:
            self.fleet.look_after()
            left = until - self.now()
            if left <= 0:
                return
            Event().wait(min(left, _TICK_SECONDS))

    def _wait_until(self, condition: Callable[[], bool], within_seconds: float) -> bool:
        give_up_at = self.now() + within_seconds
        while not condition():
            if self.now() > give_up_at:
                return False
            self._wait(_TICK_SECONDS)
        return True


AnyRig = TypeVar("AnyRig", bound=Rig)


@contextmanager
def rigged(
    seed: int,
    messages: int,
    per_second: float,
    folder: Path,
    tell: Tell,
    *,
    stock: bool,
    calm: bool,
    make: Callable[..., AnyRig],
) -> Iterator[AnyRig]:
    """Servers and a proxy on free ports; everything that was started has ended afterwards."""
    (folder / "runs").mkdir()
    broker_port, results_port, proxy_port = free(3)
    broker, results = Server("broker", broker_port, folder), Server("results", results_port, folder)
    conditions = Conditions(seed, messages, per_second, stock, folder, results.url, calm)
    fleet = Fleet(folder, stock)
    proxy = None
    try:
        broker.start()
        results.start()
        proxy = _start_proxy(proxy_port, broker_port)
        url = f"redis://{LOOPBACK}:{proxy_port}/0"
        yield make(conditions, Random(seed), broker, results, fleet, proxy, url, tell)
    finally:
        fleet.kill()
        if proxy:
            proxy.kill()
            proxy.communicate()
        broker.stop()
        results.stop()


def _start_proxy(port: int, upstream_port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.chaos.transport.proxy", str(port), str(upstream_port)]
    proxy = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    for _ in range(500):
        if is_listening(port):
            return proxy
        Event().wait(0.02)
    with suppress(ProcessLookupError):
        proxy.kill()
    message = "the proxy did not start"
    raise RuntimeError(message)
