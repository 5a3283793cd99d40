"""What other programs have written to a dead-letter topic is shown as it is, and nothing is made up."""

import json

import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.deadletter.record import Found, from_record
from orchestrator.index.writing import write
from orchestrator.settings import Settings
from tests.integration.index.deaths import Database

SPRING = [
    ("origin", b"mails"),
    ("api-token", b"s3cret"),
    ("title", b"\x1b]0;owned\x07"),
    ("content-id", None),
]


@pytest.fixture
def ids(environment: Settings, database: Database) -> list[str]:
    """A text, nothing, and an empty value."""
    records = [(b"order-7 \xff", b"a,b", SPRING), (None, None, []), (None, b"", [])]
    deaths = [
        from_record(Found("mails.dlq", 0, place, *record, 1_750_000_000_000), ".dlq")
        for place, record in enumerate(records)
    ]
    write(database, deaths, max_replays=3)
    return [each.id for each in deaths]


def test_a_foreign_record_is_shown_with_its_key_and_headers_and_without_what_nobody_counts(
    ids: list[str],
) -> None:
    shown = CliRunner().invoke(cli, ["dead-letters", "show", ids[0]]).stdout

    for expected in (
        "key          order-7 \\xff",
        'origin: "mails"',
        "api-token: ****",
        'title: "\\u001b]0;owned\\u0007"',
        "message      3 bytes, which are no JSON",
        """replay it with --edit '{"task":""",
    ):
        assert expected in shown
    for unknown in ("attempts", "application/json", "s3cret", "\x1b"):
        assert unknown not in shown


def test_a_tombstone_is_told_from_an_empty_value(ids: list[str]) -> None:
    run = CliRunner().invoke
    told = json.loads(run(cli, ["dead-letters", "show", "--json", *ids]).stdout)["letters"]

    assert [each["deaths"][0]["key"] for each in told] == ["order-7 \\xff", None, None]
    assert [each["deaths"][0]["message_bytes"] for each in told] == [3, None, 0]
    assert told[1]["deaths"][0]["body"] == "no value at all: the record is a tombstone"
    assert told[2]["deaths"][0]["body"] == "0 bytes"
    assert ["names no task" in each["replay"]["why_not"] for each in told] == [True, True, True]
    done = run(cli, ["dead-letters", "show", "--bytes", ids[1]])
    assert (done.exit_code, done.stderr) == (1, "Error: its record is a tombstone: it has no value\n")
    assert run(cli, ["dead-letters", "show", "--bytes", ids[2]]).exit_code == 0
