"""`omninode dead-letters`: letters listed, shown, put away and taken out again, by a person or a program."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from orchestrator import broker, keys, settings
from orchestrator.cli import cli
from orchestrator.deadletter.death import FAILURES
from orchestrator.index import operations
from orchestrator.index.writing import write
from orchestrator.settings import Settings
from tests.commands import omninode
from tests.integration.index.deaths import NOON, Database, death, set_state
from tests.servers import empty_tables

A, B, C = "a" * 12 + "0" * 52, "b" * 12 + "0" * 52, "c" * 12 + "0" * 52
BODY = b'[[7, {"password": "hunter2"}], {"to": "ada", "note": "\\u001b[31mred"}, {"chain": null}]'


@pytest.fixture
def database_url(module_database: str) -> str:
    """To empty a database is cheaper than to make one."""
    empty_tables(module_database)
    return module_database


@pytest.fixture
def index(environment: Settings, database: Database) -> Database:
    """Three letters: A, whose replay failed too, B, which is resolved, and C, which was pickled."""
    failures = [[NOON.isoformat(), "OSError", "disk full", "w@1"], "nonsense"]
    first = replace(
        death(A, value=BODY), headers={"task": "app.bill", "id": "t-1", FAILURES: failures, "token": "s3cret"}
    )
    again = replace(
        death("d" * 64, letter=A, replay=1, minutes=5, value=BODY),
        task_id="t-1",
        message="postgres://joe:hunter2@db said \x1b]0;owned\x07",
        traceback="Traceback\n  password='hunter2'",
    )
    resolved = death(B, minutes=1, queue="mails", value=json.dumps([["x" * 5000], {}, {}]).encode())
    pickled = replace(
        death(C, minutes=2, value=b"cos\nsystem\n"),
        queue="mails",
        content_type="application/x-python-serialize",
        exception="shop.errors.PermanentError",
    )
    write(database, [first, again, resolved, pickled], max_replays=5)
    set_state(database, B, "resolved")
    return database


@pytest.fixture
def run(index: Database) -> Callable[..., Result]:
    runner = CliRunner()
    return lambda *arguments, **others: runner.invoke(cli, ["dead-letters", *arguments], **others)


def states(index: Database) -> list[str]:
    return [row[0] for row in index.execute("SELECT state FROM dead_letters ORDER BY id")]


def test_a_list_shows_what_nobody_has_dealt_with_the_newest_first(run: Callable[..., Result]) -> None:
    done = run("list", env={"COLUMNS": "100"})

    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[0].split()) == (0, ["id", "age", "state", "queue", "task", "error"])
    assert [line.split()[0] for line in lines[1:3]] == [A[:12], C[:12]]
    assert lines[3] == "2 of 2"
    assert (len(lines), max(map(len, lines)) <= 100) == (4, True)
    assert lines[2].split()[5] == "PermanentError:"
    assert "\x1b" not in done.stdout
    assert "hunter2" not in done.stdout


def test_a_list_goes_on_where_the_page_before_ended(run: Callable[..., Result]) -> None:
    first = json.loads(run("list", "--state", "any", "-n", "2", "--json").stdout)
    second = json.loads(run("list", "--state", "any", "-n", "2", "--json", "--after", first["next"]).stdout)

    assert [each["id"] for each in first["letters"]] == [A, C]
    assert [each["id"] for each in second["letters"]] == [B]
    assert (first["count"], second["next"]) == (3, "")


FILTERS: list[tuple[list[str], list[str]]] = [
    (["--queue", "mails"], [C]),
    (["--queue", "mails", "--state", "any"], [C, B]),
    (["--queue", "mails", "--queue", "bills"], [A, C]),
    (["--since", (NOON + timedelta(minutes=3)).isoformat()], [A]),
    (["--until", "2026-11-01T12:03"], [C]),
    (["--since", "1h"], []),
    (["--task-id", "t-1"], [A]),
    (["--exception", "PermanentError"], [C]),
    (["--exception", "errors.PermanentError", "--exception", "KeyError"], [C]),
    (["--exception", "rrors.PermanentError"], []),
    (["--fingerprint", "0123456789AB"], [A, C]),
    (["--fingerprint", "0123456789ABCDEF"], [A, C]),
    (["--fingerprint", "feeb"], []),
    (["--text", "number -b"], [C]),
    ([B[:6]], [B]),
    (["--queue", "'; DROP TABLE dead_letters --"], []),
]


def test_a_list_takes_every_kind_of_filter(
    run: Callable[..., Result],
) -> None:
    for options, found in FILTERS:
        done = run("list", "--json", *options)
        assert [each["id"] for each in json.loads(done.stdout)["letters"]] == found, options


def test_a_filter_that_matches_nothing_is_said_so(run: Callable[..., Result]) -> None:
    for arguments in (
        ["list"],
        ["list", "--groups"],
        ["archive", "--why", "x", "--yes"],
        ["park", "--dry-run"],
    ):
        done = run(*arguments, "--queue", "none")
        assert (done.exit_code, done.stdout) == (0, "no letter matches\n")


def test_groups_say_how_many_failed_alike(run: Callable[..., Result]) -> None:
    shown = run("list", "--groups", "--state", "any")
    told = json.loads(run("list", "--groups", "--json").stdout)["groups"]

    assert shown.stdout.splitlines()[1].split()[:2] == ["0123456789abcdef", "3"]
    assert shown.stdout.splitlines()[2].startswith("1 group; the letters of one")
    assert (told[0]["letters"], told[0]["open"], len(told[0]["trend"])) == (2, 2, 24)


WRONG: list[tuple[list[str], int, str]] = [
    (["show", "ffffff"], 1, "no letter's id begins with ffffff"),
    (["list", "abc"], 1, "no letter has the id 'abc': give 6 or more of its first digits"),
    (["list", "--after", "x"], 2, "this is no cursor: take the one that the page before ends with"),
    (["list", "--since", "yesterday"], 2, "'yesterday' is not a time in ISO 8601 such as 2026-01-31T09:00"),
    (["list", "--since", "999999999w"], 2, "'999999999w' is not a time in ISO 8601"),
    (["list", "--text", "a" * 1001], 2, "--text takes 1000 characters at most"),
    (["list", "--state", "opened"], 2, "'opened' is not one of 'open'"),
    (["archive", "--why", "x"], 2, "say which: name ids or a filter (see --help), or --all"),
    (["archive", "--why", "x", "--state", "any"], 2, "say which: name ids or a filter"),
    (["archive", A], 2, "say --why: it is kept with who did it and when"),
    (["archive", "--why", "x", "--queue", "mails"], 2, "there is no terminal to ask on: say --yes"),
    (["archive", "--why", "x", "--queue", "mails", "--all"], 2, "--all is for no filter"),
    (["show", A, B, "--bytes"], 2, "--bytes writes one message"),
]


def test_a_wrong_use_is_refused_with_a_sentence(
    run: Callable[..., Result],
) -> None:
    for arguments, code, sentence in WRONG:
        done = run(*arguments)
        assert (done.exit_code, sentence in done.stderr) == (code, True), done.stderr


def test_show_tells_the_whole_story_without_secrets_and_control_characters(
    run: Callable[..., Result], index: Database
) -> None:
    edit = {"edit": {"args": [1], "kwargs": {"password": "hunter2"}}}
    operation = operations.begin(index, "replay", "ada", "fixed", {}, edit)
    index.execute(
        "INSERT INTO dead_letter_history (letter_id, event, operation_id, detail)"
        " VALUES (%s, 'replayed', %s, 'replay 2, to mails')",
        (A, operation),
    )
    done = run("show", A[:12])

    assert done.exit_code == 0
    for expected in (
        f"letter {A}",
        "death 1 of 2, 2026-11-01 12:00:00 UTC",
        "3 attempts, 1 delivery, the last one on w@host",
        "2026-11-01 12:00:00 UTC  OSError: disk full  on w@1",
        '[7, {"password": "****"}]',
        '{"to": "ada", "note": "\\u001b[31mred"}',
        "token: ****",
        "postgres://joe:****@db said \\x1b]0;owned\\x07",
        "failed again",
        ", replayed 1 time\n",
        ', to mails, edited: args, kwargs → {"args": [1], "kwargs": {"password": "****"}}  by ada (replay)',
        f"yes: omninode dead-letters replay {A[:12]}",
    ):
        assert expected in done.stdout
    assert "hunter2" not in done.stdout
    assert "\x1b" not in done.stdout


def test_show_tells_a_program_the_same(run: Callable[..., Result]) -> None:
    done = run("show", A, C, "--json")

    first, pickled = json.loads(done.stdout)["letters"]
    assert (first["letter"]["id"], first["replay"]["possible"]) == (A, True)
    assert [each["replay"] for each in first["deaths"]] == [0, 1]
    assert first["deaths"][0]["args"] == [7, {"password": "****"}]
    assert first["deaths"][0]["failures"] == [
        {"at": "2026-11-01T12:00:00+00:00", "exception": "OSError", "message": "disk full", "worker": "w@1"}
    ]
    assert [each["event"] for each in first["history"]] == ["died", "failed again"]
    assert "hunter2" not in done.stdout
    assert (pickled["deaths"][0]["args"], pickled["deaths"][0]["body"]) == (
        None,
        "11 bytes of application/x-python-serialize",
    )


def test_show_shows_long_arguments_in_part_and_says_so(run: Callable[..., Result]) -> None:
    done = run("show", B)

    assert "characters left out" in done.stdout
    assert "(shown in part: --json has all that is no secret, and --bytes the whole message)" in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 2000
    assert json.loads(run("show", B, "--json").stdout)["letters"][0]["deaths"][0]["args"] == ["x" * 5000]


def test_show_writes_the_original_bytes_unchanged(run: Callable[..., Result]) -> None:
    assert run("show", A, "--bytes").stdout_bytes == BODY
    assert run("show", C, "--bytes").stdout_bytes == b"cos\nsystem\n"


def test_show_says_why_a_letter_cannot_be_replayed(run: Callable[..., Result], index: Database) -> None:
    lost = replace(death("e" * 64, minutes=9), value=None, value_is="reference")
    # Another program's record may name its letter as it likes.
    write(index, [lost, death("e1", minutes=9)], max_replays=5)

    assert run("show", "e1").stdout.startswith("letter e1\n")
    assert "no: its message is kept nowhere any more" in run("show", "eeeeee").stdout
    done = run("show", "eeeeee", "--bytes")
    assert (done.exit_code, done.stderr) == (1, "Error: its message is kept nowhere any more\n")


def test_letters_are_put_away_and_taken_out_again_with_an_account(
    run: Callable[..., Result], index: Database
) -> None:
    would = run("archive", "--queue", "mails", "--state", "any", "--dry-run")
    assert (would.stdout, states(index)) == (
        "1 would be archived\n1 left as it is: resolved\n",
        ["open", "resolved", "open"],
    )
    archived = run("archive", "--queue", "mails", "--why", "a known fault", "--yes")
    assert (archived.stdout, states(index)) == ("1 archived\n", ["open", "resolved", "archived"])
    parked = json.loads(run("park", A[:8], "--why", "until Monday", "--json").stdout)
    assert (parked["parked"], parked["skipped"], states(index)[0]) == (1, {}, "parked")
    reopened = run("reopen", A, B, "--why", "it is Monday")
    assert (reopened.stdout, states(index)) == ("2 reopened\n", ["open", "open", "archived"])

    assert [(each.action, each.who, each.letters) for each in operations.recent(index, 9)] == [
        ("reopen", operations.identity(), 2),
        ("park", operations.identity(), 1),
        ("archive", operations.identity(), 1),
    ]


def test_stats_count_letters_and_show_what_waits_and_what_was_done(
    run: Callable[..., Result], index: Database
) -> None:
    index.execute("INSERT INTO outbox_overflow (entry_id, topic, fields, raw) VALUES ('1-1', 't', '{}', '')")
    with broker.client(settings.current()) as client:
        client.xadd(keys.outbox(), {"id": "x"})
        sentence = "it waits for \x1b[31mred"
        alert = {"name": "outbox_waits", "severity": "warning", "sentence": sentence, "since": "2026"}
        client.hset(keys.alerts(), "outbox_waits", json.dumps(alert))
    write(index, [death("f" * 64, queue="token-mails")], max_replays=5)
    run("park", A, "--why", "until Monday")

    told = json.loads(run("stats", "--json").stdout)
    shown = run("stats").stdout
    listed = run("list", "--queue", "none").stdout

    assert told["by_state"] == {"open": 2, "replaying": 0, "parked": 1, "resolved": 1, "archived": 0}
    assert (told["outbox"], told["overflow"]) == (1, 1)
    assert told["by_queue"] == {"bills": 1, "mails": 1, "token-mails": 1}
    assert told["alerts"]["outbox_waits"]["sentence"] == sentence
    assert [each["why"] for each in told["operations"]] == ["until Monday"]
    assert told["operations"][0]["id"][:8] in shown
    assert listed == "no letter matches\n2 more wait in the outbox for Kafka\n"
    assert "waiting for Kafka: 1 in Redis, 1 in PostgreSQL" in shown
    assert "warning: outbox_waits since 2026: it waits for \\x1b[31mred" in shown


def test_stats_without_redis_show_what_postgresql_has(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    settings.use(settings.load())

    done = run("stats", "--json")

    assert (done.exit_code, json.loads(done.stdout)["outbox"]) == (1, None)
    assert json.loads(run("list", "--json").stdout)["waiting"] is None
    assert done.stderr.startswith("Redis does not answer")


def test_reindex_gives_an_account_and_keeps_what_kafka_has_not(
    run: Callable[..., Result], index: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_DLQ_SUFFIX", f".dlq-{uuid4().hex[:8]}")
    settings.use(settings.load())

    done = run("reindex", "--json")

    account = json.loads(done.stdout)["account"]
    assert (account["read"], account["letters_new"], account["kept_without_record"]) == (0, 0, 4)
    assert states(index) == ["open", "resolved", "open"]


def test_postgresql_that_is_away_is_said_in_a_sentence(environment: Settings) -> None:
    done = omninode("dead-letters", "list", environment={"DATABASE_URL": "postgresql://joe:pw@127.0.0.1:1/x"})

    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: PostgreSQL does not answer at postgresql://joe:****@127.0.0.1:1/x")
    assert "Traceback" not in done.stderr


def test_every_command_of_the_group_has_help_and_json() -> None:
    for command in ("archive", "list", "park", "reindex", "reopen", "show", "stats"):
        done: Any = CliRunner().invoke(cli, ["dead-letters", command, "--help"])
        assert (done.exit_code, "--json" in done.stdout) == (0, True)
