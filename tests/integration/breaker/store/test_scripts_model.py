"""The scripts, on a real server, do to a breaker what the pure state machine does, whatever the order."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from redis import Redis

from orchestrator import keys, redis
from orchestrator.breaker import machine, window
from orchestrator.breaker.machine import Record
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import Action, State
from orchestrator.policy import Policy
from tests.integration.breaker.store.clocked import Clocked

# A larger search, where somebody asks for one.
_EXAMPLES = int(os.environ.get("OMNINODE_TEST_BREAKER_EXAMPLES", "25"))
_NAME = 'a "breaker"\n*%s 🙂'
_CHANCE = 0.7
_POLICIES = [
    Policy(),
    Policy(failure_threshold=2, failure_rate=None, open_seconds=1, open_cap_seconds=3, ramp_seconds=2),
    Policy(failure_threshold=1, failure_rate=None, open_seconds=2.5, probes=3, probe_lease_seconds=1.5),
    Policy(failure_threshold=None, failure_rate=0.5, minimum_calls=4, window_seconds=1.5, probes=2),
    Policy(failure_threshold=None, failure_rate=None, slow_rate=0.3, minimum_calls=3, window_seconds=7),
    Policy(failure_threshold=4, failure_rate=1, slow_rate=1, minimum_calls=2, ramp_seconds=0, open_jitter=1),
    Policy(failure_threshold=3, ramp_per_second=3, ramp_seconds=20, open_seconds=0.001, open_jitter=0),
]
_TOKENS = ("a", "b", "c", "d")
_LENGTHS_MS = [0, 1, 99, 150, 700, 1000, 1499, 1500, 2500, 3250, 10_000, 30_000, 33_000, 301_000]
_off = st.sampled_from([0, 0, -1, 1])
_token = st.sampled_from(_TOKENS)
_count = st.integers(0, 3)


class Agreement(RuleBasedStateMachine):
    """One breaker, of which the record and the hash are changed side by side."""

    client: Redis

    @initialize(policy=st.sampled_from(_POLICIES))
    def begin(self, policy: Policy) -> None:
        self.client.flushdb()
        self.policy = policy
        self.store = Clocked(self.client, "p:", chance=_CHANCE)
        self.record = Record(name=_NAME)
        self.told = self.store.register(_NAME, policy)[0]
        self.told_at_ms = self.store.at_ms

    @rule(length_ms=st.sampled_from(_LENGTHS_MS))
    def wait(self, length_ms: int) -> None:
        self.store.pass_ms(length_ms)
        self.same(self.store.read([_NAME])[0])

    @rule(what=st.sampled_from(["left", "left", "ramp", "mode", "window", "cap", "lease"]), off_ms=_off)
    def wait_for_what_comes_next(self, what: str, off_ms: int) -> None:
        told, policy = self.told, self.policy
        seconds = {
            "left": told.left_seconds,
            "ramp": told.ramp_left_seconds,
            "mode": told.mode_left_seconds or 0,
            "window": policy.window_seconds,
            "cap": policy.open_cap_seconds,
            "lease": policy.probe_lease_seconds,
        }
        self.store.pass_ms(max(0, round(seconds[what] * 1000) + off_ms))

    @rule(ok=st.integers(0, 1))
    def fail_until_it_opens(self, ok: int) -> None:
        calls = max(self.policy.failure_threshold or 0, self.policy.minimum_calls)
        self.tell(Report(self.record.epoch, "", ok, calls, calls))

    @rule(
        outcomes=st.lists(st.sampled_from(["ok", "ok", "ok", "slow", "failed", ""]), min_size=1, max_size=4)
    )
    def probe(self, outcomes: list[str]) -> None:
        self.store.pass_ms(round(self.told.left_seconds * 1000))
        for token, _ in zip(_TOKENS, outcomes, strict=False):
            self.admit(token)
        for token, outcome in zip(_TOKENS, outcomes, strict=False):
            counts = (int(outcome in {"ok", "slow"}), int(outcome == "slow"), int(outcome == "failed"))
            self.tell(Report(self.record.epoch, token, *counts))

    @rule(token=st.sampled_from(("", *_TOKENS)))
    def admit(self, token: str) -> None:
        self.record, expected = machine.admit(self.record, self.policy, token, self.now)
        permitted, state = self.store.admit(_NAME, self.policy, token)
        assert permitted == expected
        self.same(state)

    @rule(
        ok=_count,
        earlier=_count,
        failed=_count,
        slow=_count,
        asked=st.sampled_from([0, 0, 0.4, 50, 9000]),
    )
    def report(self, *, ok: int, earlier: int, failed: int, slow: int, asked: float) -> None:
        slow = min(slow, ok + earlier + failed)
        self.tell(Report(self.record.epoch, "", ok, slow, failed, "", asked, earlier))

    @rule(token=_token, ok=st.booleans(), slow=st.booleans(), is_neutral=st.booleans())
    def end_probe(self, token: str, *, ok: bool, slow: bool, is_neutral: bool) -> None:
        counts = (0, 0, 0) if is_neutral else (int(ok), int(slow), int(not ok))
        self.tell(Report(self.record.epoch, token, *counts))

    @rule(token=st.sampled_from(("", *_TOKENS)), behind=st.integers(1, 2))
    def report_late(self, token: str, behind: int) -> None:
        self.tell(Report(self.record.epoch - behind, token, 1, 0, 1))

    @rule(ids=st.lists(_token, max_size=4, unique=True))
    def release(self, ids: list[str]) -> None:
        self.record, expected = machine.release(self.record, self.policy, ids, self.now)
        assert self.store.release(_NAME, self.policy, ids) == expected

    @rule(
        action=st.sampled_from(["open", "close", "isolate", "disable", "shadow", "shadow", "reset"]),
        seconds=st.sampled_from([None, 0.5, 40]),
    )
    def control(self, action: Action, seconds: float | None) -> None:
        self.record = machine.control(
            self.record, self.policy, action, self.now, _CHANCE, why="so", seconds=seconds
        )
        self.same(self.store.control(_NAME, action, who="me", why="so", seconds=seconds))

    @property
    def now(self) -> float:
        return self.store.at_ms / 1000

    def tell(self, report: Report) -> None:
        self.record = machine.report(self.record, self.policy, report, self.now, _CHANCE)
        self.same(self.store.report(_NAME, self.policy, report))

    def same(self, state: State) -> None:
        expected = machine.view(self.record, self.policy, self.now)
        assert replace(state, born=0, version=0) == replace(expected, born=0, version=0)
        assert state.version >= self.told.version
        if self.told_at_ms == self.store.at_ms and _face(state) != _face(self.told):
            assert state.version > self.told.version
        self.told, self.told_at_ms = state, self.store.at_ms
        self.same_hash()

    def same_hash(self) -> None:
        """What no state tells: what trips are counted, and what may still go."""
        details = self.store.details(_NAME)
        assert details
        assert details.trips == self.record.trips
        if self.record.circuit == "half_open":
            assert details.succeeded == self.record.succeeded
            probes: dict[str, float] = dict(
                self.client.zrange(keys.breaker_probes(_NAME, "p:"), 0, -1, withscores=True)  # type: ignore[arg-type]
            )
            at = self.store.at_ms
            leases = {token: ends for token, ends in self.record.leases.items() if ends > at}
            assert {token: ends for token, ends in probes.items() if ends > at} == leases
        if self.record.circuit == "closed":
            assert details.failures == self.record.failures
            total = window.total(
                self.record.window, round(self.policy.window_seconds * 1000), self.store.at_ms
            )
            assert (details.ok, details.failed, details.slow) == (total.ok, total.failed, total.slow)


def _face(state: State) -> tuple[Any, ...]:
    """What others must hear of, where no time has passed."""
    is_left = state.left_seconds > 0
    return state.circuit, state.epoch, is_left, state.has_failures, state.mode, state.policy


def test_the_scripts_do_what_the_state_machine_does(redis_url: str) -> None:
    class Here(Agreement):
        pass

    run: Callable[..., None] = run_state_machine_as_test
    with redis.connect(redis_url) as client:
        Here.client = client
        run(
            Here,
            settings=settings(
                max_examples=_EXAMPLES,
                stateful_step_count=40,
                deadline=None,
                phases=[Phase.reuse, Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
