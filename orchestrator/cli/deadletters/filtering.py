"""The options that say which letters are meant: the same for every command that takes letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from orchestrator.deadletter.foreign import REASON as FOREIGN
from orchestrator.deadletter.reasons import REASONS
from orchestrator.index.states import STATES

if TYPE_CHECKING:
    from orchestrator.index.filters import Filter

ANY = "any"


class _Moment(click.ParamType[datetime]):
    """A time in ISO 8601, in UTC where it has no zone, or an age such as 15m."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time; a wrong use where it is none."""
        if isinstance(value, datetime):
            return value
        from orchestrator.index.filters import TIME, read_time

        at = read_time(value)
        if at is None:
            self.fail(f"{value!r} is not {TIME}", param, ctx)
        return at


MOMENT = _Moment()


def _several(name: str, field: str, help_: str, metavar: str) -> Callable[[Any], Any]:
    return click.option(name, field, multiple=True, metavar=metavar, help=help_)


_OPTIONS = (
    click.argument("ids", nargs=-1),
    _several("--queue", "queues", "Of this queue. May be repeated, as most of these.", "NAME"),
    _several("--task", "tasks", "Of this task.", "NAME"),
    click.option(
        "--reason",
        "reasons",
        multiple=True,
        type=click.Choice([*REASONS, FOREIGN]),
        metavar="REASON",
        help="That died for this reason: " + ", ".join([*REASONS, FOREIGN]) + ".",
    ),
    _several(
        "--exception", "exceptions", "With this exception; its last part is enough, as in KeyError.", "CLASS"
    ),
    _several(
        "--fingerprint", "fingerprints", "Of this group; its first 4 digits, or more, are enough.", "DIGITS"
    ),
    click.option("--text", default="", help='With these words in the message; "a phrase", or, -not.'),
    click.option("--since", type=MOMENT, help="That died then or later: ISO 8601, or 90s, 15m, 6h, 2d."),
    click.option("--until", type=MOMENT, help="That died before."),
    _several("--correlation-id", "correlation_ids", "With this correlation id.", "ID"),
    _several("--task-id", "task_ids", "Of the task with this id.", "ID"),
)


def filter_options(
    default_states: Sequence[str], *, bulk: bool = False, states: Sequence[str] = (*STATES, ANY)
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the arguments IDS and the options of a filter; it gets them as `filter_`, a Filter.

    Ids, exceptions and fingerprints are whole in it: parts are looked up, and an unknown id ends the command
    with 1. Without
    --state it has the `default_states`; with ids, all. `bulk` wants a condition, or --all, from the user.
    `states` are those that --state takes.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(**options: Any) -> Any:
            # PostgreSQL's library is slow to import; --help must not wait for it.
            from orchestrator.index.filters import Filter

            chosen = {field.name: options.pop(field.name) for field in fields(Filter)}
            if bulk:
                _check_all(chosen, is_all=options.pop("all_"))
            return command(filter_=_complete(Filter(**_read(chosen, default_states))), **options)

        for option in reversed([*_OPTIONS, _states(default_states, states), *([_ALL] if bulk else [])]):
            run = option(run)
        return run

    return decorate


_ALL = click.option("--all", "all_", is_flag=True, help="All, where no filter is given.")


def _states(default_states: Sequence[str], states: Sequence[str]) -> Callable[[Any], Any]:
    usual = ", ".join(default_states) or ANY
    default = f"{usual}; of ids: {ANY}" if ANY in states else usual
    return click.option(
        "--state",
        "states",
        multiple=True,
        type=click.Choice(states),
        metavar="STATE",
        help=f"In this state: {', '.join(states)}.  [default: {default}]",
    )


def _check_all(chosen: dict[str, Any], *, is_all: bool) -> None:
    if not is_all and not _is_condition(chosen):
        raise click.UsageError("say which: name ids or a filter (see --help), or --all")
    # A state may be said of all.
    if is_all and _is_condition(chosen | {"states": ()}):
        raise click.UsageError("--all is for no filter: leave one of them away")


def _is_condition(chosen: dict[str, Any]) -> bool:
    return any(value and value != (ANY,) for value in chosen.values())


def _read(chosen: dict[str, Any], default_states: Sequence[str]) -> dict[str, Any]:
    from orchestrator.index.filters import MOST_TEXT

    if len(chosen["text"]) > MOST_TEXT:
        raise click.UsageError(f"--text takes {MOST_TEXT} characters at most")
    since, until = chosen["since"], chosen["until"]
    if since and until and since >= until:
        raise click.UsageError("--since is not before --until: no letter has died between them")
    states = chosen["states"] or (() if chosen["ids"] else tuple(default_states))
    return chosen | {"states": () if ANY in states else states}


def _complete(filter_: Filter) -> Filter:
    from orchestrator.cli.deadletters.opening import index
    from orchestrator.index.naming import complete, resolve

    if not (filter_.ids or filter_.exceptions or filter_.fingerprints):
        return filter_
    with index() as connection:
        return complete(connection, replace(filter_, ids=resolve(connection, filter_.ids)))
