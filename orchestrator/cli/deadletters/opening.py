"""The index for the length of a command: what goes wrong around it is a sentence, and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from psycopg import Connection

INTERRUPTED = 130


@contextmanager
def index() -> Iterator[Connection[Any]]:
    """A connection in autocommit mode to a database whose schema is up to date."""
    from orchestrator import postgres, schema, settings

    url = settings.current().database_url
    with sentences():
        schema.migrate(url)
        with postgres.connect(url) as connection:
            yield connection


@contextmanager
def sentences() -> Iterator[None]:
    """Say what went wrong in a sentence."""
    import psycopg
    from psycopg_pool import PoolTimeout

    from orchestrator import redaction
    from orchestrator.errors import InvalidFilter, SchemaError, UnknownLetter

    try:
        yield
    except InvalidFilter as error:
        raise click.UsageError(redaction.printable(error)) from None
    except (SchemaError, UnknownLetter) as error:
        raise click.ClickException(redaction.printable(error)) from None
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise click.ClickException(
            f"PostgreSQL went away: {redaction.printable(str(error).strip())}"
        ) from None
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
