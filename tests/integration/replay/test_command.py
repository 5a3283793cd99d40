"""`omninode dead-letters replay`, as a person runs it."""

import json
import signal
import subprocess
import sys
from functools import partial
from typing import Any

import pytest
from celery import Celery
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.cli.deadletters import replaying
from orchestrator.cli.deadletters.replaying import Desk
from orchestrator.index import operations
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


def test_where_nothing_is_to_be_done_it_says_of_what_there_is_why(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "consumed", partial(consumed, timeout_seconds=0.05))
    ids = shop.die(death(1), death(2), death(3), death(4, task=order.ADMIN_TASK))
    shop.database.execute("UPDATE dead_letters SET state = 'replaying' WHERE id = %s", (ids[0],))
    shop.database.execute("UPDATE dead_letters SET state = 'parked' WHERE id = ANY(%s)", (ids[1:3],))
    with Celery("shop", broker=shop.settings.redis_url, set_as_current=False) as app:
        at = Desk(shop.database, app, shop.channel, as_json=False)
        code = at.run(order.begin(shop.database, shop.order(), "ada", ""))
        done = capsys.readouterr()
        at.plan(shop.order(filter={"queues": ["none"]}))
        planned = capsys.readouterr()

    assert (code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "0 enqueued"
    assert sorted(done.out.splitlines()[1:]) == [
        "        1  left alone: it is being replayed",
        "        1  left alone: its task is omninode.admin.replay_dead_letters: --task or its id replays it",
        "        2  left alone: it is parked: say --state parked to replay it",
    ]
    assert planned.out == "no letter matches\n"
    assert operations.recent(shop.database, 9) == []


def test_a_dry_run_changes_nothing_and_says_what_would_be(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # No worker is there to answer.
    monkeypatch.setattr(replaying, "consumed", partial(consumed, timeout_seconds=0.05))
    broken = {
        "body": "bm8=",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "celery.chain", "id": "x"},
        "properties": {"body_encoding": "base64"},
    }
    shop.die(
        death(1, {"expires": "2026-01-01T00:00:00+00:00"}),
        death(2, raw=b"", task=""),
        death(3, raw=json.dumps(broken).encode(), task="celery.chain"),
    )
    with Celery("shop", broker=shop.settings.redis_url, set_as_current=False) as app:
        code = Desk(shop.database, app, shop.channel, as_json=False).plan(shop.order())

    said = capsys.readouterr()
    assert code == 0
    assert "2 of 3 letters would be enqueued" in said.out
    assert "1  expires has passed, and would be taken off" in said.out
    assert "1  cannot be replayed: its message names no task" in said.out
    assert "no worker that answers consumes the queue shop" in said.err
    assert "no task shop.pay is known here, and unless another program has it, 1 letter would die" in said.err
    assert "the body cannot be decoded, and unless it is changed with --edit, 1 letter would die" in said.err
    assert shop.states() == {"open": 3}


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


def test_a_signal_finishes_the_batch_in_hand_and_says_how_to_go_on(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.die(death(1), death(2), death(3))
    interrupted, account = _signalled(shop, signal.SIGINT, 1, "--all", "--yes", "--rate", "0.05")
    operation = account["operation"]
    terminated, more = _signalled(shop, signal.SIGTERM, 2, "--resume", operation[:8])
    with Celery("shop", broker=shop.settings.redis_url, set_as_current=False) as app:
        at = Desk(shop.database, app, shop.channel, as_json=False)
        last = at.run(order.find(shop.database, operation))
        said = capsys.readouterr()
        again = at.run(order.find(shop.database, operation.upper()))
    done = capsys.readouterr()

    assert (interrupted.code, account["enqueued"], account["newly_enqueued"]) == (130, 1, 1)
    assert f"--resume {operation}" in interrupted.stderr
    assert (terminated.code, more["enqueued"], more["newly_enqueued"]) == (143, 2, 1)
    assert (last, said.out.splitlines()[0]) == (0, "3 enqueued, 1 of them now")
    assert (again, done.out.splitlines()[0]) == (0, "3 enqueued, 0 of them now")
    assert done.err.startswith(f"replay {operation} was finished already, at ")
    assert "go on" not in done.err
    assert shop.tasks() == ["task-1", "task-2", "task-3"]


def _signalled(shop: Shop, ends_it: signal.Signals, after: int, *arguments: str) -> tuple[Done, Any]:
    command = [sys.executable, "-m", "orchestrator.cli", "dead-letters", "replay", *arguments, "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: len(shop.tasks()) == after, what="the next batch")
        process.send_signal(ends_it)
        stdout, stderr = process.communicate(timeout=20)
    return Done(process.returncode, stdout, stderr), json.loads(stdout)


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
