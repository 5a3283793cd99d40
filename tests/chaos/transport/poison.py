"""Messages that no Celery producer would send, as bytes in a queue's list."""

import base64
import json
from typing import Any

from tests.chaos.transport.plan import Message

KINDS = frozenset({"undecodable", "bad_envelope", "no_id"})


def list_key(queue: str, priority: int) -> str:
    """The list that kombu's Redis transport keeps messages of this priority in."""
    return f"{queue}\x06\x16{priority}" if priority else queue


def raw(message: Message, task_id: str) -> bytes:
    """The bytes of this message; each attempt's are different from all others."""
    envelope = _envelope(message, task_id)
    if message.kind == "undecodable":
        envelope["body"] = _base64(b'\xff\xfe {"no JSON": ' + task_id.encode())
    elif message.kind == "no_id":
        del envelope["headers"]["id"]
    else:
        return _bad_envelope(message, task_id, envelope)
    return json.dumps(envelope).encode()


def _bad_envelope(message: Message, task_id: str, envelope: dict[str, Any]) -> bytes:
    match message.index % 5:
        case 0:
            return f"{{not JSON {task_id}".encode()
        case 1:
            return json.dumps([task_id]).encode()
        case 2:
            return b"\xff\x00\n" + task_id.encode()
        case 3:
            del envelope["properties"]
        case _:
            envelope["body"] = "!no base64!"
    return json.dumps(envelope).encode()


def _envelope(message: Message, task_id: str) -> dict[str, Any]:
    part = message.parts[0]
    return {
        "body": _base64(json.dumps([[message.index], {}, {}]).encode()),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": "chaos.ok",
            "id": task_id,
            "root_id": task_id,
            "parent_id": None,
            "group": None,
            "retries": 0,
            "eta": None,
            "expires": None,
            "timelimit": [None, None],
            "argsrepr": f"({message.index},)",
            "kwargsrepr": "{}",
            "origin": "chaos",
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": part.queue},
            "priority": part.priority,
            "body_encoding": "base64",
            "delivery_tag": f"tag-{task_id}",
        },
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
