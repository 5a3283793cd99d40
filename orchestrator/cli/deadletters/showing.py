"""`omninode dead-letters show`: everything that happened to a letter, or its bytes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from psycopg import Connection

    from orchestrator.index.story import Story

_INDENT = "    "
# In characters, of each of both.
_MOST_OF_ARGUMENTS = 2_000
_REPLAYED = "replayed"
# How a letter is replayed whose message allows it.
_HOW = {
    "open": "yes: omninode dead-letters replay {id}",
    "replaying": "it is being replayed",
    "parked": "yes: omninode dead-letters replay {id} --state parked",
    "resolved": "yes, but its last replay has succeeded: omninode dead-letters reopen {id}",
    "archived": "yes, when it is open: omninode dead-letters reopen {id}",
}


@click.command()
@click.argument("ids", nargs=-1, required=True)
@click.option(
    "--bytes", "as_bytes", is_flag=True, help="Write the message's original bytes, and nothing else."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(*, ids: tuple[str, ...], as_bytes: bool, as_json: bool) -> None:
    """Show the letters with the IDS, or whose ids begin so: each death, the arguments, and what was done.

    Secrets are masked, in the JSON too; --bytes of one letter masks nothing. Exits with 1 when a letter is
    unknown, or its bytes are lost.
    """
    if as_bytes and (as_json or len(ids) > 1):
        raise click.UsageError("--bytes writes one message: name one letter, and leave --json away")
    from orchestrator.cli.deadletters.opening import index
    from orchestrator.cli.deadletters.rendering import echo_json
    from orchestrator.cli.deadletters.telling import tell
    from orchestrator.index.naming import resolve

    with index() as connection:
        stories = [_story(connection, each) for each in resolve(connection, ids)]
    if as_bytes:
        _write_bytes(stories[0])
    elif as_json:
        echo_json({"letters": [tell(each) for each in stories]})
    else:
        for each in stories:
            _print(tell(each))


def _story(connection: Connection[Any], letter_id: str) -> Story:
    from orchestrator.errors import UnknownLetter
    from orchestrator.index.story import story

    found = story(connection, letter_id)
    if found is None:
        raise UnknownLetter(f"the letter {letter_id} was deleted just now")
    return found


def _write_bytes(story: Story) -> None:
    latest = story.deaths[-1] if story.deaths else None
    if latest is None or latest.value is None:
        raise click.ClickException(
            "its record is a tombstone: it has no value"
            if latest and latest.is_tombstone
            else "its message is kept nowhere any more"
        )
    sys.stdout.buffer.write(latest.value)
    sys.stdout.buffer.flush()


def _print(told: dict[str, Any]) -> None:
    from orchestrator import redaction, times
    from orchestrator.cli.deadletters.rendering import counted

    letter, deaths, replay = told["letter"], told["deaths"], told["replay"]
    click.echo(f"letter {redaction.printable(letter.id)}")
    replays = counted(letter.replay, "time")
    _line("state", f"{letter.state} since {times.moment(letter.state_at)}, replayed {replays}")
    _line("task", f"{letter.task or '-'}[{letter.task_id or '-'}]")
    _line("queue", letter.queue)
    _line("correlation", letter.correlation_id)
    _line("group", f"{letter.fingerprint} (fingerprint)")
    if letter.is_foreign:
        _line("from", f"another program, by the topic {letter.topic}")
    for number, death in enumerate(deaths, 1):
        click.echo(f"\ndeath {number} of {len(deaths)}, {times.moment(death['died_at'])}")
        _print_death(death)
    click.echo("\nwhat became of it")
    for event in told["history"]:
        _print_event(event)
    click.echo("\nreplay")
    if not replay["possible"]:
        _line("possible", f"no: {replay['why_not']}")
    else:
        _line("possible", _HOW[letter.state].format(id=letter.id[:12]))
    for name in replay["changed"]:
        _line("taken off", f"{name}: its time has passed")
    for what in replay["lost"]:
        _line("lost", what)
    click.echo()


def _print_death(death: dict[str, Any]) -> None:
    from orchestrator import redaction, times
    from orchestrator.cli.deadletters.rendering import counted
    from orchestrator.cli.deadletters.telling import as_text

    _line("reason", death["reason"])
    _line("error", ": ".join(filter(None, (death["exception"], death["message"]))))
    if death["deliveries"]:
        tried = f"{counted(death['attempts'], 'attempt')}, {counted(death['deliveries'], 'delivery')}"
        _line("tried", f"{tried}, the last one on {death['worker'] or 'an unknown worker'}")
    for each in death["failures"]:
        at = times.moment(each["at"])
        _line("before", f"{at}  {each['exception']}: {each['message']}  on {each['worker']}")
    for name in ("args", "kwargs"):
        if not death["body"]:
            _print_arguments(name, death[name])
    _line("message", death["body"])
    _line("key", death["key"] or "")
    if death["topic"] is not None:
        _line("record", f"{death['topic']}, partition {death['partition']}, offset {death['offset']}")
    headers = redaction.data(death["headers"])
    _block("headers", [f"{name}: {as_text(value)}" for name, value in sorted(headers.items())])
    _block("traceback", death["traceback"].splitlines())


def _print_arguments(name: str, arguments: Any) -> None:
    from orchestrator.cli.deadletters.telling import as_text

    shown = as_text(arguments, _MOST_OF_ARGUMENTS)
    _line(name, shown)
    if len(shown) < len(as_text(arguments)):
        _line("", "(shown in part: --json has all that is no secret, and --bytes the whole message)")


def _print_event(event: Any) -> None:
    from orchestrator import times

    by = event.operation
    who = f"  by {by.who} ({by.action}){f': {by.why}' if by.why else ''}" if by else ""
    detail = f"  {event.detail}" if event.detail else ""
    _line(times.moment(event.at), f"{event.event}{detail}{_edited(event)}{who}", width=23)


def _edited(event: Any) -> str:
    """What a replay had changed."""
    from orchestrator.cli.deadletters.telling import as_text

    edit = event.operation.options.get("edit") if event.operation and event.event == _REPLAYED else None
    if not isinstance(edit, dict) or not edit:
        return ""
    return f", edited: {', '.join(edit)} → {as_text(edit, _MOST_OF_ARGUMENTS)}"


def _line(name: str, text: str, width: int = 11) -> None:
    from orchestrator import redaction

    if text:
        shown = redaction.printable(text, keep="\n").replace("\n", f"\n  {'':{width}}  ")
        click.echo(f"  {name:{width}}  {shown}")


def _block(name: str, lines: list[str]) -> None:
    from orchestrator import redaction

    if lines:
        click.echo(f"  {name}")
        click.echo("\n".join(_INDENT + redaction.printable(line) for line in lines))
