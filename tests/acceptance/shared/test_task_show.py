"""`omninode task show`: a task is found wherever it is, and what cannot be asked is said."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, chain
from click.testing import CliRunner, Result

from orchestrator import celery, keys, schema, settings
from orchestrator.breaker.store import Store
from orchestrator.cli import cli
from orchestrator.deadletter import death, letter
from orchestrator.deadletter.death import FAILURES, LETTER, REPLAYS
from orchestrator.index import closing, writing
from orchestrator.index.filters import Filter
from orchestrator.postgres import connect
from orchestrator.queues import pausing
from orchestrator.queues.placed import Placed
from orchestrator.queues.searching import search
from orchestrator.queues.tracing import Trace, trace
from orchestrator.settings import Settings
from orchestrator.transport import scripts
from orchestrator.transport.envelope import decode
from tests.acceptance.shared_place import stock_app_in
from tests.asides import set_aside
from tests.commands import omninode
from tests.integration.index.deaths import death as an_old_death


@pytest.fixture
def queue() -> str:
    return f"queue-{uuid4().hex[:8]}"


def test_what_waits_is_shown_with_its_place_in_the_queue(app: Celery, environment: Settings) -> None:
    first, second, third = (app.send_task("shop.pay", args=[n], queue="celery") for n in range(3))
    urgent = app.send_task("shop.pay", queue="celery", priority=3)

    assert [_only(app, environment, each.id).position for each in (first, second, third)] == [1, 2, 3]
    found = _only(app, environment, urgent.id)
    assert (found.place, found.message.queue, found.message.priority, found.position) == (
        "waiting",
        "celery",
        3,
        1,
    )
    assert found.is_paused is False


def test_by_when_it_must_be_over_is_told(app: Celery) -> None:
    asked = app.send_task("shop.pay", queue="celery", deadline="2035-01-01T00:00:00+00:00")
    left = app.send_task("shop.pay", queue="celery", headers={"omninode-deadline-left": 90})

    assert "  must be over by 2035-01-01 00:00:00 UTC, with all its attempts\n" in _show(app, asked.id).output
    assert "  has 1m 30s left from when it is claimed, with all its attempts\n" in _show(app, left.id).output
    headers = {"omninode-deadline": 2_051_222_400}
    late = app.send_task("shop.pay", queue="celery", eta=datetime(2035, 1, 2, tzinfo=UTC), headers=headers)
    assert (
        "  must be over by 2035-01-01 00:00:00 UTC, with all its attempts: not later than its eta, so it "
        "will not be begun\n"
    ) in _show(app, late.id).output
    told = json.loads(_show(app, asked.id, "--json").output)["messages"][0]
    assert (told["deadline"], told["left_seconds"]) == ("2035-01-01T00:00:00.000+00:00", None)


def test_among_thousands_it_is_found_by_its_exact_id_alone(
    app: Celery, environment: Settings, server: Any
) -> None:
    wanted = app.send_task("shop.pay", queue="celery")
    raw = server.lpop("celery")
    others = [raw.replace(wanted.id, f"{wanted.id[:-5]}{number:05d}x") for number in range(2500)]
    server.lpush("celery", *others, raw, *others)

    found = _only(app, environment, wanted.id)

    assert (found.place, found.message.id, found.position) == ("waiting", wanted.id, 2501 + _before(server))
    server.delete("celery")


def test_a_task_that_others_name_as_their_root_is_not_taken_for_them(
    app: Celery, environment: Settings
) -> None:
    steps = [app.signature("shop.pay"), app.signature("shop.send")]
    sent: Any = chain(*steps, app=app).apply_async(queue="celery")

    assert _only(app, environment, sent.parent.id).message.task == "shop.pay"
    # The next step is in the first one's message, and nowhere else.
    assert _trace(app, environment, sent.id).messages == []


def test_a_paused_queue_is_said_to_be_and_a_lost_list_is_found_by_who_looks_at_all(
    app: Celery, environment: Settings, server: Any, queue: str
) -> None:
    sent = app.send_task("shop.pay", queue="celery")
    server.lpush(queue, server.lpop("celery"))
    assert not _trace(app, environment, sent.id).is_found
    assert _trace(app, environment, sent.id, whole=True).messages[0].message.queue == queue

    with app.connection_for_write() as connection:
        pausing.pause(connection.default_channel, [queue])

    assert _only(app, environment, sent.id).is_paused


def test_what_is_due_later_is_shown_with_its_time(app: Celery, environment: Settings, queue: str) -> None:
    sent = app.send_task("shop.pay", queue=queue, countdown=600, priority=6)

    found = _only(app, environment, sent.id)

    assert (found.place, found.message.queue, found.message.priority) == ("delayed", queue, 6)
    assert 500 < (datetime.fromisoformat(found.due) - datetime.now(UTC)).total_seconds() <= 600


def test_what_is_set_aside_is_shown_with_its_breaker_and_where_the_circuit_is(
    app: Celery, environment: Settings, server: Any, queue: str
) -> None:
    sent = app.send_task("shop.pay", queue=queue, headers={"omninode-breaker": "bank"})
    since = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    Store(server).control("bank", "isolate", who="ada", why="")
    set_aside(server, queue, "bank", since=since, limit_seconds=600)

    found = _only(app, environment, sent.id)
    shown = _show(app, sent.id).output

    assert (found.place, found.message.queue, found.breaker) == ("set aside", queue, "bank")
    assert 500 < (datetime.fromisoformat(found.until) - datetime.now(UTC)).total_seconds() <= 600
    assert shown.startswith(
        f"set aside in {queue}, priority 0: waits for the breaker bank since 2026-06-01 00:00:00 UTC,"
        " at most until "
    )
    assert "; its circuit is isolated by hand, until somebody changes it" in shown
    Store(server).control("bank", "reset", who="ada", why="")


def test_where_the_breakers_are_away_the_rest_is_told(
    app: Celery, environment: Settings, server: Any, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = app.send_task("shop.pay", queue=queue)
    set_aside(server, queue, "bank", since=0)
    away = environment.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    monkeypatch.setattr(settings, "_installed", away)

    found = _trace(app, environment, sent.id)

    assert [(each.place, each.circuit) for each in found.messages] == [("set aside", "")]
    assert found.is_complete is False
    assert found.unknown[0].startswith("the breaker of bank: ")


def test_what_a_dead_worker_holds_is_in_flight_with_a_lease_that_has_ended(
    app: Celery, environment: Settings, server: Any, queue: str
) -> None:
    sent = app.send_task("shop.pay", queue=queue)
    claim = "0123456789abcdef-00000001-1764100000-0001"
    server.hset(keys.claims(), claim, f"{queue}\n{server.lpop(queue)}")
    server.zadd(keys.leases(), {claim: server.time()[0] * 1000 - 5000})
    server.sadd(keys.started(), claim)
    server.set(keys.holder("0123456789abcdef"), "gone@host")

    found = _only(app, environment, sent.id)

    assert (found.place, found.message.queue, found.worker) == ("in flight", queue, "gone@host")
    assert found.since == "2025-11-25T19:46:40.000+00:00"
    assert found.has_begun
    assert found.lease_seconds is not None
    assert -20 < found.lease_seconds < -4
    shown = _show(app, sent.id).stdout
    assert (
        f"in flight in {queue}, priority 0: since 2025-11-25 19:46:40 UTC, has begun, by gone@host" in shown
    )
    assert "it goes back when the next worker asks for messages" in shown
    server.hdel(keys.claims(), claim)


def test_what_stock_celery_holds_is_said_to_be_adopted(
    environment: Settings, app: Celery, server: Any
) -> None:
    with stock_app_in(environment) as stock, stock.connection_for_write() as connection:
        sent = stock.send_task("shop.pay", queue="stock-queue")
        channel = connection.channel()
        taken = channel.basic_get("stock-queue")
        assert taken is not None

        found = _only(app, environment, sent.id)
        shown = _show(app, sent.id).stdout
        channel.basic_ack(taken.delivery_tag)

    assert (found.place, found.message.queue) == ("held by stock Celery", "stock-queue")
    assert datetime.fromisoformat(found.since) <= datetime.now(UTC)
    assert "if no stock worker runs it, `omninode adopt` gives it back" in shown


def test_secrets_and_what_a_terminal_would_obey_are_not_shown(app: Celery, queue: str) -> None:
    failure = ["2026-01-01T00:00:00+00:00", "ValueError", "token=abc123 \x1b[31m", "w@h"]
    headers = {LETTER: "first", REPLAYS: 2, FAILURES: [failure]}
    kwargs = {"password": "hunter2", "name": "\x1b]0;owned\x07"}
    queue = f"{queue}\x1b[2J"
    sent = app.send_task("shop.pay", kwargs=kwargs, queue=queue, countdown=600, headers=headers)

    as_text = _show(app, sent.id)
    as_json = _show(app, sent.id, "--json")

    for shown in (as_text.stdout, as_json.stdout):
        assert "hunter2" not in shown
        assert "abc123" not in shown
        assert "\x1b" not in shown
        assert "\x07" not in shown
    assert "replay 2 of the dead letter first" in as_text.stdout
    assert "failed: 2026-01-01 00:00:00 UTC  ValueError  token=**** \\x1b[31m  w@h" in as_text.stdout
    (message,) = json.loads(as_json.stdout)["messages"]
    assert (message["place"], message["queue"], message["task"]) == ("delayed", queue, "shop.pay")
    assert message["failures"][0][3] == "w@h"


def test_bytes_that_cannot_be_read_and_hold_the_id_are_shown(
    app: Celery, environment: Settings, server: Any
) -> None:
    server.lpush("celery", b'\xff{"id": "broken-1"')

    found = _only(app, environment, "broken-1")

    assert found.place == "waiting"
    assert found.message.error
    server.delete("celery")


def test_a_letter_is_found_in_the_outbox_and_then_in_the_index(
    app: Celery, environment: Settings, server: Any
) -> None:
    sent = app.send_task("shop.pay", queue="dying")
    raw = server.lpop("dying").encode()
    error = ValueError("password=hunter2 is wrong")
    fields = letter.write("exception", "dying", raw, decode(raw), error=error, worker="w@h")
    entry = server.xadd(keys.outbox(), {**fields, "raw": raw})

    found = _only(app, environment, sent.id)
    assert (found.place, found.reason, found.message.queue, found.worker) == (
        "dead",
        "exception",
        "dying",
        "w@h",
    )

    server.xdel(keys.outbox(), entry)
    schema.migrate(environment.database_url)
    with connect(environment.database_url) as connection, connection.transaction():
        writing.write(connection, [death.from_outbox(fields, raw)], max_replays=3)
    done = _show(app, sent.id)
    assert f"dead letter {fields['id']} of shop.pay: open since " in done.stdout
    assert " UTC, attempt 1, dying, w@h: exception ValueError: password=**** is wrong" in done.stdout
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("Broker: Topic authorization failed", "which says: Broker: Topic authorization failed"),
        ("", "as Redis has no room for it"),
    ],
)
def test_a_letter_that_waits_in_postgresql_for_kafka_is_dead_and_says_why(
    app: Celery, environment: Settings, server: Any, error: str, said: str
) -> None:
    schema.migrate(environment.database_url)
    sent = app.send_task("shop.pay", queue="dying")
    raw = server.lpop("dying").encode()
    fields = letter.write("exception", "dying", raw, decode(raw), error=ValueError("token=abc is old"))
    row = (sent.id, "dying.dlq", json.dumps(fields), raw, error)
    with connect(environment.database_url) as connection:
        connection.execute(
            "INSERT INTO outbox_overflow (entry_id, topic, fields, raw, error) VALUES (%s, %s, %s, %s, %s)",
            row,
        )

    done = _show(app, sent.id)

    assert done.exit_code == 0
    assert "dead in dying, priority 0: exception at " in done.stdout
    assert f" UTC, it waits in PostgreSQL for Kafka, {said}\n  shop.pay" in done.stdout
    assert "died of ValueError: token=**** is old" in done.stdout


def test_an_operation_without_a_reason_leaves_no_colon_behind(
    app: Celery, environment: Settings, server: Any
) -> None:
    schema.migrate(environment.database_url)
    task_id = str(uuid4())
    dead = replace(an_old_death(f"letter of {task_id}"), task_id=task_id)
    with connect(environment.database_url) as connection, connection.transaction():
        writing.write(connection, [dead], max_replays=3)
        closing.park(connection, Filter(ids=(dead.id,)), "ada@laptop", "")

    shown = _show(app, task_id).stdout

    assert "UTC parked by ada@laptop\n" in shown
    assert f"dead letter {dead.id} of app.bill: parked since 20" in shown


def test_the_result_and_a_revocation_are_shown(app: Celery, environment: Settings, server: Any) -> None:
    task_id = str(uuid4())
    stored = {"status": "SUCCESS", "result": {"api_key": "abc", "n": 1}, "date_done": "2026-01-01T00:00:00"}
    server.set(f"celery-task-meta-{task_id}", json.dumps(stored | {"task_id": task_id}))
    app.control.revoke(task_id)

    found = _trace(app, environment, task_id)

    assert found.result is not None
    assert (found.result.state, found.result.value) == ("SUCCESS", "{'api_key': '****', 'n': 1}")
    assert found.result.at == "2026-01-01T00:00:00"
    assert datetime.fromisoformat(found.revoked_at) <= datetime.now(UTC)
    assert found.messages == []


def test_of_a_task_that_nobody_knows_it_is_said_what_was_searched() -> None:
    done = omninode("task", "show", "no-such-task")

    assert done.code == 1
    assert "nothing is known of no-such-task" in done.stdout
    assert "searched: the queues admin, celery, hooks, models, and what is delayed" in done.stdout
    assert "searched: the result backend" in done.stdout
    assert "searched: the dead letters" in done.stdout


def test_what_is_away_is_not_known_and_the_rest_is_told(
    app: Celery, environment: Settings, queue: str
) -> None:
    sent = app.send_task("shop.pay", queue=queue, countdown=600)

    away = {"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/db"}
    done = omninode("task", "show", sent.id, environment=away)

    assert done.code == 1
    assert f"delayed in {queue}" in done.stdout
    assert "not known: what waits in PostgreSQL for Kafka: " in done.stdout
    assert "not known: the dead letters: " in done.stdout
    assert "\\n" not in done.stdout
    assert "hunter2" not in done.stdout


def test_what_can_be_no_id_is_refused(app: Celery) -> None:
    assert [_show(app, wrong).exit_code for wrong in ("  ", "a\udcffb")] == [2, 2]


def test_a_step_of_the_search_ends_early_where_messages_are_large(server: Any, queue: str) -> None:
    step = server.register_script(scripts.load("find").text)
    large = "x" * 100_000
    with server.pipeline() as fill:
        for number in range(50):
            fill.rpush(f"{queue}:list", large)
            fill.hset(f"{queue}:hash", str(number), large)
            fill.xadd(f"{queue}:stream", {"raw": large})
        fill.rpush(f"{queue}:list", large, "wanted")
        fill.execute()

    for kind in ("list", "hash", "stream"):
        assert step(keys=[f"{queue}:{kind}"], args=["", 200, 1_000_000, "wanted"])[0] != ""
    assert [place for place, _ in search(server, f"{queue}:list", [b"wanted"])] == ["51"]
    server.delete(*(f"{queue}:{kind}" for kind in ("list", "hash", "stream")))


def _show(app: Celery, *arguments: str) -> Result:
    """The command, in this process and with this app."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(celery, "app", app)
        return CliRunner().invoke(cli, ["task", "show", *arguments])


def _trace(app: Celery, environment: Settings, task_id: str, *, whole: bool = False) -> Trace:
    return trace(app, environment.database_url, task_id, whole=whole)


def _only(app: Celery, environment: Settings, task_id: str) -> Placed:
    (found,) = _trace(app, environment, task_id).messages
    return found


def _before(server: Any) -> int:
    """What other tests have left in the queue before."""
    return int(server.llen("celery")) - 5001
