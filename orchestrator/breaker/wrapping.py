"""Protects functions of each kind: while all is well, a call costs little more than the call."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import wraps
from time import monotonic
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from orchestrator.breaker import permit as permits
from orchestrator.breaker.permit import Permit
from orchestrator.breaker.standing import Standing
from orchestrator.breaker.telling import Pass

P = ParamSpec("P")
R = TypeVar("R")


class Guard(Protocol):
    """What protects: a `Breaker`."""

    @property
    def standing(self) -> Standing:
        """Where all is well, its `clean` says so."""

    def permit(self) -> Permit:
        """Leave for one call."""

    async def permit_soon(self) -> Permit:
        """Leave for one call, for asynchronous code."""

    def ended(self, passed: Pass, started: float) -> Permit:
        """The permit of a call that has begun without one, because all was well."""


def wrapped(breaker: Guard, function: Callable[P, R]) -> Callable[P, R]:
    """The function, protected. Of a generator the call lasts from its first value to its end."""
    given = cast("Callable[..., Any]", function)
    if inspect.isasyncgenfunction(given):
        return cast("Callable[P, R]", _async_generator(breaker, given))
    if inspect.isgeneratorfunction(given):
        return cast("Callable[P, R]", _generator(breaker, given))
    if inspect.iscoroutinefunction(given):
        return cast("Callable[P, R]", _coroutine(breaker, given))
    return cast("Callable[P, R]", _plain(breaker, given))


def _plain(breaker: Guard, function: Callable[P, R]) -> Callable[P, R]:
    standing = breaker.standing

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        tally = standing.clean
        if tally is None:
            return careful(*args, **kwargs)
        started = monotonic()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            breaker.ended(Pass(tally), started).end(error)
            raise
        if standing.clean is not tally:
            breaker.ended(Pass(tally), started).end()
            return result
        tally.ok()
        if tally.slow_seconds is not None and monotonic() - started >= tally.slow_seconds:
            tally.slow()
        return result

    def careful(*args: P.args, **kwargs: P.kwargs) -> R:
        permit = breaker.permit()
        permits.enter(permit)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            permits.drop(permit)
            permit.end(error)
            raise
        permits.drop(permit)
        permit.end()
        return result

    return guarded


def _coroutine(breaker: Guard, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    standing = breaker.standing

    @wraps(function)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        tally = standing.clean
        if tally is None:
            return await careful(*args, **kwargs)
        started = monotonic()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            await breaker.ended(Pass(tally), started).end_soon(error)
            raise
        if standing.clean is not tally:
            await breaker.ended(Pass(tally), started).end_soon()
            return result
        tally.ok()
        if tally.slow_seconds is not None and monotonic() - started >= tally.slow_seconds:
            tally.slow()
        return result

    async def careful(*args: P.args, **kwargs: P.kwargs) -> R:
        permit = await breaker.permit_soon()
        permits.enter(permit)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            permits.drop(permit)
            await permit.end_soon(error)
            raise
        permits.drop(permit)
        await permit.end_soon()
        return result

    return guarded


def _generator(
    breaker: Guard, function: Callable[P, Generator[Any, Any, Any]]
) -> Callable[P, Generator[Any, Any, Any]]:
    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
        permit = breaker.permit()
        try:
            result = yield from function(*args, **kwargs)
        except BaseException as error:
            permit.end(error)
            raise
        permit.end()
        return result

    return guarded


def _async_generator(
    breaker: Guard, function: Callable[P, AsyncGenerator[Any, Any]]
) -> Callable[P, AsyncGenerator[Any, Any]]:
    @wraps(function)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
        permit = await breaker.permit_soon()
        values = function(*args, **kwargs)
        try:
            value = await anext(values)
            while True:
                try:
                    sent = yield value
                except GeneratorExit:
                    await values.aclose()
                    raise
                except BaseException as thrown:
                    value = await values.athrow(thrown)
                else:
                    value = await values.asend(sent)
        except StopAsyncIteration:
            await permit.end_soon()
        except BaseException as error:
            await permit.end_soon(error)
            raise

    return guarded
