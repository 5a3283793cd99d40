"""A Redis, an app that sends to it, and workers of the app in `control_tasks`, as tests see them."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery

from orchestrator import keys, redis
from orchestrator.dev import ports
from orchestrator.dev.stack import Addresses
from orchestrator.install import install
from orchestrator.settings import Settings
from tests.chaos.transport.servers import Server
from tests.processes import Worker, start_worker, wait_until
from tests.servers import clean_redis, environment_of

# Written by `control_tasks`: how often a task has begun, what was signalled about it, where slow tasks ended,
# how long slow tasks take, and how many short ones have ended.
STARTS, SIGNALS, RUNS, SECONDS = "control:starts", "control:signals:", "control:runs", "control:seconds"
COUNT = "control:count"
_APP = "tests.acceptance.control_tasks"


@dataclass(frozen=True)
class Place:
    """A Redis of the test's own, as the test sees it."""

    server: Any
    app: Celery
    environment: Mapping[str, str]

    def worker(
        self, *options: str, concurrency: int = 2, environment: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Worker]:
        """A worker of the app; its queues are among the options."""
        own = {**self.environment, **(environment or {})}
        return start_worker(*options, app=_APP, concurrency=concurrency, environment=own)

    def send(self, task: str, *args: object, queue: str, **options: Any) -> str:
        """Send a task by the last part of its name; returns its id."""
        return str(self.app.send_task(f"control.{task}", args=args, queue=queue, **options).id)

    def state(self, task_id: str) -> str:
        """Its state, as the result backend has it."""
        return str(self._stored(task_id).get("status", "PENDING"))

    def result(self, task_id: str, within_seconds: float = 40.0) -> Any:
        """What it has returned, as soon as it has."""
        wait_until(lambda: self.state(task_id) == "SUCCESS", within_seconds, f"the success of {task_id}")
        return self._stored(task_id)["result"]

    def _stored(self, task_id: str) -> dict[str, Any]:
        return dict(json.loads(self.server.get(f"celery-task-meta-{task_id}") or "{}"))

    def letters(self, task_id: str) -> list[str]:
        """The reasons of its dead letters."""
        return [each["reason"] for _, each in self.server.xrange(keys.outbox()) if each["task_id"] == task_id]

    def signals(self, task_id: str) -> list[str]:
        """What workers have signalled about it, in order."""
        return list(self.server.lrange(SIGNALS + task_id, 0, -1))

    def starts(self, task_id: str) -> int:
        """How often it has begun."""
        return int(self.server.hget(STARTS, task_id) or 0)

    def left(self, *queues: str) -> int:
        """How many messages are anywhere."""
        held = self.server.hlen(keys.claims()) + self.server.hlen(keys.delayed_messages())
        return int(held + sum(self.server.llen(queue) for queue in queues))


@contextmanager
def shared_redis(stack: Addresses, **environment: str) -> Iterator[Place]:
    """A database on the run's server; `environment` is that of its workers."""
    with (
        clean_redis(stack.redis_url) as url,
        environment_of(stack, url, stack.database_url) as settings,
        _place(settings, environment) as place,
    ):
        yield place


@contextmanager
def own_redis(stack: Addresses, folder: Path, **environment: str) -> Iterator[tuple[Place, Server]]:
    """A server that may be frozen, stopped and filled."""
    (port,) = ports.free(1)
    server = Server("redis", port, folder)
    server.start()
    try:
        with (
            environment_of(stack, server.url, stack.database_url) as settings,
            _place(settings, environment) as place,
        ):
            yield place, server
    finally:
        server.stop()


@contextmanager
def _place(settings: Settings, environment: Mapping[str, str]) -> Iterator[Place]:
    with (
        redis.connect(settings.redis_url) as server,
        install(Celery("controlled", set_as_current=False), settings) as app,
    ):
        yield Place(server, app, environment)


@contextmanager
def together(*workers: AbstractContextManager[Worker]) -> Iterator[list[Worker]]:
    """Start and stop several at the same time."""
    with ThreadPoolExecutor(len(workers)) as threads, ExitStack() as stack:
        started = [threads.submit(worker.__enter__) for worker in workers]

        def leave() -> None:
            for end in [threads.submit(worker.__exit__, None, None, None) for worker in workers]:
                end.result()

        stack.callback(leave)
        yield [each.result() for each in started]


def kill(worker: Worker) -> None:
    """End all of its processes at once, as the end of a host does."""
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.process.wait(timeout=10)
