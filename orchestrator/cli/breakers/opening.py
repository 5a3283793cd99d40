"""The breakers' Redis for the length of a command: what goes wrong is a sentence, and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from redis import Redis

    from orchestrator.breaker.store import Store

_INTERRUPTED = 130


@contextmanager
def store() -> Iterator[Store]:
    """The state of all breakers of the fleet."""
    with opened() as (fleet, _):
        yield fleet


@contextmanager
def opened() -> Iterator[tuple[Store, Redis]]:
    """The same, and the Redis that it lies in."""
    from redis.exceptions import RedisError, ResponseError

    from orchestrator import redaction, redis, settings
    from orchestrator.breaker.store import Store
    from orchestrator.errors import InvalidBreaker

    chosen = settings.current()
    try:
        with redis.connect(chosen.redis_url, redis.COMMAND_TIMEOUT_SECONDS, retries=0) as client:
            yield Store(client, chosen.key_prefix), client
    except InvalidBreaker as error:
        raise click.ClickException(redaction.printable(error)) from None
    except ResponseError as error:
        raise click.ClickException(f"Redis refuses: {redaction.printable(error)}") from None
    except (RedisError, OSError) as error:
        reason = f"{redaction.printable(error)} (is it running, and is REDIS_URL right?)"
        raise click.ClickException(f"Redis does not answer: {reason}") from None
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
