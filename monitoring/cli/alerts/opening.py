"""The alerts of the fleet for the length of a command: what goes wrong is a sentence and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from redis import Redis

    from orchestrator.alerts.store import Store

_INTERRUPTED = 130
_MOST_NAME = 500


class CannotBeAsked(click.ClickException):
    """It is unknown what is raised: no script takes this for "something is", which is 1."""

    exit_code = 3


@contextmanager
def opened() -> Iterator[tuple[Store, Redis]]:
    """The store of alerts, and the broker's Redis that it lies in; its replies are text."""
    from redis.exceptions import RedisError, ResponseError

    from orchestrator import broker, redaction, redis, settings
    from orchestrator.alerts.store import Store
    from orchestrator.errors import OmniNodeError

    chosen = settings.current()
    try:
        with broker.client(
            chosen, decode=True, timeout_seconds=redis.COMMAND_TIMEOUT_SECONDS, retries=0
        ) as client:
            yield Store(client, chosen.key_prefix), client
    except OmniNodeError as error:
        raise click.ClickException(redaction.printable(error)) from None
    except ResponseError as error:
        raise CannotBeAsked(f"Redis refuses: {redaction.printable(error)}") from None
    except (RedisError, OSError) as error:
        reason = f"{redaction.printable(error)} (is it running, and is CELERY_BROKER_URL or REDIS_URL right?)"
        raise CannotBeAsked(f"the broker's Redis does not answer: {reason}") from None
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def by(who: str | None, why: str) -> tuple[str, str]:
    """Who does it, else the user and host of this command; and why.

    Raises:
        click.UsageError: it is not said why.
    """
    from orchestrator.index.operations import identity

    if not why.strip():
        raise click.UsageError("say --why: it is kept with who did it and when")
    return (who or "").strip() or identity(), why.strip()


def named(text: str) -> str:
    """The name of an alert, or a pattern.

    Raises:
        click.UsageError: it is empty, or too long to be one.
    """
    if not text.strip() or len(text) > _MOST_NAME:
        raise click.UsageError(
            "say which: a name such as queue_age:mails, or a pattern such as 'queue_age:*'"
        )
    return text.strip()
