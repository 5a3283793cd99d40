"""`omninode exporter --check`: whether an exporter that runs here is ready."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from orchestrator.dev.state import State

_ANSWER_SECONDS = 5.0
_OK = 200


class _Answer(NamedTuple):
    status: int
    says: str


def check(host: str, port: int, *, also_of_stacks: bool) -> int:
    """Ask the one there, or where none answers that of the only stack that has one; returns the exit code."""
    # Whoever listens everywhere listens here too.
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (it is not listened there)
    try:
        return _tell(_ask(asked, port))
    except (OSError, HTTPException) as error:
        none = f"no exporter answers on {asked} port {port}: {error}"
    found = _of_stacks() if also_of_stacks else []
    if len(found) != 1:
        click.echo(none, err=True)
        for each in found:
            click.echo(f"but `{each.who}` runs one: {each.exporter_url} (say which with --port)", err=True)
        return 1
    (stack,) = found
    where = f"{stack.exporter_url}, of `{stack.who}`"
    address = urlsplit(stack.exporter_url)
    try:
        return _tell(_ask(str(address.hostname), address.port or 0), f" ({where})")
    except (OSError, HTTPException) as error:
        click.echo(f"{none}; nor at {where}: {error}", err=True)
        return 1


def _ask(host: str, port: int) -> _Answer:
    connection = HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        return _Answer(answer.status, answer.read(1000).decode(errors="replace").strip())
    finally:
        connection.close()


def _tell(answer: _Answer, where: str = "") -> int:
    click.echo(f"{answer.says}{where}", err=answer.status != _OK)
    return 0 if answer.status == _OK else 1


def _of_stacks() -> list[State]:
    from orchestrator.dev import stacks

    return [each for each in stacks.find(None) if each.exporter_url]
