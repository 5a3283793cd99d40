"""Pauses queues: their messages stay where they are, and nobody claims them until they are resumed."""

from collections.abc import Sequence
from typing import Any

from orchestrator import keys


def pause(channel: Any, queues: Sequence[str]) -> int:
    """Claim nothing from these queues any more; returns how many were not paused yet."""
    with channel.plain_client() as client:
        return int(client.sadd(keys.paused(channel.global_keyprefix), *queues))


def resume(channel: Any, queues: Sequence[str]) -> int:
    """Claim from them again; returns how many were paused. Idle workers are told."""
    prefix = channel.global_keyprefix
    with channel.plain_client() as client, client.pipeline() as steps:
        steps.srem(keys.paused(prefix), *queues)
        steps.incr(keys.changes(prefix))
        return int(steps.execute()[0])
