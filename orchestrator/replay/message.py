"""Makes the message of a replay: what died, with its task id and its bytes, and as good as new."""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from celery.utils.saferepr import saferepr

from orchestrator.deadletter.death import FAILURES, LETTER, REPLAYS, Death, moment
from orchestrator.errors import NotReplayable
from orchestrator.replay.contents import NO_LINKS, Contents
from orchestrator.replay.edit import Edit, check
from orchestrator.replay.parts import JSON, UTF_8, Parts, read_json, take_apart
from orchestrator.stamp import ASIDE, BEGUN, BREAKER, ENQUEUED_AT
from orchestrator.timeouts.deadline import DEADLINE, HEADERS, IS_DEFAULT, LEFT
from orchestrator.transport.envelope import HELD, Envelope, delay_ms, encode, held
from orchestrator.worker.unstored import UNSENT

# What is taken off where its time has passed.
TIMES = ("eta", "expires", DEADLINE)
_HOW_TO_NAME = """replay it with --edit '{"task": "name", "args": […]}'"""


@dataclass(frozen=True)
class Rebuilt:
    """The message, and what is different about it.

    `raw` is the envelope as it goes into a list, once `wait_ms` are over. `changed` names what was taken off
    because its time has passed, `lost` says what will not come back.
    """

    task: str
    envelope: Envelope
    wait_ms: int
    raw: str
    changed: frozenset[str]
    lost: frozenset[str]


def rebuild(  # noqa: PLR0917 (in the order in which they are thought of)
    death: Death,
    replay: int,
    queue: str,
    now: datetime,
    edit: Edit | None = None,
    tasks: Mapping[str, Any] | None = None,
) -> Rebuilt:
    """The message that goes to `queue` as the replay of that number.

    `tasks` are those that an edit is held against; None: it is not.

    Raises:
        NotReplayable: nothing can be made of what is known.
        InvalidEdit: the edit does not fit this letter.
    """
    parts = take_apart(death)
    old = Contents(parts)
    task = (edit.task if edit else "") or old.task or death.task
    if not task:
        raise NotReplayable(f"its message names no task: {_HOW_TO_NAME}")
    task_id = old.task_id or death.task_id or str(uuid.uuid5(uuid.NAMESPACE_OID, death.letter_id))
    lost = {"the body of its chord"} if old.links.get("chord") else set()
    if edit and edit.args is None and not old.is_readable:
        raise NotReplayable(f"its arguments cannot be read, and the edit names no args: {_HOW_TO_NAME}")
    if edit:
        parts = _edited(parts, old, edit, task, tasks)
        if not old.is_readable:
            lost.add("what was linked to it")
    elif old.is_first_protocol:
        parts = replace(parts, body=_renewed_body(parts.body, now))
    elif _must_be_json(death, parts) and not old.is_readable:
        raise NotReplayable(
            f"its value is no arguments of a task, [args, kwargs, {{…}}] as JSON: {_HOW_TO_NAME}"
        )
    if edit or not old.is_first_protocol:
        parts = replace(parts, headers=parts.headers | {"task": task, "id": task_id})
    headers, changed = _renewed(parts.headers, now)
    if old.is_first_protocol and not edit:
        changed |= _passed(old.body, now)
        del headers["retries"]
    headers |= {LETTER: death.letter_id, REPLAYS: replay, ENQUEUED_AT: now.timestamp()}
    envelope = {
        "body": base64.b64encode(parts.body).decode(),
        "content-encoding": parts.content_encoding,
        "content-type": parts.content_type,
        "headers": headers,
        "properties": _properties(parts.properties, death, replay, queue, task_id),
        **parts.rest,
    }
    return Rebuilt(task, envelope, *_render(envelope), frozenset(changed), frozenset(lost))


