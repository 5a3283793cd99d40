"""Gives delayed messages, and those set aside, back as plain ones: stock Celery can drain everything."""

from collections.abc import Iterator
from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator.queues.survey import queue_of
from orchestrator.stamp import ASIDE
from orchestrator.transport import asides, scripts
from orchestrator.transport.envelope import HELD, decode, encode

# What only workers of ours understand.
_MARKS = frozenset({HELD, ASIDE})


def eject(channel: Any, queues: tuple[str, ...] = ()) -> int:
    """Give messages that wait for their time or a breaker back, of all queues or of these; returns how many.

    Those that wait for their time go first, the earliest foremost. Their eta stays in them: a stock worker
    waits for it by itself. A worker of ours would delay them again.
    """
    prefix = channel.global_keyprefix
    ejected = 0
    with channel.plain_client() as client:
        script = client.register_script(scripts.load("eject").text)
        for times, bodies in _places(client, channel):
            for identity in client.zrange(times, 0, -1):
                value = client.hget(bodies, identity)
                if value is None:
                    continue
                target, raw = value.split(b"\n", 1)
                if not queues or queue_of(bytes_to_str(target), prefix) in queues:
                    ejected += script(keys=[times, bodies, target], args=[identity, value, _plain(raw)])
    return ejected


def _places(client: Any, channel: Any) -> Iterator[tuple[str, str]]:
    """Where messages wait: the sorted set of their times, and the hash with their bytes."""
    yield channel.keys.delay()[:2]
    for name in asides.breakers(client, channel.keys):
        yield channel.keys.release(name)[:2]


def _plain(raw: bytes) -> bytes | str:
    try:
        envelope = decode(raw)
        headers = {name: value for name, value in envelope["headers"].items() if name not in _MARKS}
    except (ValueError, AttributeError, KeyError):
        return raw
    return encode(envelope | {"headers": headers})
