"""Moves messages to and from stock Celery: what is delayed here, what its stopped workers left."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from orchestrator.queues.survey import queue_of
from orchestrator.transport import scripts
from orchestrator.transport.envelope import HELD, decode, encode


@dataclass(frozen=True)
class Left:
    """A message that a stock worker has taken and not acknowledged, and how long ago."""

    tag: str
    queue: str
    age_seconds: float
    value: bytes


def eject(channel: Any, queues: tuple[str, ...] = ()) -> int:
    """Give delayed messages back as plain ones, of all queues or of these; returns how many.

    Their eta stays in them: a stock worker waits for it by itself.
    """
    prefix = channel.global_keyprefix
    delayed, bodies, _ = channel.keys.delay()
    ejected = 0
    with channel.plain_client() as client:
        script = client.register_script(scripts.load("eject").text)
        for identity in client.zrange(delayed, 0, -1):
            value = client.hget(bodies, identity)
            if value is None:
                continue
            target, raw = value.split(b"\n", 1)
            if not queues or queue_of(bytes_to_str(target), prefix) in queues:
                ejected += script(keys=[delayed, bodies, target], args=[identity, value, _plain(raw)])
    return ejected


def left_by_stock(channel: Any, older_than_seconds: float) -> list[Left]:
    """What stock workers hold for longer than this: they have stopped, or work that long."""
    return [left for left in _unacked(channel) if left.age_seconds >= older_than_seconds]


def adopt(channel: Any, left: Left) -> bool:
    """Give a message back to its queue; False when a stock worker was faster."""
    message, _, _ = loads(bytes_to_str(left.value))
    message.setdefault("headers", {})["redelivered"] = True
    message["properties"]["delivery_info"]["redelivered"] = True
    priority = channel._get_message_priority(message, reverse=False)  # noqa: SLF001 (kombu's rule)
    names = [*_stock_keys(channel), channel.list_of(left.queue, priority)]
    with channel.plain_client() as client:
        script = client.register_script(scripts.load("adopt").text)
        return bool(script(keys=names, args=[left.tag, left.value, json.dumps(message)]))


def _unacked(channel: Any) -> Iterator[Left]:
    unacked, index = _stock_keys(channel)
    with channel.plain_client() as client:
        for tag, taken_at in client.zrange(index, 0, -1, withscores=True):
            value = client.hget(unacked, tag)
            if value is None:
                continue
            _, exchange, routing_key = loads(bytes_to_str(value))
            queue = channel._lookup(exchange, routing_key)[0] if exchange else routing_key  # noqa: SLF001
            yield Left(bytes_to_str(tag), queue, time.time() - taken_at, value)


def _stock_keys(channel: Any) -> tuple[str, str]:
    prefix = channel.global_keyprefix
    return prefix + channel.unacked_key, prefix + channel.unacked_index_key


def _plain(raw: bytes) -> bytes | str:
    try:
        envelope = decode(raw)
        headers = {name: value for name, value in envelope["headers"].items() if name != HELD}
    except (ValueError, AttributeError, KeyError):
        return raw
    return encode(envelope | {"headers": headers})


def declared(app: Any) -> list[str]:
    """The queues that the app itself declares."""
    return list(app.amqp.queues)
