"""Renders the messages of many tasks: what `apply_async` would write is made once, and the rest filled in."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

from celery import signals
from celery.app import amqp
from celery.app.task import extract_exec_options  # type: ignore[attr-defined]
from celery.utils.functional import maybe_list
from celery.utils.saferepr import saferepr
from kombu.serialization import dumps

from orchestrator import stamp
from orchestrator.timeouts import carried, published
from orchestrator.timeouts.deadline import HEADERS
from orchestrator.transport.envelope import delay_ms, encode, held

Row = tuple[Sequence[Any], dict[str, Any]]

# What a header or an option of the user's will not hold by chance.
_MARK = "omninode-slot-6f1c"
_SLOTS = ("id", "tag", "body", "args", "kwargs", "breaker")
_PATTERN = re.compile("(" + "|".join(f"{_MARK}-{slot}-" for slot in _SLOTS) + ")")


class Template:
    """A message of `task` with these options of `apply_async`, in which only what differs by row is open.

    `list` is the Redis list that it goes to, `wait_ms` how long it has to wait for its eta (0: not at all).
    """

    def __init__(self, task: Any, channel: Any, producer: Any, options: dict[str, Any]) -> None:
        app = task.app
        chosen = {**extract_exec_options(task), **options}
        chosen = app.amqp.router.route(chosen, task.name, (), {}, task)
        queue = chosen.pop("queue")
        producer.maybe_declare(queue)
        self._serializer = chosen.pop("serializer", None) or app.conf.task_serializer
        priority = chosen.pop("priority", None)
        message = _message(task, chosen)
        self._names_breaker = message.headers.get(stamp.BREAKER) == _slot("breaker")
        self._task = task
        signals.before_task_publish.send(
            sender=task.name,
            body=message.body,
            exchange="",
            routing_key=queue.name,
            headers=message.headers,
            properties=message.properties,
            declare=[queue],
        )
        self._embedded = message.body[2]
        self._longest = (app.amqp.argsrepr_maxsize, app.amqp.kwargsrepr_maxsize)
        content_type, encoding, _ = dumps(((), {}, self._embedded), self._serializer)
        envelope = channel.prepare_message(
            _slot("body"),
            priority,
            content_type,
            encoding,
            message.headers,
            {**message.properties, "delivery_mode": 2},
        )
        envelope["properties"]["delivery_tag"] = _slot("tag")
        envelope["properties"]["delivery_info"].update(exchange="", routing_key=queue.name)
        envelope["properties"]["body_encoding"] = "base64"
        self.wait_ms = delay_ms(message.headers)
        if self.wait_ms:
            envelope = held(envelope)
        self.list = channel.list_of(queue.name, channel._get_message_priority(envelope, reverse=False))  # noqa: SLF001
        self._pieces = _PATTERN.split(encode(envelope))

    def render(self, task_id: str, row: Row) -> str:
        """The message of one row."""
        args, kwargs = row[0] or (), row[1]
        _, _, data = dumps((args, kwargs, self._embedded), self._serializer)
        raw = data.encode() if isinstance(data, str) else data
        filled = {
            _slot("id"): task_id,
            _slot("tag"): str(uuid.uuid4()),
            _slot("body"): base64.b64encode(raw).decode(),
            _slot("args"): json.dumps(saferepr(args, self._longest[0]))[1:-1],
            _slot("kwargs"): json.dumps(saferepr(kwargs, self._longest[1]))[1:-1],
        }
        if self._names_breaker:
            name = stamp.dependency(self._task, args, kwargs)
            filled[_slot("breaker")] = json.dumps(name)[1:-1]
        return "".join([filled.get(piece, piece) for piece in self._pieces])


def _message(task: Any, options: dict[str, Any]) -> Any:
    app = task.app
    ignore_result = options.pop("ignore_result", None)
    if ignore_result is None:
        ignore_result = task.ignore_result
    options["callbacks"] = maybe_list(options.pop("link", None))
    options["errbacks"] = maybe_list(options.pop("link_error", None))
    if parent := app.current_worker_task:
        options.setdefault("parent_id", parent.request.id)
        options.setdefault("root_id", parent.request.root_id or parent.request.id)
    # Celery's own: our AMQP would look at the arguments, which are a row's.
    message = amqp.AMQP.as_task_v2(
        app.amqp,
        _slot("id"),
        task.name,
        (),
        {},
        reply_to=app.thread_oid,
        ignore_result=ignore_result,
        argsrepr=_slot("args"),
        kwargsrepr=_slot("kwargs"),
        **{name: options.get(name) for name in _KNOWN if options.get(name) is not None},
    )
    breaker = getattr(task, "breaker", None)
    if breaker := _slot("breaker") if callable(breaker) else stamp.dependency(task, (), {}):
        message.headers[stamp.BREAKER] = breaker
    own = options.get("headers") or {}
    given = options.get(published.OPTION)
    message.headers.update(
        published.headers(task, task.name, given, own, options | {"eta": message.headers["eta"]})
    )
    if given is not None:
        own = {name: value for name, value in own.items() if name not in HEADERS}
    message.headers.update(own)
    carried.embed(message.body[2])
    return message


_KNOWN = (
    "countdown",
    "eta",
    "group_id",
    "group_index",
    "expires",
    "retries",
    "chord",
    "soft_time_limit",
    "time_limit",
    "root_id",
    "parent_id",
    "shadow",
    "chain",
    "origin",
    "callbacks",
    "errbacks",
)


def _slot(name: str) -> str:
    return f"{_MARK}-{name}-"
