"""`omninode alerts`: what is raised is shown, acknowledged and silenced, and what was done is kept."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from orchestrator import keys, redis, settings
from orchestrator.alerts import changing, record
from orchestrator.alerts.record import Alert, Raised
from orchestrator.alerts.store import Store
from orchestrator.cli import cli
from orchestrator.dev.ports import free
from orchestrator.dev.stack import Addresses
from orchestrator.index.operations import identity
from tests.servers import clean_redis

LATE = Alert(
    "queue_age:mails",
    "warning",
    "the oldest task of 'mails' has waited for 6m, see redis://:hunter2@cache \x1b[31m",
    component="mails",
)
NONE = Alert("no_workers", "critical", "no worker serves any queue: start one")


@pytest.fixture(scope="module")
def _module_redis(stack: Addresses) -> Iterator[str]:
    with clean_redis(stack.redis_url) as url:
        yield url


@pytest.fixture
def client(_module_redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    monkeypatch.setenv("REDIS_URL", _module_redis)
    settings.use(settings.load())
    with redis.connect(_module_redis) as connected:
        connected.flushdb()
        yield connected
    settings.forget()


@pytest.fixture
def run(client: Redis) -> Callable[..., Result]:
    runner = CliRunner(env={"COLUMNS": "80"})
    return lambda *arguments, **others: runner.invoke(cli, ["alerts", *arguments], **others)


def _raise(client: Redis, *alerts: Alert) -> None:
    store = Store(client)
    standing = store.read()
    store.apply(standing, [changing.found(standing, each) for each in alerts])


def _read(done: Result) -> Any:
    return json.loads(done.stdout)


def test_nothing_is_raised(run: Callable[..., Result]) -> None:
    assert [(done.exit_code, done.stdout) for done in (run(), run("list"))] == [
        (0, "no alert is raised\n"),
        (0, "no alert is raised\n"),
    ]
    assert (run("--json").exit_code, _read(run("--json"))) == (0, {"alerts": []})


def test_the_worst_is_shown_first_without_secrets_within_80_columns(
    run: Callable[..., Result], client: Redis
) -> None:
    _raise(client, LATE, NONE)

    shown, told = run(), run("list", "--json")

    assert (shown.exit_code, told.exit_code) == (1, 1)
    assert [each["name"] for each in _read(told)["alerts"]] == ["no_workers", "queue_age:mails"]
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("critical: no_workers since 20")
    assert lines[0].endswith(" UTC")
    assert lines[1] == "  no worker serves any queue: start one"
    assert "hunter2" not in shown.stdout + told.stdout
    assert "\x1b" not in shown.stdout
    assert max(map(len, lines)) <= 80


def test_an_alert_is_acknowledged_and_silenced_and_that_is_kept(
    run: Callable[..., Result], client: Redis
) -> None:
    _raise(client, LATE)
    known = run("ack", LATE.name, "--why", "on it", "--who", "ada")
    silenced = run("silence", "queue_age:*", "--for", "2h", "--why", "a big import")

    (alert,) = _read(run("--json"))["alerts"]
    assert (known.exit_code, known.stdout) == (0, "queue_age:mails acknowledged by ada\n")
    assert silenced.exit_code == 0
    assert silenced.stdout.startswith("queue_age:* silenced until 20")
    assert (alert["acknowledged"]["who"], alert["acknowledged"]["why"]) == ("ada", "on it")
    assert (alert["silenced"]["pattern"], alert["silenced"]["who"]) == ("queue_age:*", identity())
    assert ["acknowledged" in line or "silenced" in line for line in run().stdout.splitlines()[-2:]] == [
        True,
        True,
    ]
    assert "a big import" in run("silences").stdout
    assert run("unsilence", "queue_age:*").exit_code == 0
    assert run("silences").stdout == "nothing is silenced\n"
    past = _read(run("history", "--json"))["history"]
    assert [(each["event"], each["who"], each["why"]) for each in past] == [
        ("unsilenced", identity(), ""),
        ("silenced", identity(), "a big import"),
        ("acknowledged", "ada", "on it"),
        ("raised", "", ""),
    ]


def test_the_history_is_shown_of_names_and_times(run: Callable[..., Result], client: Redis) -> None:
    _raise(client, LATE, NONE)

    assert [each["alert"] for each in _read(run("history", "--name", "no_*", "--json"))["history"]] == [
        "no_workers"
    ]
    assert "raised, critical: no worker serves any" in run("history", "--name", "no_*").stdout
    assert len(_read(run("history", "--since", "1h", "--json"))["history"]) == 2
    assert run("history", "--since", "2100-01-01").stdout.startswith("nothing has happened")
    assert max(map(len, run("history").stdout.splitlines())) <= 80


def test_what_nobody_judges_any_more_is_shown_with_its_age(run: Callable[..., Result], client: Redis) -> None:
    old = Raised(**vars(NONE), since="2026-01-01T00:00:00+00:00", seen_at="2026-01-02T03:04:05+00:00")
    client.hset(keys.alerts(), NONE.name, record.text(replace(old)))

    assert "  last seen 2026-01-02 03:04:05 UTC: nobody has judged it for" in run().stdout
    assert _read(run("--json"))["alerts"][0]["is_stale"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ack", "nothing", "--why", "x"], 1, "no alert 'nothing' is raised: `omninode alerts` shows those"),
        (["ack", "nothing", "--why", " "], 2, "say --why"),
        (["ack", "nothing"], 2, "Missing option '--why'"),
        (["silence", "*", "--why", "x"], 2, "Missing option '--for'"),
        (["silence", " ", "--for", "2h", "--why", "x"], 2, "say which: a name such as queue_age:mails"),
        (["silence", "*", "--for", "soon", "--why", "x"], 2, "'soon' is no length of time such as 90s"),
        (["unsilence", "nothing"], 1, "no silence is 'nothing'"),
        (["history", "--since", "yesterday"], 2, "'yesterday' is not a time in ISO 8601"),
        (["--json", "list"], 2, "say --json after the command"),
        (["test", "--to", "pigeon"], 1, "alerts are not sent to 'pigeon'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    run: Callable[..., Result], arguments: list[str], code: int, said: str
) -> None:
    done = run(*arguments)

    assert done.exit_code == code
    assert said in done.output


def test_a_redis_that_is_away_is_said(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free(1)
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{port}/0")
    settings.use(settings.load())

    done = run()

    assert done.exit_code == 3
    assert done.stderr.startswith("Error: the broker's Redis does not answer:")