def _render(envelope: Envelope) -> tuple[int, str]:
    """Before anything is claimed: a message that cannot be written would hold up its batch for ever."""
    wait_ms = delay_ms(envelope["headers"])
    try:
        return wait_ms, encode(held(envelope) if wait_ms else envelope)
    except (RecursionError, TypeError, ValueError) as error:
        raise NotReplayable(f"its headers cannot be written as JSON ({error}): {_HOW_TO_NAME}") from None


def _must_be_json(death: Death, parts: Parts) -> bool:
    """Whether the body is taken for arguments on no better ground than that it looks like them."""
    if death.is_foreign or "task" not in parts.headers:
        return True
    return death.value_is == "envelope" and parts.content_type == JSON


def _edited(parts: Parts, old: Contents, edit: Edit, task: str, tasks: Mapping[str, Any] | None) -> Parts:
    args = old.args if edit.args is None else edit.args
    kwargs = old.kwargs if edit.kwargs is None else edit.kwargs
    if tasks is not None:
        check(tasks, task, args, kwargs)
    shown = {"argsrepr": saferepr(args), "kwargsrepr": saferepr(kwargs)}
    headers = (_second_protocol(old.body) if old.is_first_protocol else parts.headers) | shown
    headers.pop("compression", None)
    # Other arguments may need another dependency: the worker works it out from them.
    headers.pop(BREAKER, None)
    body = json.dumps([args, kwargs, NO_LINKS | old.links]).encode()
    return replace(parts, headers=headers, body=body, content_type=JSON, content_encoding=UTF_8)


def _second_protocol(body: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: body.get(name) for name in ("eta", "expires", "group_index", "timelimit")}
    return {"lang": "py", **kept, "group": body.get("taskset") or body.get("group")}


def _renewed(headers: dict[str, Any], now: datetime) -> tuple[dict[str, Any], set[str]]:
    """The headers of a message that was never tried, and what was taken off because its time has passed.

    A deadline that nobody asked for is no such time: the replay's own counts from when it is claimed.
    """
    if headers.get(IS_DEFAULT) is True:
        headers = {name: value for name, value in headers.items() if name not in HEADERS}
    passed = _passed(headers, now)
    gone = {FAILURES, UNSENT, HELD, ASIDE, BEGUN, IS_DEFAULT, LEFT} | (passed & {DEADLINE})
    kept = {name: value for name, value in headers.items() if name not in gone}
    return kept | {"retries": 0} | dict.fromkeys(passed - {DEADLINE}), passed


def _renewed_body(body: bytes, now: datetime) -> bytes:
    """The same bytes where nothing in them speaks of the last time."""
    read = read_json(body)
    passed = _passed(read, now)
    if not read.get("retries") and not passed:
        return body
    return json.dumps(read | {"retries": 0} | dict.fromkeys(passed)).encode()


def _passed(about: Mapping[str, Any], now: datetime) -> set[str]:
    return {name for name in TIMES if _has_passed(about.get(name), now)}


def _has_passed(value: Any, now: datetime) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value <= now.timestamp()
    at = moment(value)
    # Not in UTC, where the first and the last hours there are cannot be expressed.
    return at is not None and at <= now


def _properties(old: dict[str, Any], death: Death, replay: int, queue: str, task_id: str) -> dict[str, Any]:
    """Those of the message, for another delivery; what every message of kombu has is made where missing.

    The tag is derived: the same replay of the same letter is the same message.
    """
    tag = uuid.uuid5(uuid.NAMESPACE_OID, f"{death.letter_id}:{replay}")
    usual = {"correlation_id": death.correlation_id or task_id, "delivery_mode": 2, "priority": 0}
    own: dict[str, Any] = {
        "delivery_tag": str(tag),
        "delivery_info": {"exchange": "", "routing_key": queue},
        "body_encoding": "base64",
    }
    priority = old.get("priority")
    if isinstance(priority, float) and math.isinf(priority):
        # Kombu, which takes anything else for a priority, fails of it.
        own["priority"] = 0
    return usual | old | own
