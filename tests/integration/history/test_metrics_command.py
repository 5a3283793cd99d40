"""`omninode metrics`: what was counted is shown by component and time, and what is not known is said."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from monitoring.history.folding import fold
from orchestrator import settings
from orchestrator.cli import cli
from orchestrator.settings import Settings
from orchestrator.tally import fields
from tests.integration.history.places import CALLED, PAID, count, present

FAILED = fields.field("call", "shop", "ship", "error")
DEAD = fields.field("outcome", "shop.pay", "celery", "dead_lettered", "error")
WAITED = fields.field("wait", "celery", "shop.pay")
LONG = fields.field("event", "timeout_failure", "a component with a name of \x1b[31m quite some length ✓")


@pytest.fixture
def counted(environment: Settings, client: Redis) -> None:
    """Half of it is folded."""
    now = present(client)
    count(
        client,
        now - 2,
        {PAID: 5, CALLED: "2 5000 2000 3000 -71 1 -67 1", WAITED: "1 90000000 90000000 90000000 52 1"},
    )
    fold(environment)
    count(client, now - 1, {FAILED: "1 12345678 12345678 12345678 29 1", DEAD: 1234, LONG: 1}, identity="2.5")


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(cli, ["metrics", *arguments])


def test_a_table_says_of_each_component_what_is_known(counted: None) -> None:
    done = run("--since", "1h", "--operation")

    lines = done.stdout.splitlines()
    assert (done.exit_code, done.stderr) == (0, "")
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines if not line.startswith("a comp")] == [
        ["component", "calls", "ok", "died", "error", "p50", "p95", "p99", "wait", "retry", "limit"],
        ["shop", "3", "-", "-", "1", "2.9ms", "12s", "12s", "-", "0", "0"],
        ["pay", "2", "-", "-", "0", "2.1ms", "3.0ms", "3.0ms", "-"],
        ["ship", "1", "-", "-", "1", "12s", "12s", "12s", "-"],
        ["shop.pay", "0", "5", "1234", "0", "-", "-", "-", "1.5m", "0", "0"],
    ]
    (strange,) = [line for line in lines if line.startswith("a comp")]
    assert strange.split()[-2:] == ["0", "1"]
    assert "\x1b" not in strange


def test_where_nothing_was_settled_no_outcomes_are_shown(counted: None) -> None:
    assert run("--component", "shop").stdout.splitlines()[0].split() == [
        "component", "calls", "error", "p50", "p95", "p99", "wait", "retry", "limit",
    ]  # fmt: skip


def test_what_is_read_from_a_pipe_has_whole_names(counted: None) -> None:
    done = CliRunner(env={"COLUMNS": None}).invoke(cli, ["metrics"])

    assert r"a component with a name of \x1b[31m quite some length ✓" in done.stdout


def test_those_called_most_are_shown_and_how_many_more_there_are(counted: None) -> None:
    lines = run("--top", "2").stdout.splitlines()

    assert [line.split()[0] for line in lines[1:3]] == ["shop", "shop.pay"]
    assert lines[3:] == ["… and 1 more (--top 0 shows all)"]
    assert len(run("--top", "0").stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("name", "alike"), [("pay", "; did you mean shop.pay?"), ("qqq", ""), ("shp", "; did you mean shop?")]
)
def test_a_name_that_was_never_counted_is_told_from_one_that_was_not_lately(
    counted: None, name: str, alike: str
) -> None:
    never = run("--component", name)
    not_then = run("--component", "shop", "--since", "2020-01-01", "--until", "2020-01-02")

    assert (never.exit_code, never.stdout) == (1, "nothing was counted\n")
    assert never.stderr == f"omninode: {name}: no component of that name was ever counted{alike}\n"
    assert (not_then.exit_code, not_then.output) == (0, "nothing was counted\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "2020-01-02T10:11:12Z",
            "omninode: --until is taken as 2020-01-02T10:11+0000: counts are kept by the minute\n",
        ),
        ("2020-01-02T10:11:00Z", ""),
        ("2020-01-02", ""),
        ("5m", ""),
    ],
)
def test_seconds_that_are_cut_are_said(environment: Settings, given: str, said: str) -> None:
    assert run("--since", "2020-01-01", "--until", given).stderr == said


def test_each_hour_is_shown_by_itself(counted: None) -> None:
    done = run("--since", "1h", "--by", "hour")

    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["in", "UTC", "component"]
    assert max(map(len, lines)) <= 80
    assert "p50" not in lines[0]
    (letters,) = [line.split()[-7] for line in lines[1:] if "shop.pay" in line]
    assert letters == "1234"


def test_json_has_all_of_it(counted: None) -> None:
    (period,) = json.loads(run("--component", "shop.pay", "--component", "shop", "--json").stdout)["periods"]

    shown: dict[Any, Any] = {(each["component"], each["operation"]): each for each in period["components"]}
    assert shown["shop", "ship"]["p99_ms"] == 12345.678
    assert shown["shop.pay", None]["wait_p95_ms"] == 90000.0
    assert shown["shop.pay", None]["dead_letters"] == 1234
    assert (shown["shop.pay", None]["succeeded"], shown["shop", None]["succeeded"]) == (5, None)
    assert period["outcomes"][1] == {
        "task": "shop.pay", "queue": "celery", "outcome": "succeeded", "reason": "", "count": 5,
    }  # fmt: skip


def test_prometheus_text_has_the_exporters_names(counted: None) -> None:
    lines = run("--prometheus").stdout.splitlines()

    assert 'omninode_requests_total{component="shop",operation="ship",status="error"} 1.0' in lines
    assert (
        'omninode_task_outcomes_total{task="shop.pay",queue="celery",outcome="succeeded",reason=""} 5.0'
        in lines
    )


def test_nothing_counted_is_said(environment: Settings) -> None:
    assert run().stdout == "nothing was counted\n"


@pytest.mark.parametrize(
    ("changed", "sentence", "left"),
    [
        (
            {"database_url": "postgresql://me:LEAK@127.0.0.1:1/none"},
            "cannot be read from PostgreSQL",
            ["ship"],
        ),
        ({"redis_url": "redis://:LEAK@127.0.0.1:1/0"}, "Redis does not answer", ["pay"]),
    ],
)
def test_what_cannot_be_reached_is_said_and_the_rest_is_shown(
    environment: Settings, counted: None, changed: dict[str, str], sentence: str, left: list[str]
) -> None:
    settings.use(environment.model_copy(update=changed))

    done = run("--operation", "--component", "shop")

    assert done.exit_code == 1
    assert sentence in done.stderr
    assert "LEAK" not in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == left


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--since", "soon"], "'soon' is not a time"),
        (["--since", "1h", "--until", "2h"], "--since is not before --until"),
        (["--since", "2100-01-01"], "--since lies ahead"),
        (["--json", "--top", "3"], "--top goes with neither --json nor --prometheus"),
        (["--json", "--prometheus"], "--prometheus goes with neither --json nor --by"),
    ],
)
def test_a_wrong_use_is_explained(environment: Settings, arguments: list[str], sentence: str) -> None:
    done = run(*arguments)

    assert (done.exit_code, sentence in done.stderr) == (2, True)
