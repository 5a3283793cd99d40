"""`omninode dead-letters replay`, as a person runs it."""

import json
import signal
import subprocess
import sys
from functools import partial

import pytest
from celery import Celery
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.cli.deadletters import replaying
from orchestrator.cli.deadletters.replaying import Desk
from orchestrator.replay import order
from orchestrator.replay.holding import consumed
from tests.commands import Done, omninode
from tests.processes import wait_until
from tests.shop import Shop, death


def _replay(*arguments: str) -> Done:
    return omninode("dead-letters", "replay", *arguments)


def test_it_prints_the_account_and_warns_of_a_queue_that_nobody_consumes(shop: Shop) -> None:
    shop.die(death(1), death(2, queue="mails"))

    done = _replay("--queue", "shop", "--yes", "--json", "--why", "fixed")

    assert done.code == 0, done.stderr
    account = json.loads(done.stdout)
    assert (account["matched"], account["enqueued"], account["left"]) == (1, 1, 0)
    assert account["by_queue"] == {"shop": 1}
    assert account["finished"] is True
    assert "no worker that answers consumes the queue shop" in done.stderr
    assert shop.tasks() == ["task-1"]
    row = shop.database.execute("SELECT why, who LIKE '%@%' FROM dead_letter_operations").fetchone()
    assert row == ("fixed", True)


def test_a_dry_run_changes_nothing_and_says_what_would_be(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # No worker is there to answer.
    monkeypatch.setattr(replaying, "consumed", partial(consumed, timeout_seconds=0.05))
    shop.die(death(1, {"expires": "2026-01-01T00:00:00+00:00"}), death(2, raw=b"", task=""))
    with Celery("shop", broker=shop.settings.redis_url, set_as_current=False) as app:
        code = Desk(shop.database, app, shop.channel, as_json=False).plan(shop.order())

    said = capsys.readouterr()
    assert code == 0
    assert "1 of 2 letters would be enqueued" in said.out
    assert "1  expires has passed, and would be taken off" in said.out
    assert "1  cannot be replayed: its message names no task" in said.out
    assert "no worker that answers consumes the queue shop" in said.err
    assert shop.states() == {"open": 2}


def test_neither_secrets_nor_what_a_terminal_would_obey_are_printed(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.die(death(1, task="\x1b[31mred", exception="postgres://joe:hunter2@db", queue="q\x07"))
    with Celery("shop", broker=shop.settings.redis_url, set_as_current=False) as app:
        Desk(shop.database, app, shop.channel, as_json=False).run(
            order.begin(shop.database, shop.order(), "ada", "")
        )

    said = capsys.readouterr()
    assert "1  to q\\x07" in said.out
    assert "postgres://joe:****@db  \\x1b[31mred" in said.out
    assert "hunter2" not in said.out + said.err


def test_an_edit_that_does_not_fit_is_a_wrong_use_and_nothing_is_claimed(shop: Shop) -> None:
    shop.die(death(1, task="omninode.health.check"), death(2))

    done = _replay("--all", "--yes", "--edit", '{"task": "omninode.health.check", "args": [1, 2, 3]}')

    assert done.code == 2
    assert "the edit does not fit the letter" in done.stderr
    assert shop.states() == {"open": 2}


def test_a_filter_that_matches_nothing_is_no_failure_whatever_is_in_it(shop: Shop) -> None:
    nothing = _replay("--text", "'; DROP TABLE dead_letters; --", "--task", "$(reboot)", "--yes")

    assert (nothing.code, nothing.stdout) == (0, "0 enqueued\n")


def test_a_state_that_is_not_replayed_is_a_wrong_use() -> None:
    for state in ("any", "archived"):
        done = CliRunner().invoke(cli, ["dead-letters", "replay", "--state", state])
        assert (done.exit_code, f"'{state}' is not one of 'open', 'parked'" in done.stderr) == (2, True)


def test_ctrl_c_finishes_the_batch_in_hand_and_says_how_to_go_on(shop: Shop) -> None:
    shop.die(death(1), death(2))
    command = [sys.executable, "-m", "orchestrator.cli", "dead-letters", "replay", "--all", "--yes", "--json"]
    with subprocess.Popen(
        [*command, "--rate", "0.05"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(shop.tasks, what="the first batch")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)

    account = json.loads(stdout)
    resumed = _replay("--resume", account["operation"], "--json")

    assert process.returncode == 130
    assert account["enqueued"] == 1
    assert f"--resume {account['operation']}" in stderr
    assert resumed.code == 0, resumed.stderr
    assert json.loads(resumed.stdout)["enqueued"] == 2
    assert shop.tasks() == ["task-1", "task-2"]


def test_a_full_redis_ends_it_with_how_to_go_on(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.die(death(1))
    operation = order.begin(shop.database, shop.order(), "ada", "")
    shop.server.config_set("maxmemory", 1)
    with Celery("shop", broker=shop.settings.redis_url, set_as_current=False) as app:
        code = Desk(shop.database, app, shop.channel, as_json=False).run(operation)

    said = capsys.readouterr()
    assert code == 1
    assert "stopped: Redis is full" in said.err
    assert f"replay --resume {operation.id}" in said.err
    assert "0 enqueued, 1 claimed" in said.out
