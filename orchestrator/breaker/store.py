"""The breakers in Redis, for the whole fleet: each method is one round trip, and one atomic script."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import redis
from redis import Redis

from orchestrator import keys
from orchestrator.breaker import details as detailing
from orchestrator.breaker import scripts, transition, wire
from orchestrator.breaker.details import Details
from orchestrator.breaker.origin import origin
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import Action, State
from orchestrator.breaker.transition import Transition
from orchestrator.policy import Policy
from orchestrator.retry.healing import LONGEST_RETRY_AFTER_SECONDS

MOST_NAMES = 10_000
# How many names one script reads: Redis holds up everybody else meanwhile, for some 5 ms.
_READ_AT_ONCE = 100
_SCRIPTS = ("admit", "control", "details", "read", "register", "release", "report", "restore")


class Store:
    """All breakers of one Redis; of no use after a fork.

    `chance` gives numbers in [0, 1), for the jitter of open times. Every method raises
    redis.exceptions.RedisError where Redis is away, or where something else has the breaker's name.
    """

    def __init__(self, client: Redis, prefix: str = "", chance: Callable[[], float] = random.random) -> None:
        self._client: Any = client
        self._prefix = prefix
        # Channels, unlike keys, are the same in all of a server's databases.
        database = client.connection_pool.connection_kwargs.get("db") or 0
        self.channel = f"{keys.breaker_channel(prefix)}@{database}"
        self._chance = chance
        self._scripts = {name: client.register_script(scripts.load(name)) for name in _SCRIPTS}
        # What a script uses of a breaker that has no policy, without storing it.
        self._default = Policy().model_dump_json()

    def register(self, name: str, policy: Policy) -> tuple[State, Policy]:
        """Make the breaker known for the next 30 days; the policy is the one that the fleet goes by.

        The newer policy wins: one that nobody registered within a day replaces the stored one. So a process
        says it again every few hours.
        """
        begin = [keys.breaker("", self._prefix), keys.breaker_probes("", self._prefix)]
        begin += [keys.breaker_window("", self._prefix)]
        arguments = [MOST_NAMES, *begin, keys.DAY_SECONDS * 1000]
        state, stored = self._ask("register", name, policy, arguments, keys.breakers(self._prefix))
        return wire.state(state), wire.policy(stored, policy)

    def read(self, names: Sequence[str]) -> list[State]:
        """The states as they are now; nothing is changed. One that Redis knows nothing of is clean.

        A hundred names are one round trip.
        """
        return [state for part in _parts(names) for state in self._read(part)]

    def admit(self, name: str, policy: Policy, token: str) -> tuple[bool, State]:
        """Whether the call with this token may be made; in a half-open circuit it gets a probe's lease."""
        permitted, state = self._ask("admit", name, policy, [token])
        return bool(permitted), wire.state(state)

    def report(self, name: str, policy: Policy, report: Report) -> State:
        """Count calls that have ended."""
        return wire.state(self._ask("report", name, policy, self._told(report)))

    def report_all(self, told: Sequence[tuple[str, Policy, Report]]) -> list[State | None]:
        """Count the ended calls of several breakers; None where Redis has refused those of one."""
        with self._client.pipeline(transaction=False) as pipeline:
            for name, policy, report in told:
                self._ask("report", name, policy, self._told(report), client=pipeline)
            answers = pipeline.execute(raise_on_error=False)
        broken = [each for each in answers if isinstance(each, (redis.ConnectionError, redis.TimeoutError))]
        if broken:
            raise broken[0]
        return [None if isinstance(each, Exception) else wire.state(each) for each in answers]

    def restore(self, name: str, policy: Policy, state: State) -> State:
        """Give Redis back what it has lost of this breaker: an open circuit, and what was set by hand.

        It does nothing where Redis has moved on since.
        """
        mode_ms = "" if state.mode_left_seconds is None else _ms(state.mode_left_seconds)
        known = [state.born, state.version, state.epoch, state.circuit]
        arguments = [*known, _ms(state.left_seconds), state.mode, mode_ms]
        return wire.state(self._ask("restore", name, policy, arguments))

    def control(
        self, name: str, action: Action, *, who: str, why: str, seconds: float | None = None
    ) -> State:
        """Change the breaker by hand; `seconds` limits an opening or a mode."""
        length_ms = "" if seconds is None else _ms(seconds)
        arguments = [action, who, why, length_ms, self._chance(), origin()]
        return wire.state(self._ask("control", name, None, arguments, keys.breakers(self._prefix)))

    def release(self, name: str, policy: Policy, ids: Sequence[str]) -> list[str]:
        """Which of the tasks that wait for the breaker may go now; while half-open as probes."""
        return [wire.plain(each) for each in self._ask("release", name, policy, ids)]

    def details(self, name: str) -> Details | None:
        """All that is known of the breaker; None where Redis knows nothing of it."""
        names = [*self._keys(name)[:3], keys.breakers(self._prefix)]
        return detailing.read(name, self._scripts["details"](keys=names, args=[name, self._default]))

    def check_writable(self) -> None:
        """Raise where Redis takes no writes now, as a replica does."""
        self._client.delete(f"{keys.breakers(self._prefix)}:none")

    def names(self) -> list[str]:
        """The breakers that processes have registered, sorted."""
        return sorted(self.seen())

    def seen(self) -> dict[str, float]:
        """When a process said last that it uses each of them, or somebody changed it, in Unix seconds.

        A process that calls says so at least once an hour.
        """
        found = self._client.zrange(keys.breakers(self._prefix), 0, -1, withscores=True)
        return {wire.plain(name): at for name, at in found}

    def history(
        self, name: str | None = None, most: int = 100, *, by_pattern: bool = False
    ) -> list[Transition]:
        """The last transitions, the newest first: of this breaker, of those of a pattern, or of all."""
        key = keys.breaker_history(self._prefix)
        if name is None:
            return transition.read(self._client, key, None, most)
        return transition.read(
            self._client, key, lambda each: fnmatchcase(each, name) if by_pattern else each == name, most
        )

    def _told(self, report: Report) -> list[Any]:
        asked_ms = _ms(min(report.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))
        told = [report.epoch, report.token, report.ok, report.slow, report.failed, report.error]
        return [*told, asked_ms, self._chance(), report.earlier, origin()]

    def _ask(
        self,
        script: str,
        name: str,
        policy: Policy | None,
        arguments: Sequence[Any],
        *more_keys: str,
        client: Any = None,
    ) -> Any:
        given = [self._default, ""] if policy is None else [policy.model_dump_json(), policy.fingerprint]
        about = [name, self.channel, *given]
        return self._scripts[script](
            keys=[*self._keys(name), *more_keys], args=[*about, *arguments], client=client
        )

    def _read(self, names: Sequence[str]) -> Iterator[State]:
        both = [key for name in names for key in self._keys(name)[:2]]
        told = self._scripts["read"](keys=both, args=[self._default, *names])
        for name, state in zip(names, told, strict=True):
            yield wire.state(state) if state else State(name)

    def _keys(self, name: str) -> list[str]:
        named = (keys.breaker, keys.breaker_probes, keys.breaker_window)
        return [*(key(name, self._prefix) for key in named), keys.breaker_history(self._prefix)]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _READ_AT_ONCE):
        yield names[start : start + _READ_AT_ONCE]
