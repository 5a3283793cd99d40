"""`omninode breakers open`, `close`, `isolate`, `disable`, `shadow`, `reset`: changes by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.lengths import LENGTH

if TYPE_CHECKING:
    from orchestrator.breaker.state import Action, State

_DONE: dict[Action, str] = {
    "open": "opened",
    "isolate": "isolated",
    "disable": "disabled",
    "shadow": "set to shadow",
}
_FOR = click.option(
    "--for",
    "seconds",
    type=LENGTH,
    metavar="LENGTH",
    help="How long it holds, as in 90s, 10m, 1h30m; a number alone is seconds.",
)
_CREATE = click.option(
    "--create",
    is_flag=True,
    help="Also names through which no call was made yet: it holds from the first one on.",
)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--yes", is_flag=True, help="Do not ask. Names are never asked about; a pattern is."),
        click.option("--who", metavar="TEXT", help="Who does it; else the user and host of this command."),
        click.option(
            "--why", required=True, metavar="TEXT", help="Why: it is kept with who did it and when."
        ),
        click.argument("names", nargs=-1, required=True),
    ):
        command = option(command)
    return command


@click.command("open")
@_FOR
@_CREATE
@_options
def open_(**options: Any) -> None:
    """Open the circuit of NAMES for the whole fleet: calls are turned away, and tasks wait aside.

    After the open time of its policy, or that of --for, a probe finds out whether it closes again.
    """
    _steer("open", **options)


@click.command()
@_options
def close(**options: Any) -> None:
    """Close the circuit of NAMES at once: calls go through, failures are counted anew.

    What was set by isolate, disable or shadow is taken back with it.
    """
    _steer("close", **options)


@click.command()
@_FOR
@_CREATE
@_options
def isolate(**options: Any) -> None:
    """Turn every call of NAMES away, probes too, until reset or close, or until --for is over."""
    _steer("isolate", **options)


@click.command()
@_FOR
@_CREATE
@_options
def disable(**options: Any) -> None:
    """Let every call of NAMES through and count none, until reset or close, or until --for is over."""
    _steer("disable", **options)


@click.command()
@_FOR
@_CREATE
@_options
def shadow(**options: Any) -> None:
    """Let every call of NAMES through, and show in list and history what the circuit would do."""
    _steer("shadow", **options)


@click.command()
@_options
def reset(**options: Any) -> None:
    """Have NAMES as they were before their first call: closed, nothing counted, nothing set by hand.

    Trips in all and the last error are cleared too; what has happened stays in the history.
    """
    _steer("reset", **options)


def _steer(
    action: Action,
    *,
    names: tuple[str, ...],
    why: str,
    who: str | None,
    yes: bool,
    as_json: bool,
    seconds: float | None = None,
    create: bool = False,
) -> None:
    from orchestrator import recording
    from orchestrator.breaker import byhand
    from orchestrator.cli.breakers.opening import store
    from orchestrator.cli.breakers.picking import ask, pick, require
    from orchestrator.cli.deadletters.rendering import counted
    from orchestrator.index.operations import identity

    if not why.strip():
        raise click.UsageError("say --why: it is kept with who did it and when")
    with store() as fleet:
        known = fleet.names()
        picked = pick(names, known, create=create)
        new = picked.unknown if create else ()
        hint = f" (with --create it is {_DONE[action]} before its first call)" if action in _DONE else ""
        chosen = (*picked.known, *new) if new else require(picked, known, hint)
        if picked.by_pattern:
            ask(f"{action.title()} {counted(len(chosen), 'breaker')} ({', '.join(chosen)})?", yes=yes)
        # A circuit that is opened by hand is counted as one that opens by itself.
        with recording.during("command"):
            done = byhand.control(
                fleet, chosen, action, who=who or identity(), why=why, seconds=seconds, create=create
            )
    _tell(done, new, as_json=as_json)


def _tell(done: Sequence[State], new: Sequence[str], *, as_json: bool) -> None:
    from orchestrator.breaker import plain
    from orchestrator.cli.breakers.rendering import standing
    from orchestrator.cli.deadletters.rendering import echo_json, wrapped

    if as_json:
        echo_json({"breakers": list(map(plain.state, done)), "created": list(new)})
        return
    for state in done:
        note = " (it has had no call yet)" if state.name in new else ""
        click.echo(wrapped(f"{state.name}: {standing(state)}{note}", 2))
