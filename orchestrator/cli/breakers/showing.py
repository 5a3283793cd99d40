"""`omninode breakers show`: everything about a breaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from orchestrator.breaker.details import Details
    from orchestrator.breaker.transition import Transition
    from orchestrator.retry.budget import Budget

_MOST_HISTORY = 20
_WIDTH = 14


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(*, names: tuple[str, ...], as_json: bool) -> None:
    """Show everything about the breakers NAMES: state, window, policy, retry budget and history."""
    from dataclasses import asdict

    from orchestrator import settings
    from orchestrator.breaker import plain
    from orchestrator.cli.breakers.opening import opened
    from orchestrator.cli.breakers.picking import ALL, pick, require
    from orchestrator.cli.breakers.reading import read
    from orchestrator.cli.breakers.waiting import waiting
    from orchestrator.cli.deadletters.rendering import echo_json
    from orchestrator.retry import budget

    with opened() as (fleet, redis):
        known = fleet.names()
        found = read(fleet, require(pick(names, known), known, ALL))
        history = [fleet.history(each.state.name, _MOST_HISTORY) for each in found]
        prefix = settings.current().key_prefix
        budgets = [budget.read(redis, prefix, each.state.name) for each in found]
    waits = waiting([each.state.name for each in found])
    number = [None if waits is None else waits[each.state.name] for each in found]
    if as_json:
        told = [
            plain.details(each, count)
            | {"retry_budget": asdict(allowance), "history": list(map(plain.transition, past))}
            for each, count, allowance, past in zip(found, number, budgets, history, strict=True)
        ]
        echo_json({"breakers": told})
        return
    for each, count, allowance, past in zip(found, number, budgets, history, strict=True):
        _print(each, count, allowance)
        _print_history(past)


def _print(details: Details, waiting: int | None, allowance: Budget) -> None:
    from orchestrator.cli.breakers.rendering import by_hand, in_a_row, standing, trips_on, window
    from orchestrator.cli.deadletters.rendering import counted, wrapped
    from orchestrator.times import moment

    state = details.state
    click.echo(wrapped(f"{state.name}: {standing(state)}", _WIDTH + 2))
    _line("by hand", f"{by_hand(details)} at {moment(details.mode_at)}" if by_hand(details) else "")
    since = f" since {moment(details.since)}" if details.since else ""
    why = f" ({details.why})" if details.why else ""
    _line("circuit", f"{state.circuit.replace('_', '-')}{since}{why}")
    if state.circuit == "half_open":
        probes = f"{details.probing} under way, {details.succeeded} of {details.policy.probes} succeeded"
        _line("probes", probes)
    _line("failures", f"{in_a_row(details)} in a row")
    _line("window", f"{window(details)} failed" if details.ok + details.failed else "no calls")
    last = f", the last time at {moment(details.tripped_at)}" if details.tripped_at else ""
    _line("trips", f"{details.tripped:,} in all, {details.trips:,} in a row{last}")
    _line("last error", f"{details.error} at {moment(details.error_at)}" if details.error else "")
    _line("waiting", "unknown: the broker does not answer" if waiting is None else counted(waiting, "task"))
    _line("retries", _spent(allowance))
    _line("last seen", moment(details.seen_at))
    _line("policy", f"{trips_on(details.policy)}  [{state.policy or 'nobody has set one'}]")
    for name, value in details.policy.model_dump().items():
        _line("", f"{name} = {value}")


def _spent(allowance: Budget) -> str:
    from orchestrator.cli.deadletters.rendering import counted

    firsts = counted(allowance.first_attempts, "first attempt")
    made = f"{firsts}, {counted(allowance.retries, 'retry')} in the last minute"
    delayed = f", {allowance.delayed:,} delayed" if allowance.delayed else ""
    waiting = f", {allowance.waiting:,} due later" if allowance.waiting else ""
    return f"{made}, {allowance.allowed:g} allowed{delayed}{waiting}"


def _print_history(past: list[Transition]) -> None:
    from orchestrator.cli.breakers.rendering import change
    from orchestrator.times import moment

    for index, each in enumerate(past):
        _line("history" if not index else "", f"{moment(each.at)}  {change(each)}")


def _line(name: str, text: Any) -> None:
    from orchestrator.cli.deadletters.rendering import wrapped

    if text:
        click.echo(wrapped(f"  {name:{_WIDTH}}{text}", _WIDTH + 2))
