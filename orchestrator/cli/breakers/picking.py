"""Which breakers are meant: by their names, or by patterns such as `model:*`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import click

_WILD = "*?["
# What is to be made may have brackets: few patterns have nothing else.
_WILD_IN_A_NEW_NAME = "*?"
ALL = ": `omninode breakers list` shows all"


@dataclass(frozen=True)
class Picked:
    """The names that are meant, sorted; those that no process has used; whether a pattern has chosen some."""

    known: tuple[str, ...]
    unknown: tuple[str, ...]
    by_pattern: bool


def pick(asked: Iterable[str], names: Collection[str], *, create: bool = False) -> Picked:
    """What is meant by `asked`: a name that there is, else a pattern if it looks like one, else a name.

    With `create`, what has brackets alone is the name of one that is to be made.
    """
    known: set[str] = set()
    unknown: set[str] = set()
    by_pattern = False
    for each in asked:
        if each in names:
            known.add(each)
        elif is_pattern(each, create=create):
            by_pattern = True
            known.update(name for name in names if fnmatchcase(name, each))
        else:
            unknown.add(each)
    return Picked(tuple(sorted(known)), tuple(sorted(unknown)), by_pattern)


def is_pattern(text: str, *, create: bool = False) -> bool:
    """Whether the text holds one of the signs that stand for others."""
    return any(sign in text for sign in (_WILD_IN_A_NEW_NAME if create else _WILD))


def require(picked: Picked, names: Collection[str], hint: str = "") -> tuple[str, ...]:
    """The names, if all of them are known, and there is any; `hint` is what to do about one that is not.

    Raises:
        click.ClickException: saying which one is not, and which it may have meant.
    """
    from orchestrator import redaction
    from orchestrator.breaker import byhand

    for name in picked.unknown:
        raise click.ClickException(redaction.printable(byhand.unknown(name, names) + hint))
    if not picked.known:
        raise click.ClickException(f"no breaker matches{ALL}; a pattern names no new one")
    return picked.known


def ask(question: str, *, yes: bool) -> None:
    """Ask whether breakers that a pattern has chosen are to be changed; ends the command if not.

    Raises:
        click.UsageError: there is no terminal on which that could be done.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: say --yes, or name the breakers one by one")
    click.confirm(question, abort=True, err=True)
