"""`TimeoutManager`: limits how long operations may take, shows those that run, and counts how they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from orchestrator import breaker as breakers
from orchestrator import times
from orchestrator.errors import InvalidTimeout
from orchestrator.timeouts import beside, config
from orchestrator.timeouts.config import LONGEST_SECONDS, TimeoutConfig
from orchestrator.timeouts.context import Context
from orchestrator.timeouts.running import table
from orchestrator.timeouts.terms import AdaptiveTimeout, Terms
from orchestrator.timeouts.warning import OnWarning

# In seconds, where it is a number.
Timeout = float | timedelta | AdaptiveTimeout
_PLAIN = {float, int}


class TimeoutManager:
    """Limits operations by a `TimeoutConfig`, the environment's unless given.

    `on_warning` is called with the context of each operation whose time is nearly over (`timeout_context` may
    be given another one); what it raises is logged, and what it returns is awaited where it can be. `clock`
    gives the time in synchronous code, in seconds; in asynchronous code it is the event loop's.

    Raises:
        InvalidTimeout: the config is none.
    """

    def __init__(
        self,
        config: TimeoutConfig | None = None,
        *,
        on_warning: OnWarning | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if config is not None and not isinstance(config, TimeoutConfig):
            raise InvalidTimeout(
                f"TimeoutManager takes a TimeoutConfig, not a {type(config).__name__}: "
                "TimeoutManager(TimeoutConfig(operation_timeout=3))"
            )
        self.config = config or TimeoutConfig()
        self._terms = Terms(self.config, on_warning, clock)

    def timeout_context(
        self, name: str, timeout: Timeout | None = None, *, on_warning: OnWarning | None = None
    ) -> Context:
        """A context for `async with` or `with`: what is done in it may take `timeout` seconds.

        It is the config's `operation_timeout` unless given, and may be a `timedelta` or an `Adaptive`. At its
        end, and that of the grace period, the block is left with TimeoutExceeded. Contexts nest: none
        outlives one around it, the outermost one's `global_timeout`, or the deadline of the task that runs
        here.

        Raises:
            InvalidTimeout: the timeout is no length of time, or the name is no text.
        """
        if type(name) is not str or not name:
            raise InvalidTimeout(f"the name of an operation must be text, not {name!r:.80}")
        # Most are plain numbers, looked at without a call: asking for a protocol costs more than the rest.
        if type(timeout) in _PLAIN and 0 < timeout <= LONGEST_SECONDS:  # type: ignore[operator]
            return Context(self._terms, name, float(timeout), None, on_warning)  # type: ignore[arg-type]
        if timeout is None:
            return Context(self._terms, name, self.config.operation_timeout, None, on_warning)
        if isinstance(timeout, AdaptiveTimeout):
            seconds = config.seconds(timeout.seconds(), "timeout")
            return Context(self._terms, name, seconds, timeout, on_warning)
        return Context(self._terms, name, config.seconds(timeout, "timeout"), None, on_warning)

    async def timeout_operation(
        self,
        func: Callable[..., Any],
        name: str,
        timeout: Timeout | None = None,  # noqa: ASYNC109 (this is what limits)
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """What `func` returns, an async function or a plain one, which then runs in a thread of its own.

        When its time is over the plain one is told by TimeoutExceeded, raised in it as soon as Python code
        runs, and nobody waits for it any longer; until it ends it is shown as "stopping".

        Raises:
            InvalidTimeout: nothing was called; also where `func` is no function, but what one has returned.
            TimeoutExceeded: its time was over.
        """
        beside.check(func, name)
        async with self.timeout_context(name, timeout) as context:
            return await beside.called(context, func, args, kwargs)

    async def timeout_with_circuit_breaker(
        self,
        func: Callable[..., Any],
        name: str,
        timeout: Timeout | None = None,  # noqa: ASYNC109 (this is what limits)
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """`timeout_operation` behind the fleet's breaker of this name, of which a timeout is a failure.

        Raises:
            BreakerOpen: nothing was called.
        """
        # Before the breaker is asked: what is wrong with the timeout is not the dependency's fault.
        beside.check(func, name)
        context = self.timeout_context(name, timeout)
        async with breakers.breaker(name), context:
            return await beside.called(context, func, args, kwargs)

    def call(
        self, func: Callable[..., Any], name: str, timeout: Timeout | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """What `func` returns, a plain function: for synchronous code.

        Raises:
            InvalidTimeout: nothing was called.
            TimeoutExceeded: its time was over.
        """
        beside.check(func, name)
        with self.timeout_context(name, timeout):
            return func(*args, **kwargs)

    def call_with_circuit_breaker(
        self, func: Callable[..., Any], name: str, timeout: Timeout | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """`call` behind the fleet's breaker of this name, of which a timeout is a failure.

        Raises:
            BreakerOpen: nothing was called.
        """
        beside.check(func, name)
        context = self.timeout_context(name, timeout)
        with breakers.breaker(name), context:
            return func(*args, **kwargs)

    async def get_active_operations(self) -> list[dict[str, Any]]:
        """`active_operations`, for asynchronous code."""
        return self.active_operations()

    def active_operations(self) -> list[dict[str, Any]]:
        """What runs now in its contexts, oldest first, ready for JSON; `percent` is of the limit."""
        entries = table.entries()
        return [_shown(each) for each in entries if isinstance(each, Context) and each.terms is self._terms]

    async def get_metrics(self) -> dict[str, Any]:
        """`metrics`, for asynchronous code."""
        return self.metrics

    @property
    def metrics(self) -> dict[str, Any]:
        """How many operations were started, completed, … and are active; the same of each, by name."""
        return self._terms.tallies.told()


def _shown(context: Context) -> dict[str, Any]:
    return {
        "name": context.name,
        "started_at": times.iso(context.started_at),
        "elapsed_seconds": round(context.elapsed_seconds, 3),
        "timeout_seconds": context.limit_seconds,
        "left_seconds": round(context.left_seconds, 3),
        "percent": round(100 * context.elapsed_seconds / context.limit_seconds, 1),
        "state": context.state,
        "warned": context.was_warned,
        "nested_in": context.parent.name if context.parent else None,
    }
