"""What a process knows of one breaker: from Redis, or while that is away from its own calls."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace

from orchestrator.breaker.local import Local
from orchestrator.breaker.origin import origin
from orchestrator.breaker.report import Report
from orchestrator.breaker.serving import Hub
from orchestrator.breaker.state import State
from orchestrator.breaker.tally import Tally
from orchestrator.breaker.view import View
from orchestrator.policy import Policy

# The fleet forgets after a day who had which policy, and after a month who there is.
_REGISTER_AGAIN_SECONDS = 3600.0
# A state that is given back to Redis is open for so long at least: a probe ends it.
_SHORTEST_OPEN_SECONDS = 0.05


class Known:
    """What one process knows of one breaker. `clean` is all that a call looks at while all is well.

    `clean` is the tally of the present epoch, or None where a call needs more than to be made. `_lock` guards
    what is known and is held for moments; `_wire` is held while Redis is asked, so that whoever waits for it
    finds the answer there. Whoever interrupts its holder, as a signal's handler does, gets both.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.given: Policy | None = None
        self.policy = Policy()
        self.start_anew(keep=False)

    def start_anew(self, *, keep: bool) -> None:
        """Hold no lock, and read before anything is trusted; `keep` what was seen last, if Redis is away."""
        if not keep:
            self.view = View(State(self.name), time.monotonic())
            self._policy_id = ""
        self._lock = threading.RLock()
        self._wire = threading.RLock()
        self.clean: Tally | None = None
        self.heard = 0
        self._hub: Hub | None = None
        self._registered_at: float | None = None
        self._seen = self.view.state
        self._local: Local | None = None
        self._pending: Report | None = None
        self._is_reporting = False
        self._telling: Report | None = None
        self._was_used = False
        self._tally = Tally(self._seen.epoch, self._slow_seconds)

    def hear(self, fresh: State, *, caused: bool = False) -> None:
        """What was published, or was the answer to a command of this process (`caused`)."""
        now = time.monotonic()
        with self._lock:
            self.heard += 1
            known = self._seen
            if self._local is not None or (fresh.born, fresh.version) < (known.born, known.version):
                # Redis may have begun anew by a clock that is behind: the next read knows.
                self._was_used |= fresh.born < known.born
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

    # What follows is called with the lock held.

    @property
    def _is_unknown(self) -> bool:
        return self._hub is None or (self._registered_at is None and not self._is_here)

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
            # What is published may be heard before the answer to the report that has caused it.
            told = self._telling
            self._hub.news.note(
                before,
                fresh,
                caused=caused or told is not None,
                is_own=self._local is not None or fresh.opened_by == origin(),
                error=told.error if told else "",
            )

    def _refresh(self, now: float) -> None:
        is_known = self._is_here or self._registered_at is not None
        is_quiet = self._pending is None and not self._is_reporting
        is_clean = self._hub is not None and is_known and is_quiet and self.view.is_clean(now)
        self.clean = self._tally if is_clean else None
