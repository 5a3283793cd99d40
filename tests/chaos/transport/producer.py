"""A producer: a process that sends its part of the plan, and goes on where it was killed."""

import os
import sys
import time
from pathlib import Path
from threading import Event
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry

from tests.chaos.transport.conditions import PRODUCERS
from tests.chaos.transport.intents import Intents
from tests.chaos.transport.plan import Message, draw
from tests.chaos.transport.sending import send
from tests.chaos.transport.tasks import CONDITIONS, app

_PAUSE_SECONDS = 0.5
# Messages come in bursts, so that many are in flight when a fault strikes.
_BURST = 25


def keep_what_is_sent(path: Path) -> None:
    """Append every byte that this process sends to a Redis to the file: letters' bytes are among them."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    original: Any = AbstractConnection.send_packed_command

    def noted(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        chunks = [command] if isinstance(command, str | bytes) else command
        os.write(descriptor, b"".join(each.encode() if isinstance(each, str) else each for each in chunks))
        return original(self, command, *args, **kwargs)

    AbstractConnection.send_packed_command = noted  # type: ignore[method-assign]


def produce(number: int, begin_at: float) -> None:
    """Send each message when it is due, until the broker has taken it."""
    # An attempt that failed must not be repeated behind our back: it gets ids of its own.
    app.conf.task_publish_retry = False
    intents = Intents(CONDITIONS.folder, number)
    client: Redis = Redis.from_url(str(app.conf.broker_url), retry=Retry(NoBackoff(), 0), socket_timeout=10.0)
    plan = draw(CONDITIONS.seed, CONDITIONS.messages, stock=CONDITIONS.stock, calm=CONDITIONS.calm)
    parts_before = 0
    for message in plan:
        due = begin_at + parts_before // _BURST * _BURST / CONDITIONS.per_second
        parts_before += len(message.parts)
        if message.index % PRODUCERS == number and message.index not in intents.confirmed:
            Event().wait(max(0.0, due - time.time()))
            _send_until_taken(message, intents, client)


def _send_until_taken(message: Message, intents: Intents, client: Redis) -> None:
    while message.index not in intents.confirmed:
        attempt = intents.intend(message.index)
        try:
            send(client, message, message.ids(CONDITIONS.run, attempt))
        except Exception as error:
            sys.stderr.write(f"message {message.index}, attempt {attempt}: {type(error).__name__}: {error}\n")
            Event().wait(_PAUSE_SECONDS)
        else:
            intents.confirm(message.index, attempt)


if __name__ == "__main__":
    _number = int(sys.argv[1])
    keep_what_is_sent(CONDITIONS.folder / f"sent-{_number}.bin")
    produce(_number, float(sys.argv[2]))
