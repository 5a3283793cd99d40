"""What runs in all processes of the fleet, as far as they tell of it: read, put in order, and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator import keys, redaction
from orchestrator.timeouts.sheet import LIVES_SECONDS

if TYPE_CHECKING:
    from redis import Redis

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Process:
    """Who was heard, and how long ago by Redis's clock; `left_out` entries did not fit into what it tells."""

    process: str
    host: str
    pid: int
    worker: str
    heard_seconds_ago: float
    left_out: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A task or an operation that runs; lengths of time are seconds, moments Unix seconds.

    `limit` names the limit that comes next, after `limit_seconds`: "soft", "hard" or "deadline" of a task,
    "operation", "grace" or "deadline" of an operation; "" where it has none. `pid` is the process that runs
    it, which may be a child of the one that tells of it.
    """

    kind: str
    name: str
    task_id: str
    host: str
    worker: str
    pid: int
    started_at: float
    elapsed_seconds: float
    limit: str
    limit_seconds: float | None
    deadline: float | None
    state: str
    explained: Mapping[str, Any] | None

    @property
    def percent(self) -> float | None:
        """How much of the time until its next limit is over; None where it has none."""
        return 100 * self.elapsed_seconds / self.limit_seconds if self.limit_seconds else None

    def plain(self) -> dict[str, Any]:
        """It for JSON, without secrets."""
        percent = self.percent
        shown = asdict(self) | {"percent": None if percent is None else round(percent, 1)}
        return {name: redaction.data(value) for name, value in shown.items()}


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that runs, oldest first, and whom that is known from."""

    entries: list[Entry]
    processes: list[Process]


def read(client: Redis, prefix: str = "") -> Fleet:
    """Ask Redis; a process whose word has ended is gone, and what cannot be read is passed over.

    Raises:
        RedisError, OSError: Redis does not answer.
    """
    names = [_text(name) for name in client.zrange(keys.running_processes(prefix), 0, -1)]
    entries: list[Entry] = []
    processes: list[Process] = []
    for first in range(0, len(names), _AT_ONCE):
        for process, written in _written(client, prefix, names[first : first + _AT_ONCE]):
            processes.append(process)
            entries.extend(_entries(process, written))
    return Fleet(
        sorted(entries, key=lambda entry: entry.elapsed_seconds, reverse=True),
        sorted(processes, key=lambda each: each.process),
    )


def _written(client: Redis, prefix: str, names: list[str]) -> Iterator[tuple[Process, Any]]:
    ask = client.pipeline(transaction=False)
    for name in names:
        ask.get(keys.running(name, prefix))
        ask.pttl(keys.running(name, prefix))
    answers = ask.execute()
    for name, raw, left_ms in zip(names, answers[::2], answers[1::2], strict=True):
        if raw is None or left_ms < 0:
            continue
        try:
            written = json.loads(raw)
            yield (
                Process(
                    process=name,
                    host=str(written["host"]),
                    pid=int(written["pid"]),
                    worker=str(written["worker"]),
                    heard_seconds_ago=max(0.0, LIVES_SECONDS - left_ms / 1000),
                    left_out=int(written["left_out"]),
                ),
                written["entries"],
            )
        except (ValueError, TypeError, LookupError, RecursionError):
            continue


def _entries(process: Process, written: Any) -> Iterator[Entry]:
    for each in written if isinstance(written, list) else []:
        try:
            limit_seconds, deadline = each["limit_seconds"], each["deadline"]
            yield Entry(
                kind=str(each["kind"]),
                name=str(each["name"]),
                task_id=str(each["task_id"]),
                host=process.host,
                worker=process.worker,
                pid=int(each["pid"]),
                started_at=float(each["started_at"]),
                # It has gone on since it was told of.
                elapsed_seconds=round(float(each["elapsed_seconds"]) + process.heard_seconds_ago, 3),
                limit=str(each["limit"]),
                limit_seconds=None if limit_seconds is None else float(limit_seconds),
                deadline=None if deadline is None else float(deadline),
                state=str(each["state"]),
                explained=each["explained"] if isinstance(each["explained"], dict) else None,
            )
        except (ValueError, TypeError, LookupError):
            continue


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
