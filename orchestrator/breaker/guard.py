"""A breaker as code uses it: a decorator, a context manager, or a permit for one call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import ParamSpec, TypeAlias, TypeVar, cast

from orchestrator.breaker import permit as permits
from orchestrator.breaker import wrapping
from orchestrator.breaker.builtin import builtin
from orchestrator.breaker.faults import Faults, Kind
from orchestrator.breaker.hub import hub
from orchestrator.breaker.permit import Permit
from orchestrator.breaker.report import LONGEST_ERROR, Report
from orchestrator.breaker.standing import Standing
from orchestrator.breaker.state import State
from orchestrator.breaker.telling import Pass
from orchestrator.policy import Policy
from orchestrator.redaction import printable

P = ParamSpec("P")
R = TypeVar("R")
Kinds: TypeAlias = Kind | Iterable[Kind]


class Breaker:
    """Protects a dependency of the whole fleet: `breaker("openai")` gives the process's only one of the name.

    As a decorator it takes functions, coroutine functions, generators and asynchronous generators; as a
    context manager (`with`, `async with`) it may be entered again, also by other threads and tasks. What
    the call raises is raised, whatever the breaker makes of it. The event loop never waits for Redis.

    Raises, in each way to make a call:
        BreakerOpen: the call was not made.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.standing = Standing(name)
        ours = builtin(name)
        self._expected: Kinds = ours.expected if ours else (Exception,)
        self._excluded: Kinds = ours.excluded if ours else ()
        self._faults: Faults | None = None
        self._faults_of: Policy | None = None

    def __repr__(self) -> str:
        """Its name."""
        return f"Breaker({self.name!r})"

    def configure(self, policy: Policy | None, expected: Kinds | None, excluded: Kinds | None) -> None:
        """Go by what is given from now on; None leaves it as it is.

        Raises:
            TypeError: `expected` or `excluded` is nothing that tells errors apart.
        """
        chosen = self._expected if expected is None else expected
        left_out = self._excluded if excluded is None else excluded
        Faults(chosen, left_out)
        self._expected, self._excluded, self._faults = chosen, left_out, None
        if policy is not None and policy != self.standing.given:
            self.standing.want(policy)

    @property
    def policy(self) -> Policy:
        """The policy it goes by: the fleet's, once a call was made; until then the one it will ask for."""
        standing = self.standing
        return standing.policy if standing.is_known else standing.wanted

    @property
    def state(self) -> State:
        """What this process knows of it, without asking Redis."""
        return self.standing.view.state_at(time.monotonic())

    @property
    def faults(self) -> Faults:
        """What tells the dependency's failures from other errors."""
        policy = self.standing.policy
        faults = self._faults
        if faults is None or self._faults_of is not policy:
            faults = Faults(self._expected, self._excluded, soft_limit_counts=policy.soft_limit_counts)
            self._faults, self._faults_of = faults, policy
        return faults

    def permit(self, token: str = "") -> Permit:
        """Leave for one call, which the caller ends: `permit.end(error)`.

        A `token` is the lease of a probe; a task that was let go under this token holds it already.
        """
        return self.permit_at_once(token) or self._permitted(self.standing.decide_by_asking(token))

    async def permit_soon(self, token: str = "") -> Permit:
        """`permit`, where waiting for Redis would hold up the event loop; ended by `end_soon`."""
        permit = self.permit_at_once(token)
        if permit is not None:
            return permit
        future = hub().beside.submit(self.standing.decide_by_asking, token)
        try:
            passed = await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            # A probe's lease is of no use to anybody any more.
            future.add_done_callback(self._hand_back)
            raise
        return self._permitted(cast("Pass", passed))

    def permit_at_once(self, token: str = "") -> Permit | None:
        """`permit`, where it needs nothing of Redis; else None."""
        outer = permits.around(self.standing)
        if outer is not None:
            return outer.inner()
        tally = self.standing.clean
        passed = self.standing.decide(token) if tally is None else Pass(tally)
        return None if passed is None else self._permitted(passed)

    def report_failure(self, error: str, token: str = "") -> None:
        """Count a failure that was learned of elsewhere, such as a killed child's; waits for nothing.

        `token` is that of its permit, where it had one: a probe's lease ends.
        """
        shown = printable(error[: 10 * LONGEST_ERROR])[:LONGEST_ERROR]
        hub().beside.submit(self._report_failure, shown, token)

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make one call, of a function of any kind."""
        return self(function)(*args, **kwargs)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Protect each call of the function."""
        return wrapping.wrapped(self, function)

    def __enter__(self) -> Permit:
        """Leave for what is done in the block."""
        permit = self.permit()
        permits.enter(permit)
        return permit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Count what was done in the block."""
        permit = permits.leave(self.standing)
        if permit is not None:
            permit.end(error)

    async def __aenter__(self) -> Permit:
        """Leave for what is done in the block."""
        permit = await self.permit_soon()
        permits.enter(permit)
        return permit

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Count what was done in the block."""
        permit = permits.leave(self.standing)
        if permit is not None:
            await permit.end_soon(error)

    def ended(self, passed: Pass, started: float) -> Permit:
        """The permit of a call that has begun without one, because all was well."""
        return Permit(self.standing, self.faults, passed, started)

    def _permitted(self, passed: Pass) -> Permit:
        return Permit(self.standing, self.faults, passed)

    def _hand_back(self, future: Future[object]) -> None:
        if future.exception() is None:
            self._permitted(cast("Pass", future.result())).end_elsewhere(asyncio.CancelledError())

    def _report_failure(self, error: str, token: str) -> None:
        standing = self.standing
        standing.make_known()
        tally = standing.tally
        report = Report(tally.epoch, token, failed=1, error=error)
        lease = token if standing.view.state.circuit == "half_open" else ""
        if standing.end(Pass(tally, lease), report):
            standing.send(report if lease else None)
