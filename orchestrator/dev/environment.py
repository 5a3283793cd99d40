"""The environment of whatever is to use a stack: the user's own, led to the stack's servers and no others."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from orchestrator import settings

# Celery itself puts them above the broker and the backend that an app is given.
FOREIGN = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND")


def foreign_names() -> list[str]:
    """The variables of the user's environment that would lead away from the stack."""
    return [name for name in FOREIGN if name in os.environ]


def leading_to(addresses: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with the servers' addresses in it, and no other broker."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | dict(addresses)


@contextmanager
def entered(addresses: Mapping[str, str]) -> Iterator[None]:
    """Let this process, its settings and what it starts use these servers until the end of the block."""
    before = dict(os.environ)
    _become(leading_to(addresses))
    try:
        yield
    finally:
        _become(before)


def exports(addresses: Mapping[str, str]) -> Iterator[str]:
    """The lines that lead a shell to these servers."""
    for name in FOREIGN:
        yield f"unset {name}"
    for name, value in addresses.items():
        yield f"export {name}={shlex.quote(value)}"


def _become(environment: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
    settings.forget()
