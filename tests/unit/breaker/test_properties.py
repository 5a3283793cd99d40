"""Whatever happens to a breaker, in whatever order, and whenever."""

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestrator.breaker import machine
from orchestrator.breaker.machine import Record
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import Action, State
from orchestrator.policy import Policy

POLICIES = st.builds(
    Policy,
    failure_threshold=st.integers(1, 4),
    failure_rate=st.sampled_from([None, 0.3, 1.0]),
    slow_rate=st.sampled_from([None, 0.5]),
    window_seconds=st.sampled_from([1, 7, 30]),
    minimum_calls=st.integers(1, 6),
    open_seconds=st.sampled_from([0.001, 1, 30]),
    open_cap_seconds=st.sampled_from([30, 120]),
    probes=st.integers(1, 3),
    probe_lease_seconds=st.sampled_from([0.5, 10]),
    ramp_seconds=st.sampled_from([0, 5]),
)
CHANCES = st.floats(0, 1, exclude_max=True)
TOKENS = st.sampled_from(["a", "b", "c", "d", "e"])
ACTIONS: list[Action] = ["open", "close", "isolate", "disable", "shadow", "reset"]


@dataclass
class Held:
    """What the callers of one breaker know: the probes that they were permitted, and until when."""

    ends: dict[str, float] = field(default_factory=dict)
    succeeded: int = 0


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.record = Record(name="api")
        self.held: dict[int, Held] = {}
        self.policy = Policy()

    @initialize(policy=POLICIES)
    def choose(self, policy: Policy) -> None:
        self.policy = policy

    @rule(seconds=st.sampled_from([0.001, 0.4, 1, 10, 31, 200, 700]))
    def wait(self, seconds: float) -> None:
        self.now = round(self.now + seconds, 3)

    @rule(token=TOKENS)
    def admit(self, token: str) -> None:
        before = self._state()
        record, permitted = machine.admit(self.record, self.policy, token, self.now)
        self._follow(record)
        waits = before.mode == "auto" and before.circuit == "open" and before.left_seconds > 0
        assert not (permitted and (waits or before.mode == "isolated"))
        if permitted and token in record.leases and before.mode in {"auto", "shadow"}:
            self._probes([token])

    @rule(ids=st.lists(TOKENS, unique=True, max_size=5))
    def release(self, ids: list[str]) -> None:
        mode = self._state().mode
        record, going = machine.release(self.record, self.policy, ids, self.now)
        self._follow(record)
        assert set(going) <= set(ids)
        if mode == "auto" and record.circuit == "half_open":
            self._probes(going)

    @rule(ok=st.integers(0, 3), failed=st.integers(0, 3), slow=st.integers(0, 2), chance=CHANCES)
    def report_calls(self, ok: int, failed: int, slow: int, chance: float) -> None:
        told = Report(self.record.epoch, "", ok, min(slow, ok + failed), failed)
        trips = self.record.trips
        was = self._state().circuit
        self._follow(machine.report(self.record, self.policy, told, self.now, chance))
        if was != "closed":
            assert self._state().circuit == was
        if was == "closed" and self.record.circuit == "open":
            self._opened(trips)

    @rule(token=TOKENS, ends=st.sampled_from(["ok", "failed", "neutral"]), chance=CHANCES)
    def report_probe(self, token: str, ends: str, chance: float) -> None:
        before, trips = self._state(), self.record.trips
        told = Report(self.record.epoch, token, ok=ends == "ok", failed=ends == "failed")
        held = self.held.get(before.epoch, Held())
        alive = held.ends.get(token, 0) > self.now
        self._follow(machine.report(self.record, self.policy, told, self.now, chance))
        if before.circuit != "half_open" or before.mode == "disabled":
            return
        if not alive:
            assert self._same(before)
        elif ends == "failed":
            assert self.record.circuit == "open"
            self._opened(trips)
        elif ends == "ok":
            held.succeeded += 1
            assert (self.record.circuit == "closed") == (held.succeeded >= self.policy.probes)
        held.ends.pop(token, None)

    @rule(earlier=st.integers(1, 3), token=TOKENS, ok=st.integers(0, 9), failed=st.integers(0, 9))
    def report_late(self, earlier: int, token: str, ok: int, failed: int) -> None:
        before = self._state()
        told = Report(self.record.epoch - earlier, token, ok, 0, failed, retry_after_seconds=9)
        self._follow(machine.report(self.record, self.policy, told, self.now, 0.0))
        assert self._same(before)

    @rule(
        action=st.sampled_from(ACTIONS),
        seconds=st.one_of(st.none(), st.sampled_from([0.5, 50])),
        chance=CHANCES,
    )
    def control(self, action: Action, seconds: float | None, chance: float) -> None:
        self._follow(
            machine.control(self.record, self.policy, action, self.now, chance, seconds=seconds, why="test")
        )
        if action in {"isolate", "disable", "shadow"}:
            assert self._state().mode != "auto"
        else:
            assert self._state().mode == "auto"

    @invariant()
    def no_more_probes_than_permitted(self) -> None:
        alive = [token for token, ends in self.record.leases.items() if ends > self.now * 1000]
        assert len(alive) + self.record.succeeded <= self.policy.probes
        held = self.held.get(self.record.epoch, Held())
        assert sum(ends > self.now for ends in held.ends.values()) <= self.policy.probes

    @invariant()
    def its_state_fits_together(self) -> None:
        state = self._state()
        assert state.left_seconds >= 0
        assert state.ramp_left_seconds >= 0
        if state.circuit != "closed":
            assert not state.has_failures
            assert state.ramp_left_seconds == 0
        if state.circuit != "half_open":
            assert not self.record.leases
            assert self.record.succeeded == 0

    def _state(self) -> State:
        return machine.view(self.record, self.policy, self.now)

    def _same(self, before: State) -> bool:
        """Whether nothing has changed, but that it may have been noted that a mode is over."""
        return replace(self._state(), version=before.version) == before

    def _follow(self, record: Record) -> None:
        """Versions and epochs only grow, and with each other circuit there is another epoch."""
        before, self.record = self.record, record
        assert record.version in {before.version, before.version + 1}
        assert record.epoch in {before.epoch, before.epoch + 1}
        if record.circuit != before.circuit:
            assert (record.epoch, record.version) == (before.epoch + 1, before.version + 1)
            assert record.why

    def _probes(self, tokens: list[str]) -> None:
        held = self.held.setdefault(self.record.epoch, Held())
        for token in tokens:
            held.ends[token] = self.now + self.policy.probe_lease_seconds

    def _opened(self, trips: int) -> None:
        assert self.record.trips in {1, trips + 1}
        doubled = min(self.policy.open_seconds * 2 ** (self.record.trips - 1), self.policy.open_cap_seconds)
        assert (
            doubled - 0.002 <= self._state().left_seconds <= doubled * (1 + self.policy.open_jitter) + 0.002
        )


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(POLICIES, st.floats(0, 10), st.floats(0, 10))
def test_the_share_never_shrinks_as_the_ramp_goes_on(policy: Policy, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert 0.1 <= machine.ramp_share(policy, more) <= machine.ramp_share(policy, less) <= 1


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.sampled_from([0.5, 3, 100]))
def test_what_is_released_stays_below_the_rate_and_one_burst(pauses: list[int], rate: float) -> None:
    policy = Policy(ramp_seconds=0, ramp_per_second=rate)
    record, at, released = Record(), 1_000_000, 0
    begun = at
    for pause in pauses:
        at += pause
        record, going = machine.release(record, policy, [str(number) for number in range(200)], at / 1000)
        released += len(going)
    assert released <= max(1.0, rate / 4) + rate * (at - begun) / 1000 + 1e-6


@given(POLICIES, st.integers(1, 70), CHANCES, st.floats(0, 1e6))
def test_an_open_time_is_within_its_bounds(policy: Policy, trips: int, chance: float, asked: float) -> None:
    told = Report(0, failed=9, retry_after_seconds=asked)
    # It closed just now: its trips go on.
    before = Record(trips=trips - 1, closed_at=1_000_000)
    left = machine.view(machine.report(before, policy, told, 1000.0, chance), policy, 1000.0).left_seconds
    own = min(policy.open_seconds * 2.0 ** (trips - 1), policy.open_cap_seconds)
    assert left >= max(own, min(asked, 3600.0)) - 0.001
    assert left <= max(own * 1.1, min(asked, 3600.0)) + 0.001
