"""Our breaker and its peers behind one face: a guard that wraps a function, on Redis if they can."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import circuitbreaker
import interlock
import purgatory
import pybreaker
from interlock.integrations.redis import RedisStorage
from purgatory.domain.model import OpenedState
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator import settings
from orchestrator.breaker import breaker
from orchestrator.errors import BreakerOpen
from orchestrator.policy import Policy
from orchestrator.settings import Settings

Function = Callable[..., Any]


@dataclass(frozen=True)
class Rules:
    """When to trip and for how long; a rate stands for failures in a row where it is given."""

    threshold: int = 5
    open_seconds: float = 60.0
    probes: int = 1
    lease_seconds: float = 30.0
    rate: float | None = None
    minimum_calls: int = 20
    window_seconds: float = 30.0


@dataclass(frozen=True)
class Guard:
    """`wrap` protects a function, plain or not; a call that is turned away raises `refused`.

    `prepare` is awaited once in the event loop, before a coroutine function is protected.
    """

    wrap: Callable[[Function], Function]
    refused: type[BaseException]
    prepare: Callable[[], Awaitable[Any]] | None = None


@dataclass(frozen=True)
class Contender:
    """A library; `make(url, name, rules)` gives a guard. Which kinds of functions it protects on Redis."""

    name: str
    make: Callable[[str, str, Rules], Guard]
    plain: bool = True
    coroutines: bool = True


def _omninode(url: str, name: str, rules: Rules) -> Guard:

    os.environ["REDIS_URL"] = url
    settings.use(Settings.model_validate({"REDIS_URL": url}))
    policy = Policy(
        failure_threshold=None if rules.rate else rules.threshold,
        failure_rate=rules.rate or 0.5,
        slow_rate=0.9,
        minimum_calls=rules.minimum_calls if rules.rate else 1_000_000,
        window_seconds=rules.window_seconds,
        open_seconds=rules.open_seconds,
        open_cap_seconds=max(300.0, rules.open_seconds),
        open_jitter=0.0,
        probes=rules.probes,
        probe_lease_seconds=rules.lease_seconds,
        ramp_seconds=0.0,
    )
    made = breaker(name, policy)
    return Guard(made, BreakerOpen)


def _circuitbreaker(url: str, name: str, rules: Rules) -> Guard:  # noqa: ARG001

    made = circuitbreaker.CircuitBreaker(
        failure_threshold=rules.threshold, recovery_timeout=int(rules.open_seconds), name=name
    )
    return Guard(made, circuitbreaker.CircuitBreakerError)


def _pybreaker(url: str, name: str, rules: Rules) -> Guard:

    # Its default client waits for minutes when Redis is away: this is the kindest configuration.
    client = Redis.from_url(url, socket_timeout=0.1, socket_connect_timeout=0.1, retry=Retry(NoBackoff(), 0))
    made = pybreaker.CircuitBreaker(
        fail_max=rules.threshold,
        reset_timeout=rules.open_seconds,
        throw_new_error_on_trip=False,
        state_storage=pybreaker.CircuitRedisStorage(pybreaker.STATE_CLOSED, client, namespace=name),
    )
    return Guard(made, pybreaker.CircuitBreakerError)


def _purgatory(url: str, name: str, rules: Rules) -> Guard:
    """Only its asynchronous side works on Redis: `SyncRedisUnitOfWork` awaits in plain functions."""
    factory = purgatory.AsyncCircuitBreakerFactory(
        default_threshold=rules.threshold,
        default_ttl=rules.open_seconds,
        uow=purgatory.AsyncRedisUnitOfWork(url),
    )
    return Guard(factory(name), OpenedState, factory.initialize)


def _interlock(url: str, name: str, rules: Rules) -> Guard:

    made = interlock.CircuitBreaker(
        name=name,
        storage=RedisStorage(Redis.from_url(url)),
        config=interlock.Config(
            # It knows no failures in a row: the first failure after so many calls.
            failure_rate_threshold=rules.rate or 0.01,
            minimum_number_of_calls=rules.minimum_calls if rules.rate else rules.threshold,
            window_type=interlock.WindowType.TIME_BASED,
            window_size=int(rules.window_seconds),
            wait_duration_in_open=rules.open_seconds,
            permitted_calls_in_half_open=rules.probes,
        ),
    )
    return Guard(made, interlock.CircuitOpenError)


OMNINODE = Contender("omninode", _omninode)
# In memory: it knows of no other process.
CIRCUITBREAKER = Contender("circuitbreaker", _circuitbreaker)
PYBREAKER = Contender("pybreaker", _pybreaker, coroutines=False)
PURGATORY = Contender("purgatory", _purgatory, plain=False)
INTERLOCK = Contender("interlock", _interlock, coroutines=False)
ALL = (OMNINODE, CIRCUITBREAKER, PYBREAKER, PURGATORY, INTERLOCK)
BY_NAME = {contender.name: contender for contender in ALL}
