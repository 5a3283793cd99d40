"""A Redis, a database and an app that all tests of a file share, and what is left in that Redis."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from orchestrator import keys
from orchestrator.dev.stack import Addresses
from orchestrator.install import install
from orchestrator.settings import Settings
from tests.processes import wait_until
from tests.servers import clean_redis, environment_of, fresh_database


@contextmanager
def place(stack: Addresses, template: str) -> Iterator[Settings]:
    """The settings of a clean Redis and a fresh database; also this process's environment."""
    with (
        clean_redis(stack.redis_url) as redis_url,
        fresh_database(stack.database_url, template) as database_url,
        environment_of(stack, redis_url, database_url) as settings,
    ):
        yield settings


@contextmanager
def app_in(settings: Settings) -> Iterator[Celery]:
    """An app of ours, which is not this process's current one."""
    with install(Celery("acceptance", set_as_current=False), settings) as made:
        yield made
        _let_go(made)


@contextmanager
def stock_app_in(settings: Settings) -> Iterator[Celery]:
    """A plain Celery app on the same Redis, which is not this process's current one either."""
    url = settings.redis_url
    with Celery("stock", broker=url, backend=url, set_as_current=False) as made:
        yield made
        _let_go(made)


def _let_go(app: Celery) -> None:
    backend: Any = app.backend
    # Celery keeps the members of a group for as long as their app. Results unsubscribe when they are
    # collected: that has to be while their server is still there.
    backend._pending_results.concrete.clear()  # noqa: SLF001
    gc.collect()
    backend.result_consumer.stop()
    backend.client.connection_pool.disconnect()


def left(server: Any, *queues: str) -> int:
    """How many messages wait in these queues, are delayed or in flight: counted at one moment."""
    with server.pipeline() as pipeline:
        for queue in queues:
            pipeline.llen(queue)
        pipeline.zcard(keys.delayed())
        pipeline.hlen(keys.claims())
        return sum(pipeline.execute())


def wait_until_empty(server: Any, *queues: str) -> None:
    """Wait until every message of these queues has come to its end."""
    wait_until(lambda: left(server, *queues) == 0, 30.0, "an empty broker")


def letters(server: Any, task_id: str) -> list[dict[str, str]]:
    """The dead letters of a task."""
    return [fields for _, fields in server.xrange(keys.outbox()) if fields["task_id"] == task_id]
