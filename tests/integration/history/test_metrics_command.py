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
        ["component", "calls", "error", "p50", "p95", "p99", "wait", "retry", "limit", "dead"],
        ["shop", "3", "1", "2.9ms", "12s", "12s", "-", "0", "0", "0"],
        ["pay", "2", "0", "2.1ms", "3.0ms", "3.0ms", "-"],
        ["ship", "1", "1", "12s", "12s", "12s", "-"],
        ["shop.pay", "0", "0", "-", "-", "-", "1.5m", "0", "0", "1234"],
    ]
    (strange,) = [line for line in lines if line.startswith("a comp")]
    assert strange.split()[-3:] == ["0", "1", "0"]
    assert "\x1b" not in strange


def test_each_hour_is_shown_by_itself(counted: None) -> None:
    done = run("--since", "1h", "--by", "hour")

    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["in", "UTC", "component"]
    assert max(map(len, lines)) <= 80
    assert sum(int(line.split()[-1]) for line in lines[1:]) == 1234


def test_json_has_all_of_it(counted: None) -> None:
    (period,) = json.loads(run("--component", "shop.pay", "--component", "shop", "--json").stdout)["periods"]

    shown: dict[Any, Any] = {(each["component"], each["operation"]): each for each in period["components"]}
    assert shown["shop", "ship"]["p99_ms"] == 12345.678
    assert shown["shop.pay", None]["wait_p95_ms"] == 90000.0
    assert shown["shop.pay", None]["dead_letters"] == 1234
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
        (["--json", "--prometheus"], "--prometheus goes with neither --json nor --by"),
    ],
)
def test_a_wrong_use_is_explained(environment: Settings, arguments: list[str], sentence: str) -> None:
    done = run(*arguments)

    assert (done.exit_code, sentence in done.stderr) == (2, True)
