"""How one breaker stands in this process: who may call, of what is known here or by asking Redis."""

from __future__ import annotations

import random
import time
from uuid import uuid4

from orchestrator.breaker.configured import configured
from orchestrator.breaker.hub import hub
from orchestrator.breaker.ramp import ramp_share
from orchestrator.breaker.state import State
from orchestrator.breaker.tally import Tally
from orchestrator.breaker.telling import UNCOUNTED, Pass, Telling
from orchestrator.breaker.view import View
from orchestrator.errors import BreakerOpen
from orchestrator.policy import Policy

# Who is turned away while another call probes, or by the ramp, is not told to wait for longer.
LONGEST_PAUSE_SECONDS = 1.0


class Standing(Telling):
    """One breaker in this process: who may call, now."""

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
            if self._is_unknown:
                self._register()

    def decide(self, token: str) -> Pass | None:
        """Whether the call may be made, of what is known here; None: Redis has to be asked.

        Raises:
            BreakerOpen: it may not.
        """
        if self._is_unknown:
            return None
        now, view = time.monotonic(), self.view
        mode, circuit = view.mode(now), view.state.circuit
        if mode == "disabled":
            return UNCOUNTED
        if mode == "isolated":
            raise BreakerOpen(self.name, view.mode_left(now), f"{self.name!r} is isolated by hand")
        if circuit == "closed":
            return self._decide_closed(view, token, now)
        left = view.left(now)
        if left > 0 and not (token and circuit == "half_open"):
            if mode == "shadow":
                return UNCOUNTED
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
        if self._hub is None or self._is_unknown:
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
            return UNCOUNTED
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
            if answer is not None:
                self.policy = answer[1]
                # What the fleet calls it counts: a newer release may say more than this one understands.
                self._policy_id = answer[0].policy
                self._registered_at = time.monotonic()
            elif not self._policy_id:
                self.policy = wanted
            if self._tally.slow_seconds != self._slow_seconds:
                self._tally = Tally(self._tally.epoch, self._slow_seconds)
        if answer is None:
            self._go_on_here()
        else:
            self.hear(answer[0])
        with self._lock:
            self._refresh(time.monotonic())
