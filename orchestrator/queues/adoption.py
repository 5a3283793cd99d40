"""Takes over what stopped stock Celery workers hold: it goes back to its queues, as stock restores it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kombu.exceptions import InconsistencyError
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from orchestrator.transport import scripts
from orchestrator.transport.envelope import encode


@dataclass(frozen=True)
class Left:
    """What a stock worker has taken and not acknowledged.

    `age_seconds` is how long ago it was taken, None where stock's index does not say; `error` is why it
    cannot be given back.
    """

    tag: str
    age_seconds: float | None
    value: bytes
    lists: tuple[str, ...] = ()
    message: str = ""
    error: str = ""

    def is_older_than(self, seconds: float) -> bool:
        """Whether it was taken at least so long ago, for all that is known."""
        return self.age_seconds is not None and self.age_seconds >= seconds


def left_by_stock(app: Any, channel: Any) -> list[Left]:
    """Everything that stock workers hold, the newest first: given back in this order, the oldest is next."""
    for queue in app.amqp.queues.values():
        # Which queues an exchange leads to is only known where it is declared.
        queue.bind(channel).declare()
    return sorted(_unacked(channel), key=lambda left: left.age_seconds or 0.0)


def adopt(channel: Any, left: Left) -> bool:
    """Give a message back to its queue; False when a stock worker was faster."""
    with channel.plain_client() as client:
        script = client.register_script(scripts.load("adopt").text)
        names = [*_stock_keys(channel), *left.lists]
        return bool(script(keys=names, args=[left.tag, left.value, left.message]))


def _unacked(channel: Any) -> Iterator[Left]:
    unacked, index = _stock_keys(channel)
    now = time.time()
    with channel.plain_client() as client:
        taken = dict(client.zrange(index, 0, -1, withscores=True))
        for tag, value in client.hscan_iter(unacked):
            age_seconds = now - taken[tag] if tag in taken else None
            try:
                lists, message = _restored(channel, value)
                yield Left(bytes_to_str(tag), age_seconds, value, lists, message)
            except (ValueError, TypeError, AttributeError, KeyError, InconsistencyError) as error:
                yield Left(repr(tag)[2:-1], age_seconds, value, error=f"{type(error).__name__}: {error}")


def _restored(channel: Any, value: bytes) -> tuple[tuple[str, ...], str]:
    """The lists that the message goes back to, and its bytes there: those that stock would write."""
    message, exchange, routing_key = loads(bytes_to_str(value))
    if "headers" in message:
        message["headers"]["redelivered"] = True
        message["properties"]["delivery_info"]["redelivered"] = True
    priority = channel._get_message_priority(message, reverse=False)  # noqa: SLF001 (kombu's own rule)
    queues = channel._lookup(exchange, routing_key)  # noqa: SLF001
    return tuple(channel.list_of(queue, priority) for queue in queues), encode(message)


def _stock_keys(channel: Any) -> tuple[str, str]:
    prefix = channel.global_keyprefix
    return prefix + channel.unacked_key, prefix + channel.unacked_index_key
