"""A Redis of these tests' own, which may be killed, and breakers that begin anew with each test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator import settings
from orchestrator.breaker import hub
from orchestrator.breaker.store import Store
from tests.integration.breaker.callers import Caller, callers
from tests.own_redis import OwnRedis, own_redis


@pytest.fixture(scope="module")
def server() -> Iterator[OwnRedis]:
    """A server of this module's own."""
    with own_redis() as running:
        yield running


@pytest.fixture(scope="module")
def fleet(server: OwnRedis) -> Iterator[list[Caller]]:
    """Four processes that call breakers of this module's server when they are told to."""
    with callers(4, server.port) as processes:
        yield processes


@pytest.fixture
def fresh(server: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnRedis]:
    """The server with nothing in it, and this process's breakers on it."""
    server.client.flushall()
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{server.port}/0")
    settings.use(settings.load())
    yield server
    hub.forget()
    settings.forget()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scripts that this thread has Redis run, as it has them run."""
    scripts: list[str] = []
    ask = Store._ask  # noqa: SLF001

    def noted(self: Store, script: str, *args: Any, **kwargs: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            scripts.append(script)
        return ask(self, script, *args, **kwargs)

    monkeypatch.setattr(Store, "_ask", noted)
    return scripts
