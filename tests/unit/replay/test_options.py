"""What is wrongly asked of a replay is a sentence, before any server is asked."""

from uuid import uuid4

import pytest
from click.testing import CliRunner

from orchestrator.cli import cli


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--yes"], "say which: name ids or a filter"),
        (["--state", "open", "--yes"], "say which: name ids or a filter"),
        (["--all", "--edit", "{"], "--edit is no JSON"),
        (["--all", "--edit", '{"arg": []}'], "no key 'arg'"),
        (["--all", "--rate", "0"], "--rate"),
        (["--all", "--limit", "0"], "--limit"),
        (["--all", "--since", "yesterday"], "is not a time in ISO 8601 such as"),
        (["--resume", str(uuid4()), "--queue", "shop"], "--resume goes on with"),
        (["--resume", "the last one"], "--resume wants a replay's id, or 8 or more of its first digits"),
        (["--resume", "abcdef1"], "--resume wants a replay's id"),
        (["--queue", "shop"], "there is no terminal to ask on: say --yes"),
        (["--queue", "shop", "--all"], "--all is for no filter"),
        (["--all", "--to-queue", ""], "--to-queue wants the name of a queue"),
        (["--all", "--foreign"], "--foreign is about the task of an --edit"),
        (["--since", "1h", "--until", "2h"], "--since is not before --until"),
    ],
)
def test_what_is_wrongly_used_is_a_sentence(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(cli, ["dead-letters", "replay", *arguments])

    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output
