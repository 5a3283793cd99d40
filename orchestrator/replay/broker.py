"""A channel to the broker from plain settings, for who has no Celery app."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.exceptions import OperationalError

from orchestrator import redaction
from orchestrator.errors import ReplayInterrupted
from orchestrator.settings import Settings
from orchestrator.transport import options
from orchestrator.transport.amqp import Connection

# Who asks every few seconds need not wait.
_PATIENCE_SECONDS = 1.0


@contextmanager
def channel(settings: Settings, prefix: str) -> Iterator[Any]:
    """A channel that writes under this `global_keyprefix`.

    Raises:
        ReplayInterrupted: Redis is away.
    """
    chosen = options.of(settings) | {"global_keyprefix": prefix, "connect_retries_timeout": _PATIENCE_SECONDS}
    with Connection(settings.broker_url, transport_options=chosen) as connection:
        try:
            opened = connection.default_channel
        except (OperationalError, OSError) as error:
            raise ReplayInterrupted(redaction.text(f"Redis is away ({error})")) from None
        yield opened
