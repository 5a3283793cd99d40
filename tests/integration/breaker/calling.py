"""A process that calls breakers as its input says: a line of JSON a command, a line of JSON an answer."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
from redis import Redis

from orchestrator import events, settings
from orchestrator.breaker import breaker
from orchestrator.breaker.byhand import control
from orchestrator.breaker.store import Store
from orchestrator.errors import BreakerOpen
from orchestrator.policy import Policy
from tests.processes import wait_until

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
_redis = Redis.from_url(settings.current().redis_url, decode_responses=True)


class Down(Exception):
    """The dependency does not answer."""


def _use(name: str, policy: dict[str, Any]) -> dict[str, int]:
    breaker(name, Policy(**policy))
    return _call(name)


def _call(name: str, fails: int = 0, well: int = 1) -> dict[str, int]:
    done = Counter(ran=0, refused=0)
    for is_well in [False] * fails + [True] * (well if not fails else 0):
        try:
            with breaker(name):
                done["ran"] += 1
                if not is_well:
                    raise Down
        except Down:
            pass
        except BreakerOpen:
            done["refused"] += 1
    return dict(done)


def _refuses(name: str) -> bool:
    return breaker(name).state.circuit == "open"


def _circuit(name: str) -> str:
    return breaker(name).state.circuit


def _left(name: str) -> float:
    return breaker(name).state.left_seconds


def _rush(name: str, threads: int) -> bool:
    """Each thread makes one call, which lasts until the gate is opened; what came of it is told to Redis."""
    for _ in range(threads):
        threading.Thread(target=_hold, args=(name,), daemon=True).start()
    return True


def _hold(name: str) -> None:
    try:
        with breaker(name):
            _redis.incr("probing")
            _redis.blpop(["gate"], 20)
    except BreakerOpen:
        _redis.incr("refused")


def _fork(name: str) -> Any:
    """What a call of a forked child comes to, and whether the child hears what happens next."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            done = _call(name)
            redis_of_child = Redis.from_url(settings.current().redis_url, decode_responses=True)
            redis_of_child.rpush("child-called", json.dumps(done))
            redis_of_child.blpop(["child-goes-on"], 20)
            # Another process has heard of it already; this one may do so a moment later.
            wait_until(lambda: _refuses(name))
            os.write(writer, json.dumps(_call(name)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = answer.read()
    os.wait()
    return json.loads(told)


def _trips(name: str) -> dict[str, int]:
    """Of how many openings this process has told, and how many of these it has made."""
    heard = [event for event in _opened if event.component == name]
    return {"heard": len(heard), "own": sum(event.is_own for event in heard)}


def _open(name: str, action: str = "open") -> str:
    with Redis.from_url(settings.current().redis_url) as client:
        (state,) = control(Store(client), [name], action, who="a test", why="on purpose")
    return state.circuit


def _note(event: events.Event) -> None:
    if isinstance(event, events.CircuitOpened):
        _opened.append(event)


_opened: list[events.CircuitOpened] = []
_COMMANDS: dict[str, Callable[..., Any]] = {
    "use": _use,
    "call": _call,
    "refuses": _refuses,
    "circuit": _circuit,
    "left": _left,
    "rush": _rush,
    "fork": _fork,
    "trips": _trips,
    "open": _open,
}

if __name__ == "__main__":
    events.attach(_note)
    for line in sys.stdin:
        command = json.loads(line)
        answer = _COMMANDS[command.pop("do")](**command)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
