"""How one breaker stands in this process: what is known of it, who may call, and what is told of calls."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from typing import NamedTuple
from uuid import uuid4

from orchestrator.breaker.configured import configured
from orchestrator.breaker.hub import Hub, hub
from orchestrator.breaker.local import Local
from orchestrator.breaker.ramp import ramp_share
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import State
from orchestrator.breaker.tally import Tally
from orchestrator.breaker.view import View
from orchestrator.errors import BreakerOpen
from orchestrator.policy import Policy

# Who is turned away while another call probes, or by the ramp, is not told to wait for longer.
LONGEST_PAUSE_SECONDS = 1.0
# The fleet forgets after a day who had which policy, and after a month who there is.
_REGISTER_AGAIN_SECONDS = 3600.0
# A state that is given back to Redis is open for so long at least: a probe ends it.
_SHORTEST_OPEN_SECONDS = 0.05


class Pass(NamedTuple):
    """Leave to make a call: the tally of its epoch (None: it is not counted), and a probe's lease."""

    tally: Tally | None
    lease: str = ""


_UNCOUNTED = Pass(None)


class Standing:
    """One breaker in this process. `clean` is the one thing that a call looks at while all is well.

    `clean` is the tally of the present epoch, or None where a call needs more than to be made. `_lock` guards
    what is known and is held for moments; `_wire` is held while Redis is asked, so that whoever waits for it
    finds the answer there.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.given: Policy | None = None
        self.policy = Policy()
        self._policy_id = ""
        self.start_anew(keep=False)

    def start_anew(self, *, keep: bool) -> None:
        """Hold no lock, and read before anything is trusted; `keep` what was seen last, if Redis is away."""
        if not keep:
            self.view = View(State(self.name), time.monotonic())
        self._lock = threading.Lock()
        self._wire = threading.Lock()
        self.clean: Tally | None = None
        self.heard = 0
        self._hub: Hub | None = None
        self._registered_at: float | None = None
        self._seen = self.view.state
        self._local: Local | None = None
        self._pending: Report | None = None
        self._is_reporting = False
        self._was_used = False
        self._tally = Tally(self._seen.epoch, self._slow_seconds)

    @property
    def wanted(self) -> Policy:
        """The policy that this process wants: its code's, or else that of the settings."""
        return self.given or configured(self.name)

    def want(self, policy: Policy) -> None:
        """Go by this policy from the next call on, and have the fleet do so."""
        with self._lock:
            self.given = self.policy = policy
            self._registered_at = None
            now = time.monotonic()
            if self._local is not None:
                self._local = self._made_local(now)
            self._refresh(now)

    @property
    def is_known(self) -> bool:
        """Whether the fleet was asked which policy it goes by, or could not be."""
        return self._hub is not None

    @property
    def tally(self) -> Tally:
        """That of the present epoch."""
        return self._tally

    def make_known(self) -> None:
        """Have the fleet know of the breaker, and know its state here."""
        with self._wire:
            if self._hub is None or (self._registered_at is None and not self._is_here):
                self._register()

    # Who may call.

    def decide(self, token: str) -> Pass | None:
        """Whether the call may be made, of what is known here; None: Redis has to be asked.

        Raises:
            BreakerOpen: it may not.
        """
        if self._hub is None or (self._registered_at is None and not self._is_here):
            return None
        now, view = time.monotonic(), self.view
        mode, circuit = view.mode(now), view.state.circuit
        if mode == "disabled":
            return _UNCOUNTED
        if mode == "isolated":
            raise BreakerOpen(self.name, view.mode_left(now), f"{self.name!r} is isolated by hand")
        if circuit == "closed":
            return self._decide_closed(view, token, now)
        left = view.left(now)
        if left > 0 and not (token and circuit == "half_open"):
            if mode == "shadow":
                return _UNCOUNTED
            raise BreakerOpen(self.name, left if circuit == "open" else min(left, LONGEST_PAUSE_SECONDS))
        return self._admit_here(token or uuid4().hex, now) if self._is_here else None

    def decide_by_asking(self, token: str) -> Pass:
        """Whether the call may be made; waits for Redis, and for whoever else of this process asks it.

        Raises:
            BreakerOpen: it may not.
        """
        with self._wire:
            while True:
                passed = self.decide(token)
                if passed is None:
                    passed = self._ask(token)
                if passed is not None:
                    return passed

    def _decide_closed(self, view: View, token: str, now: float) -> Pass | None:
        if self._pending is not None or self._is_reporting:
            return None
        if self.clean is None:
            with self._lock:
                self._refresh(now)
        ramp_left = view.ramp_left(now)
        if ramp_left > 0 and not token and view.mode(now) == "auto":
            share = ramp_share(self.policy, ramp_left)
            if random.random() >= share:  # noqa: S311 (a chance, no secret)
                message = f"the circuit of {self.name!r} has closed a moment ago: its traffic grows slowly"
                raise BreakerOpen(self.name, min(ramp_left, LONGEST_PAUSE_SECONDS), message)
        return Pass(self._tally)

    def _ask(self, token: str) -> Pass | None:
        if self._hub is None or self._registered_at is None:
            self._register()
            return None
        if self._pending is not None:
            self._send()
            return None
        lease = token or uuid4().hex
        answer = self._hub.ask(lambda store: store.admit(self.name, self.policy, lease))
        if answer is None:
            self._go_on_here()
            return None
        permitted, state = answer
        self.hear(state, caused=True)
        return self._passed(state, lease, permitted=permitted)

    def _go_on_here(self) -> None:
        # It is away, or it refuses: until it was read again, this breaker is the process's own.
        with self._lock:
            self._own(time.monotonic())

    def _admit_here(self, token: str, now: float) -> Pass:
        with self._lock:
            permitted, state = self._own(now).admit(token, now)
            self._take_on(state, now, caused=True)
        return self._passed(state, token, permitted=permitted)

    def _passed(self, state: State, lease: str, *, permitted: bool) -> Pass:
        if not permitted:
            left = state.left_seconds
            raise BreakerOpen(
                self.name, left if state.circuit == "open" else min(left, LONGEST_PAUSE_SECONDS)
            )
        if state.circuit == "open":
            return _UNCOUNTED
        tally = self._tally
        tally = tally if tally.epoch == state.epoch else Tally(state.epoch, self._slow_seconds)
        return Pass(tally, lease if state.circuit == "half_open" else "")

    def _register(self) -> None:
        present = self._hub = hub()
        present.join(self)
        present.start()
        wanted = self.wanted
        answer = present.ask(lambda store: store.register(self.name, wanted))
        with self._lock:
            self.policy = wanted if answer is None else answer[1]
            # What the fleet calls it counts: a newer release may say more than this one understands.
            self._policy_id = wanted.fingerprint if answer is None else answer[0].policy
            if answer is not None:
                self._registered_at = time.monotonic()
            if self._tally.slow_seconds != self._slow_seconds:
                self._tally = Tally(self._tally.epoch, self._slow_seconds)
        if answer is None:
            self._go_on_here()
        else:
            self.hear(answer[0])
        with self._lock:
            self._refresh(time.monotonic())

    # What is told of calls.

    def end(self, passed: Pass, told: Report) -> bool:
        """Count a call that has ended, and say whether `send` has to be called; new calls wait for that."""
        tally = passed.tally
        if tally is None:
            return False
        with self._lock:
            if passed.lease:
                return True
            if tally.epoch != self._tally.epoch or self.view.state.circuit != "closed":
                return False
            if told.ok and not self.view.state.has_failures:
                self._count(told.slow)
                return False
            if told.ok + told.failed == 0:
                return False
            self._pending = _together(self._pending, told)
            self.clean = None
            return True

    def send(self, probe: Report | None = None) -> None:
        """Tell of calls that have ended: of a probe by itself, of others all that is to be told."""
        with self._wire:
            if probe is None:
                self._send()
            else:
                self._tell(probe)

    def _count(self, slow: int) -> None:
        self._tally.ok()
        if slow:
            self._tally.slow()

    def _send(self) -> None:
        with self._lock:
            told, self._pending = self._pending, None
            # What another call has sent already, with its own.
            if told is None:
                return
            if self.policy.counts_calls and told.epoch == self._tally.epoch:
                ok, slow = self._tally.take()
                told = replace(told, ok=told.ok + ok, slow=told.slow + slow)
            self._is_reporting, self._was_used = True, True
        try:
            self._tell(told)
        finally:
            with self._lock:
                self._is_reporting = False
                self._refresh(time.monotonic())

    def _tell(self, told: Report) -> None:
        state = None
        if not self._is_here and self._hub is not None:
            state = self._hub.ask(lambda store: store.report(self.name, self.policy, told))
        if state is None:
            self.keep(told)
        else:
            self.hear(state, caused=True)

    # What the hub calls.

    def hear(self, fresh: State, *, caused: bool = False) -> None:
        """What was published, or was the answer to a command of this process (`caused`)."""
        now = time.monotonic()
        with self._lock:
            self.heard += 1
            known = self._seen
            if self._local is not None or (fresh.born, fresh.version) < (known.born, known.version):
                return
            if self.view.is_lost_in(fresh, now):
                # Left as it is: the next read gives it back.
                self._was_used = True
                return
            self._take_on(fresh, now, caused=caused)

    def read(self, fresh: State, heard: int) -> None:
        """What was read, after so much had been heard: it holds, unless something was heard meanwhile."""
        now = time.monotonic()
        if self._local is not None:
            self._come_back(fresh, now)
            return
        with self._lock:
            if heard != self.heard:
                return
            view = self.view
            if fresh.born != self._seen.born:
                # It was flushed: who there is was lost too.
                self._registered_at = None
            if not view.is_lost_in(fresh, now):
                self._take_on(fresh, now)
                return
        self._give_back(view.state_at(now))

    def gather(self) -> tuple[Policy, Report] | None:
        """Successes that nobody knows of yet, where a rate is formed of them."""
        with self._lock:
            # What is under way takes them with it.
            if self._pending is not None or self._is_reporting:
                return None
            ok, slow = self._tally.take()
            if ok + slow == 0:
                return None
            self._was_used = True
            if not self.policy.counts_calls or self.view.state.circuit != "closed":
                return None
            return self.policy, Report(self._tally.epoch, ok=ok, slow=slow)

    def keep(self, told: Report) -> None:
        """Redis is away: what is told counts in this process."""
        now = time.monotonic()
        with self._lock:
            self._take_on(self._own(now).report(told, now), now, caused=True)

    @property
    def is_in_use(self) -> bool:
        """Whether it was used since this was last asked, or holds calls back."""
        was_used, self._was_used = self._was_used, False
        registered_at = self._registered_at
        if registered_at is not None and time.monotonic() - registered_at > _REGISTER_AGAIN_SECONDS:
            with self._lock:
                self._registered_at = self.clean = None
        # One that came too late to be read when Redis was back.
        is_late = self._local is not None or (self._registered_at is None and self.clean is not None)
        return was_used or is_late or not self.view.state.is_clean

    def _come_back(self, fresh: State, now: float) -> None:
        view = self.view
        has_tripped = view.state.circuit != "closed" and fresh.circuit == "closed"
        if has_tripped and fresh.epoch <= self._seen.epoch:
            left = view.left(now) if view.state.circuit == "open" else 0.0
            left = max(_SHORTEST_OPEN_SECONDS, left)
            self._give_back(replace(view.state_at(now), circuit="open", left_seconds=left))
            return
        with self._lock:
            self._take_on(fresh, now, is_back=True)

    def _give_back(self, lost: State) -> None:
        if self._hub is None:
            return
        state = self._hub.ask(lambda store: store.restore(self.name, self.policy, lost))
        if state is not None:
            with self._lock:
                self._take_on(state, time.monotonic(), caused=True, is_back=True)

    # What is known; with the lock held.

    @property
    def _is_here(self) -> bool:
        return self._local is not None or (self._hub is not None and not self._hub.is_up)

    @property
    def _slow_seconds(self) -> float | None:
        return self.policy.slow_seconds if self.policy.slow_rate is not None else None

    def _own(self, now: float) -> Local:
        if self._local is None:
            self._local = self._made_local(now)
        return self._local

    def _made_local(self, now: float) -> Local:
        return Local(self.policy, random.Random(), self.view.state_at(now), now)  # noqa: S311

    def _take_on(self, fresh: State, now: float, *, caused: bool = False, is_back: bool = False) -> None:
        before = self.view.state_at(now)
        if is_back:
            self._local = None
        if self._local is None:
            self._seen = fresh
            if fresh.policy and fresh.policy != self._policy_id:
                # The fleet goes by another policy from now on: the next call reads it.
                self._registered_at = None
        self.view = View(fresh, now)
        if fresh.epoch != self._tally.epoch or is_back or self._tally.slow_seconds != self._slow_seconds:
            self._tally = Tally(fresh.epoch, self._slow_seconds)
        if self._pending is not None and self._pending.epoch != fresh.epoch:
            self._pending = None
        self._refresh(now)
        if self._hub is not None:
            self._hub.news.note(before, fresh, caused=caused)

    def _refresh(self, now: float) -> None:
        is_known = self._is_here or self._registered_at is not None
        is_quiet = self._pending is None and not self._is_reporting
        is_clean = self._hub is not None and is_known and is_quiet and self.view.is_clean(now)
        self.clean = self._tally if is_clean else None


def _together(pending: Report | None, told: Report) -> Report:
    if pending is None or pending.epoch != told.epoch:
        return told
    return replace(
        told,
        ok=pending.ok + told.ok,
        slow=pending.slow + told.slow,
        failed=pending.failed + told.failed,
        error=told.error or pending.error,
        retry_after_seconds=max(pending.retry_after_seconds, told.retry_after_seconds),
    )
