"""Enqueues many tasks at once: messages as `apply_async` writes them, pushed by hundreds."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import OutOfMemoryError

from orchestrator.errors import EnqueueInterrupted, InvalidArguments
from orchestrator.task import check_arguments
from orchestrator.timeouts import given, published
from orchestrator.transport.collecting import Rendered, collect, is_alike
from orchestrator.transport.pushing import AWAY, Chunk, OtherRows, Refused
from orchestrator.transport.rendering import Row, Template
from orchestrator.transport.sameness import Digest

_CHUNK = 500
# Redis takes 512 MB at the most, and a worker that claims such a message needs several times as much.
_LARGEST_BYTES = 256 * 1024 * 1024


def enqueue_many(
    task: Any,
    rows: Iterable[Any],
    *,
    batch_id: str | None = None,
    on_progress: Callable[[int], None] | None = None,
    **options: Any,
) -> list[str]:
    """Enqueue a task once for each row, and return the tasks' ids in the rows' order.

    A row is a sequence of positional arguments, a mapping of keyword arguments, or a pair (sequence, mapping)
    of both. Options are those of `apply_async`: queue, priority, countdown, eta, expires, deadline (one
    moment for all rows), headers, link …

    Repeating the call with the same `batch_id` and the same rows, within a day, pushes only what was not
    pushed before, under the same ids; rows may have been added at the end. Other rows are refused.

    Where messages differ in more than their arguments (a receiver of `before_task_publish`, a route that
    looks at the arguments, compression …), each is made by `apply_async` itself, which is slower.

    Raises:
        InvalidArguments: a row does not fit the task or is larger than 256 MB, or the `batch_id` stands for
            other rows; the row, which it names, and what follows were not sent, nor perhaps up to 499 rows
            before it.
        EnqueueInterrupted: Redis is away or full; it says how many rows were accepted, and how to go on.
        InvalidDeadline: there is no such deadline, it has passed, or comes before the eta; nothing was
            enqueued. Rows that come after it are enqueued, and not begun.
    """
    said = options.get(published.OPTION)
    if said is not None and said != given.INHERIT:
        options[published.OPTION] = given.exact(given.moment(said, time.time()))
    batch = batch_id or uuid.uuid4().hex
    namespace = uuid.uuid5(uuid.NAMESPACE_OID, batch)
    digest = Digest(task.name)
    task_ids: list[str] = []
    with task.app.producer_pool.acquire(block=True) as producer:
        for number, chunk in enumerate(_chunks(rows)):
            first = len(task_ids)
            ids = [str(uuid.uuid5(namespace, str(first + at))) for at in range(len(chunk))]
            read = [_read(task, row, first + at) for at, row in enumerate(chunk)]
            pushed = Chunk(f"{batch}:{number}", "".join([digest.add(row) for row in read]))
            try:
                messages = _render(task, producer, zip(ids, read, strict=True), options)
                with published.forgiving() if first else nullcontext():
                    # Rows that come late are the worker's to judge: the first ones are on their way.
                    _push(producer, pushed, messages, first)
            except OtherRows:
                raise InvalidArguments(
                    f"batch_id {batch!r} was used before, with other rows or more of them: row "
                    f"{first + pushed.accepted + 1} and what follows were not sent. Repeat it with the rows "
                    "that it had, or choose another batch_id"
                ) from None
            except Refused as error:
                raise _interrupted(first + pushed.accepted, batch, str(error)) from error
            except (*AWAY, OperationalError) as error:
                raise _interrupted(first + pushed.accepted, batch, f"Redis is away ({error})") from error
            except OutOfMemoryError as error:
                raise _interrupted(first + pushed.accepted, batch, "Redis is full (maxmemory)") from error
            task_ids += ids
            if on_progress:
                on_progress(len(task_ids))
    return task_ids


def _push(producer: Any, chunk: Chunk, rows: Iterable[list[Rendered]], first: int) -> None:
    for number, messages in enumerate(rows, first + 1):
        size = max((len(each.raw) for each in messages), default=0)
        if size > _LARGEST_BYTES:
            raise InvalidArguments(
                f"row {number}: its message would have {size:,} bytes, and {_LARGEST_BYTES:,} are the most: "
                "store what is large elsewhere, and pass on where it is"
            )
        chunk.add(producer.channel, messages)
    chunk.flush(producer.channel)


def _render(
    task: Any, producer: Any, rows: Iterable[tuple[str, Row]], options: dict[str, Any]
) -> Iterator[list[Rendered]]:
    """Each row's messages, as they are wanted: all of a chunk may be more than fits into memory."""
    template = Template(task, producer.channel, producer, options) if is_alike(task, options) else None
    for task_id, row in rows:
        if template:
            yield [Rendered(template.list, template.wait_ms, template.render(task_id, row))]
        else:
            yield collect(task, producer, task_id, row, options)


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    remaining = iter(rows)
    while chunk := list(itertools.islice(remaining, _CHUNK)):
        yield chunk


def _read(task: Any, row: Any, number: int) -> Row:
    read = _arguments(row)
    if read is None:
        raise InvalidArguments(
            f"row {number + 1} must be a list of arguments or an object of named ones: {row!r}"
        )
    try:
        check_arguments(task, *read)
    except InvalidArguments as error:
        raise InvalidArguments(f"row {number + 1}: {error}") from None
    return read


def _arguments(row: Any) -> Row | None:
    if isinstance(row, Mapping):
        return (), dict(row)
    if not isinstance(row, Sequence) or isinstance(row, str | bytes):
        return None
    if isinstance(row, tuple) and len(row) == len(("args", "kwargs")):
        args, kwargs = row
        if isinstance(args, list | tuple) and isinstance(kwargs, Mapping):
            return args, dict(kwargs)
    return row, {}


def _interrupted(accepted: int, batch: str, why: str) -> EnqueueInterrupted:
    return EnqueueInterrupted(
        f"{why}: {accepted} rows were accepted. Repeat the call with batch_id={batch!r} and the same rows: "
        "what was accepted is not sent again"
    )
