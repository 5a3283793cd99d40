"""Letters in the index, and the queues that their replays go to."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import psycopg
from redis import Redis

from orchestrator import redis
from orchestrator.deadletter.death import Death, from_outbox
from orchestrator.index.filters import Filter
from orchestrator.index.writing import write
from orchestrator.replay import order
from orchestrator.replay.account import Account
from orchestrator.replay.broker import channel
from orchestrator.replay.edit import Edit
from orchestrator.replay.run import replay
from orchestrator.settings import Settings

DIED = datetime(2026, 6, 1, tzinfo=UTC)


def death(
    number: int, headers: dict[str, Any] | None = None, raw: bytes | None = None, **fields: str
) -> Death:
    """The number-th one, of a task that a plain producer has sent."""
    letter_id = hashlib.sha256(str(number).encode()).hexdigest()
    envelope = {
        "body": base64.b64encode(json.dumps([[number], {}, {}]).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "shop.pay", "id": f"task-{number}", "retries": 3} | (headers or {}),
        "properties": {
            "body_encoding": "base64",
            "correlation_id": f"task-{number}",
            "delivery_tag": f"tag-{number}",
            "delivery_info": {},
        },
    }
    told = {"id": letter_id, "reason": "exception", "task": "shop.pay", "queue": "shop"} | fields
    told.setdefault("exception", "ValueError")
    told.setdefault("died_at", (DIED + timedelta(seconds=number)).isoformat())
    return from_outbox(told, raw if raw is not None else json.dumps(envelope).encode())


@dataclass
class Shop:
    """A database with letters, a Redis, and what replays them."""

    settings: Settings
    database: psycopg.Connection[Any]
    server: Redis
    channel: Any

    def die(self, *deaths: Death) -> list[str]:
        """Index them; returns the letters' ids."""
        write(self.database, deaths, max_replays=5)
        return [each.letter_id for each in deaths]

    def order(self, **options: Any) -> Any:
        """An order as the command makes it."""
        filter_ = options.pop("filter", {})
        edit = options.pop("edit", None)
        return order.order(
            Filter.from_json(filter_), edit=Edit.from_json(edit) if edit is not None else None, **options
        )

    def replay(
        self, stop: Event | None = None, tasks: Any = None, say: Any = None, **options: Any
    ) -> Account:
        """A whole run, without the command around it."""
        operation = order.begin(self.database, self.order(**options), "ada@host", "the cause is gone")
        more = {"say": say} if say else {}
        return replay(self.database, self.channel, operation, stop=stop or Event(), tasks=tasks, **more)

    def waiting(self, queue: str = "shop") -> list[Any]:
        """The messages of a queue's list, the next one first."""
        return [json.loads(raw) for raw in reversed(self.server.lrange(queue, 0, -1))]

    def tasks(self, queue: str = "shop") -> list[str]:
        """The ids of the tasks that wait."""
        return [message["headers"]["id"] for message in self.waiting(queue)]

    def states(self) -> dict[str, int]:
        """How many letters are in which state."""
        rows = self.database.execute("SELECT state, count(*) FROM dead_letters GROUP BY state").fetchall()
        return dict(rows)

    def empty(self) -> None:
        """As it was at first."""
        self.server.config_set("maxmemory", 0)
        self.server.flushdb()
        self.database.execute("TRUNCATE dead_letters, dead_letter_operations, replay_batches CASCADE")


@contextmanager
def open_shop(settings: Settings) -> Iterator[Shop]:
    """On servers of a test's own."""
    with (
        psycopg.connect(settings.database_url, autocommit=True) as database,
        channel(settings, "") as opened,
        redis.connect(settings.redis_url) as server,
    ):
        yield Shop(settings, database, server, opened)
