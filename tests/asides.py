"""Sets messages aside as a worker does: by the settlement of their claims."""

import json
from typing import Any

from redis import Redis

from orchestrator import keys
from orchestrator.transport import scripts
from orchestrator.transport.keys import Keys


def set_aside(
    server: Redis, target: str, breaker: str, *, since: float, limit_seconds: float = 3600, prefix: str = ""
) -> str:
    """Let the message that is claimed next from this list wait for a breaker; returns its task's id."""
    message = json.loads(_text(server.rpop(prefix + target)))
    task_id: str = message["headers"]["id"]
    raw = json.dumps(message)
    message["headers"]["omninode-aside"] = {"id": f"aside-{task_id}", "since": since, "breaker": breaker}
    server.hset(keys.claims(prefix), f"claim-{task_id}", f"{prefix}{target}\n{raw}")
    settlement: list[Any] = [
        "aside",
        f"claim-{task_id}",
        "",
        4,
        breaker,
        int(limit_seconds * 1000),
        f"aside-{task_id}",
    ]
    nothing_wanted: list[Any] = [0, 0, 30_000, "nobody:", 0, "", 0, 0, 0, 0]
    exchange = server.register_script(scripts.load("exchange").text)
    exchange(keys=Keys(prefix).exchange(), args=[*nothing_wanted, *settlement, json.dumps(message)])
    return task_id


def _text(value: Any) -> str:
    assert value is not None, "nothing waits there"
    return value.decode() if isinstance(value, bytes) else str(value)
