"""What the fleet has learned of retries, as one process knows it: read and added to from time to time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import structlog

from orchestrator import keys
from orchestrator.retry.odds import EXPLORED, Failure, Odds

_LOG = structlog.get_logger(__name__)

_LIFE_SECONDS = 30 * 24 * 3600
# Attempts from this one on are counted as one: by then they are alike.
_LAST_ATTEMPT = 20
# Bounds: classes of errors may be made as a task runs, and so may tasks.
_MOST_TASKS = 1000
_MOST_FIELDS = 2000
_ERROR_CHARACTERS = 200
_PAID, _IN_VAIN = "paid", "vain"

_Table = dict[tuple[str, int], list[int]]


class Experience:
    """The odds of each task's retries; any thread may ask.

    What is counted here reaches the fleet with the next `exchange`: a process that is killed takes what it
    has counted since then with it. What has been learned of a task is forgotten after 30 days, and learned
    anew.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._tables: dict[str, _Table] = {}
        # Those that were asked about or added to since the last exchange.
        self._touched: set[str] = set()
        self._more: Counter[tuple[str, str, int, bool]] = Counter()
        self._lock = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether there is anything to exchange."""
        return bool(self._touched)

    def odds(self, failure: Failure) -> Odds:
        """How often a retry after such a failure has paid."""
        with self._lock:
            return Odds(*self._table(failure.task).get(_place(failure), (0, 0)))

    def gives_up(self, failure: Failure) -> Odds | None:
        """The odds, where they are so bad that this retry is not worth it; some are made all the same."""
        odds = self.odds(failure)
        if not odds.is_hopeless or self._random.random() < EXPLORED:
            return None
        return odds

    def note(self, failure: Failure, *, paid: bool) -> None:
        """Count how the retry after a failure has ended."""
        with self._lock:
            table = self._table(failure.task)
            error, attempt = _place(failure)
            if (error, attempt) not in table and len(table) * 2 >= _MOST_FIELDS:
                return
            self._counts(failure)[0 if paid else 1] += 1
            self._more[failure.task, error, attempt, paid] += 1

    def exchange(self, client: Any, prefix: str) -> None:
        """Tell the fleet what was counted here, and read what it knows of the tasks that were asked about.

        Raises:
            RedisError, OSError: Redis is away; what was not told is told next time.
        """
        with self._lock:
            more, self._more = self._more, Counter()
            tasks = [task for task in self._tables if task in self._touched]
            self._touched = set()
        try:
            answers = _told(client, prefix, tasks, more)
        except BaseException:
            with self._lock:
                self._more.update(more)
                self._touched.update(tasks)
            raise
        with self._lock:
            for task, fields in zip(tasks, answers, strict=True):
                if isinstance(fields, dict):
                    self._tables[task] = _read(fields)
                else:
                    _LOG.warning("retry_odds_not_read", task=task, error=str(fields))
            # Counted while Redis was asked.
            for (task, error, attempt, paid), count in self._more.items():
                self._counts(Failure(task, error, attempt))[0 if paid else 1] += count

    def _counts(self, failure: Failure) -> list[int]:
        return self._table(failure.task).setdefault(_place(failure), [0, 0])

    def _table(self, task: str) -> _Table:
        table = self._tables.pop(task, None)
        if table is None:
            table = {}
            if len(self._tables) >= _MOST_TASKS:
                del self._tables[next(iter(self._tables))]
        self._tables[task] = table
        self._touched.add(task)
        return table


def _told(
    client: Any, prefix: str, tasks: list[str], more: Mapping[tuple[str, str, int, bool], int]
) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for (task, error, attempt, paid), count in more.items():
            key = keys.retry_odds(task, prefix)
            pipeline.hincrby(key, f"{error}|{attempt}|{_PAID if paid else _IN_VAIN}", count)
        for task in {task for task, *_ in more}:
            pipeline.expire(keys.retry_odds(task, prefix), _LIFE_SECONDS, nx=True)
        for task in tasks:
            pipeline.hgetall(keys.retry_odds(task, prefix))
        return list(pipeline.execute(raise_on_error=False)[-len(tasks) :]) if tasks else []


def _read(fields: Mapping[str, str]) -> _Table:
    table: _Table = {}
    for name, count in fields.items():
        error, _, rest = name.partition("|")
        attempt, _, outcome = rest.partition("|")
        if outcome in {_PAID, _IN_VAIN} and attempt.isdecimal() and count.isdecimal():
            table.setdefault((error, int(attempt)), [0, 0])[outcome == _IN_VAIN] = int(count)
    return table


def _place(failure: Failure) -> tuple[str, int]:
    return failure.error.replace("|", "/")[:_ERROR_CHARACTERS], min(failure.attempt, _LAST_ATTEMPT)
