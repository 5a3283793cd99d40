"""Gives delayed messages back as plain ones, so that stock Celery's workers can drain everything."""

from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator.queues.survey import queue_of
from orchestrator.transport import scripts
from orchestrator.transport.envelope import HELD, decode, encode


def eject(channel: Any, queues: tuple[str, ...] = ()) -> int:
    """Give delayed messages back, of all queues or of these, the earliest first; returns how many.

    Their eta stays in them: a stock worker waits for it by itself. A worker of ours would delay them again.
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


def _plain(raw: bytes) -> bytes | str:
    try:
        envelope = decode(raw)
        headers = {name: value for name, value in envelope["headers"].items() if name != HELD}
    except (ValueError, AttributeError, KeyError):
        return raw
    return encode(envelope | {"headers": headers})
