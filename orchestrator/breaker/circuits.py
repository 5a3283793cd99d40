"""`@circuit`, as the `circuitbreaker` library has it: failures in a row; here those of the whole fleet."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast, overload

from orchestrator.breaker.guard import Breaker, Kinds
from orchestrator.breaker.registry import breaker
from orchestrator.errors import BreakerOpen, InvalidBreaker
from orchestrator.policy import Policy

F = TypeVar("F", bound=Callable[..., Any])
# Classes of errors, or the library's predicate of a class and an error.
Expected: TypeAlias = type[BaseException] | Iterable[type[BaseException]] | Callable[[Any, Any], object]

# What Python calls the module that it was started with; the second, in a process of multiprocessing.
_RUN_AS_SCRIPT = frozenset({"__main__", "__mp_main__"})
_FAILURES, _RECOVERY_SECONDS = 5, 30.0


@overload
def circuit(failure_threshold: F) -> F: ...


@overload
def circuit(
    failure_threshold: int | None = None,
    recovery_timeout: float | None = None,
    expected_exception: Expected | None = None,
    name: str | None = None,
    fallback_function: Callable[..., Any] | None = None,
) -> Callable[[F], F]: ...


def circuit(
    failure_threshold: Any = None,
    recovery_timeout: float | None = None,
    expected_exception: Expected | None = None,
    name: str | None = None,
    fallback_function: Callable[..., Any] | None = None,
) -> Any:
    """Protect a function: open after so many failures in a row (5), try again after so many seconds (30).

    `expected_exception` are the errors that count (any Exception); `name` is shared by the fleet, and is the
    function's module and name unless given (a script's file, where it is that which runs). While it is open,
    `fallback_function` is called instead, with the same arguments. `@circuit` works without parentheses too.

    Raises:
        InvalidBreaker: what is given makes no policy, the name is none, or the fallback cannot be called.
    """
    if callable(failure_threshold):
        return circuit()(failure_threshold)
    policy = _policy(
        _FAILURES if failure_threshold is None else failure_threshold,
        _RECOVERY_SECONDS if recovery_timeout is None else recovery_timeout,
    )
    expected = _kinds(expected_exception)
    if fallback_function is not None and not callable(fallback_function):
        message = f"circuit(fallback_function={fallback_function!r:.80}): it must be a function"
        raise InvalidBreaker(message)

    def decorate(function: F) -> F:
        called = f"{_module_of(function)}.{function.__qualname__}" if name is None else name
        guard = breaker(called, policy, expected=expected)
        return cast("F", _with_fallback(guard, function, fallback_function))

    return decorate


def _policy(failure_threshold: int, recovery_timeout: float) -> Policy:
    try:
        return Policy(
            failure_threshold=failure_threshold,
            failure_rate=None,
            open_seconds=recovery_timeout,
            open_cap_seconds=recovery_timeout,
            open_jitter=0.0,
            ramp_seconds=0.0,
        )
    except ValueError:
        message = (
            f"circuit(failure_threshold={failure_threshold!r}, recovery_timeout={recovery_timeout!r}): "
            "the first must be a whole number of 1 or more, the second a number of seconds above 0"
        )
        raise InvalidBreaker(message) from None


def _module_of(function: Callable[..., Any]) -> str:
    """The module as others import it: what runs as a script has another name, which all scripts share."""
    name = function.__module__
    if name not in _RUN_AS_SCRIPT:
        return name
    module = sys.modules.get(name)
    spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None)
    if spec is not None:
        return str(spec.name)
    return Path(file).stem if file else name


def _kinds(expected: Expected | None) -> Kinds:
    if expected is None:
        return Exception
    if isinstance(expected, type):
        return expected
    if isinstance(expected, Iterable):
        return tuple(expected)
    if not callable(expected):
        message = (
            f"circuit(expected_exception={expected!r:.80}): it must be a class of errors, or several of them"
        )
        raise InvalidBreaker(message)
    predicate = expected
    return lambda error: predicate(type(error), error)


def _with_fallback(
    guard: Breaker, function: Callable[..., Any], fallback: Callable[..., Any] | None
) -> Callable[..., Any]:
    guarded = guard(function)
    if fallback is None:
        return guarded
    if inspect.isasyncgenfunction(function):
        return _async_generator(guard, guarded, fallback)
    if inspect.isgeneratorfunction(function):
        return _generator(guard, guarded, fallback)
    if inspect.iscoroutinefunction(function):
        return _coroutine(guard, guarded, fallback)
    return _plain(guard, guarded, fallback)


def _plain(guard: Breaker, guarded: Callable[..., Any], fallback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(guarded)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return guarded(*args, **kwargs)
        except BreakerOpen as error:
            if error.breaker != guard.name:
                raise
        return fallback(*args, **kwargs)

    return call


def _coroutine(
    guard: Breaker, guarded: Callable[..., Any], fallback: Callable[..., Any]
) -> Callable[..., Any]:
    @wraps(guarded)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await guarded(*args, **kwargs)
        except BreakerOpen as error:
            if error.breaker != guard.name:
                raise
        instead = fallback(*args, **kwargs)
        return await instead if inspect.isawaitable(instead) else instead

    return call


def _generator(
    guard: Breaker, guarded: Callable[..., Any], fallback: Callable[..., Any]
) -> Callable[..., Any]:
    @wraps(guarded)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        try:
            return (yield from guarded(*args, **kwargs))
        except BreakerOpen as error:
            if error.breaker != guard.name:
                raise
        return (yield from fallback(*args, **kwargs))

    return call


def _async_generator(
    guard: Breaker, guarded: Callable[..., Any], fallback: Callable[..., Any]
) -> Callable[..., Any]:
    @wraps(guarded)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        try:
            async for value in guarded(*args, **kwargs):
                yield value
        except BreakerOpen as error:
            if error.breaker != guard.name:
                raise
        else:
            return
        async for value in fallback(*args, **kwargs):
            yield value

    return call
