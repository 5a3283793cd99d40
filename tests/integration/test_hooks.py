"""Hooks in one transaction each, on a real PostgreSQL and a real Redis."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from threading import Barrier, Event
from typing import Any, LiteralString

import psycopg
import pytest
from celery import Celery

from orchestrator import redis
from orchestrator.errors import InvalidHook, PermanentError
from orchestrator.install import install
from orchestrator.settings import Settings
from tasks.hooks import Hook, HookEvent, on, process_hook, staging
from tasks.hooks.failing import record_failure
from tasks.hooks.stats import Stats, count
from tasks.models import ask
from tests.processes import wait_until

Database = psycopg.Connection[Any]
Handler = Callable[[HookEvent, Hook], None]
NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def app(environment: Settings) -> Iterator[Celery]:
    """An app on this test's servers."""
    installed = install(Celery("tests"), environment)
    yield installed
    installed.close()


@pytest.fixture(autouse=True)
def _own_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handlers that a test registers are forgotten after it."""
    from tasks.hooks import registry  # noqa: PLC0415

    monkeypatch.setattr(registry, "_registrations", dict(vars(registry)["_registrations"]))


def _hook(event: str = "order", source: str = "shop", id: str = "d-1", **payload: Any) -> dict[str, Any]:  # noqa: A002
    return {"event": event, "payload": payload, "source": source, "delivery_id": id}


def _process(ingested: dict[str, Any]) -> None:
    """Run the task as a worker does, with its retries but without their pauses."""
    process_hook.apply(args=(ingested,), throw=False)


def _row(database: Database, *columns: str) -> tuple[Any, ...]:
    (row,) = database.execute(f"SELECT {', '.join(columns)} FROM hook_events").fetchall()  # noqa: S608
    return tuple(row)


def _staged(database: Database) -> list[str]:
    return [row[0] for row in database.execute("SELECT task FROM staged_tasks ORDER BY position").fetchall()]


def _waiting(settings: Settings, queue: str = "celery") -> list[tuple[str, str]]:
    """Task and id of every message in the queue, oldest first."""
    messages = redis.connect(settings.redis_url).lrange(queue, 0, -1)
    headers = [json.loads(message)["headers"] for message in reversed(messages)]
    return [(header["task"], header["id"]) for header in headers]


def _make_due(database: Database) -> None:
    database.execute("UPDATE staged_tasks SET due_at = now()")


def test_a_hook_of_github_is_stored_with_all_that_is_known_of_it(database: Database) -> None:
    ingested = {
        "event": "issues",
        "delivery_id": "d-1",
        "payload": {
            "action": "edited",
            "issue": {"number": 7, "title": "new", "updated_at": "2024-03-01T10:00:00Z"},
            "changes": {"title": {"from": "old"}},
            "repository": {"full_name": "octocat/hello"},
        },
    }

    _process(ingested)

    assert _row(database, "source", "event", "action", "resource", "resource_id", "correlation_id") == (
        "github",
        "issues",
        "edited",
        "issue",
        "octocat/hello#7",
        "octocat/hello#7",
    )
    assert _row(database, "occurred_at", "payload", "previous_state", "current_state", "status", "error") == (
        datetime(2024, 3, 1, 10, 0, tzinfo=UTC),
        ingested["payload"],
        {"title": "old"},
        {"title": "new"},
        "processed",
        None,
    )
    assert "tasks.hooks.activity.remember_resource" in _row(database, "handlers")[0]


def test_the_same_delivery_twice_is_processed_once(database: Database) -> None:
    seen = []
    on("shop.order")(lambda event, _hook: seen.append(event.id))

    _process(_hook())
    _process(_hook())

    assert seen == ["d-1"]
    assert _row(database, "status", "duplicates") == ("processed", 1)
    assert count() == Stats(received=1, processed=1, unhandled=0, failed=0, duplicates=1)


def test_the_same_delivery_at_the_same_time_is_processed_once(database: Database) -> None:
    seen = []
    arrived, go_on = Event(), Event()

    @on("shop.order")
    def handler(event: HookEvent, hook: Hook) -> None:
        seen.append(event.id)
        arrived.set()
        assert go_on.wait(20)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(_process, _hook())
        assert arrived.wait(20)
        second = threads.submit(_process, _hook())
        wait_until(lambda: _is_waiting_for_a_lock(database), what="the second delivery's wait for the first")
        go_on.set()
        first.result(20)
        second.result(20)

    assert seen == ["d-1"]
    assert _row(database, "status", "duplicates") == ("processed", 1)


def _is_waiting_for_a_lock(database: Database) -> bool:
    asked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return database.execute(asked).fetchone() is not None


def test_handlers_in_threads_that_call_a_model_do_not_wait_for_each_other(database: Database) -> None:
    threads = 6
    every_hook_has_a_connection = Barrier(threads)

    @on("shop.order")
    def asking(event: HookEvent, hook: Hook) -> None:
        every_hook_has_a_connection.wait(20)
        ask("local", "embed", event.id)

    # The process has opened its pool.
    assert count().processed == 0
    began = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(_process, _hook(id=f"d-{number}")) for number in range(threads)]:
            done.result(60)

    assert time.monotonic() - began < 20
    assert database.execute("SELECT count(*) FROM model_calls").fetchall() == [(threads,)]
    assert count().processed == threads


def test_a_hook_that_no_handler_wants_is_stored_as_unhandled(database: Database) -> None:
    _process(_hook())
    assert _row(database, "status", "handlers") == ("unhandled", [])


def test_an_event_that_github_does_not_have_is_unhandled(database: Database) -> None:
    _process(_hook("brand_new_event", "github", action="opened"))
    assert _row(database, "status") == ("unhandled",)


def test_handlers_run_in_order_within_the_hooks_transaction(database: Database) -> None:
    seen: list[Any] = []

    @on("shop.*")
    def first(event: HookEvent, hook: Hook) -> None:
        seen.append(hook.connection.execute("SELECT status FROM hook_events").fetchall())

    @on("shop.order")
    def second(event: HookEvent, hook: Hook) -> None:
        seen.append(database.execute("SELECT count(*) FROM hook_events").fetchall())

    _process(_hook())

    assert seen == [[("processed",)], [(0,)]]


def test_a_permanent_error_undoes_all_and_is_recorded_once(database: Database, environment: Settings) -> None:
    attempts = []

    @on("shop.order")
    def careful(event: HookEvent, hook: Hook) -> None:
        hook.connection.execute(
            "INSERT INTO resources (source, resource, resource_id, first_seen_at, last_seen_at, last_action,"
            " state) VALUES ('s', 'r', 'i', now(), now(), 'a', '{}')"
        )
        hook.enqueue("elsewhere.work")

    @on("shop.order")
    def failing(event: HookEvent, hook: Hook) -> None:
        attempts.append(event.id)
        raise PermanentError("cannot use postgresql://me:hunter2@host/db \0")

    _process(_hook())

    assert attempts == ["d-1"]
    status, error, handlers = _row(database, "status", "error", "handlers")
    assert status == "failed"
    assert error.startswith("PermanentError: cannot use postgresql://me:****@host/db \ufffd\nin the handler ")
    assert len(handlers) == 2
    assert database.execute("SELECT count(*) FROM resources").fetchall() == [(0,)]
    assert _staged(database) == []
    assert _waiting(environment) == []
    assert count() == Stats(received=1, processed=0, unhandled=0, failed=1, duplicates=0)


def test_an_error_that_may_heal_is_tried_again_and_then_recorded(database: Database) -> None:
    attempts = []

    @on("shop.order")
    def failing(event: HookEvent, hook: Hook) -> None:
        attempts.append(event.id)
        raise RuntimeError("x" * 10_000)

    _process(_hook())

    assert len(attempts) == 4
    status, error = _row(database, "status", "error")
    assert (status, len(error)) == ("failed", 2000)


def test_an_error_that_heals_leaves_no_trace(database: Database) -> None:
    attempts = []

    @on("shop.order")
    def recovering(event: HookEvent, hook: Hook) -> None:
        attempts.append(event.id)
        if len(attempts) < 3:
            raise RuntimeError("not yet")

    _process(_hook())

    assert _row(database, "status", "error", "duplicates") == ("processed", None, 0)


def test_a_failed_hook_that_comes_again_is_processed(database: Database) -> None:
    broken = [True]

    @on("shop.order")
    def mended(event: HookEvent, hook: Hook) -> None:
        if broken:
            raise PermanentError("not yet mended")

    _process(_hook())
    broken.clear()
    _process(_hook())

    assert _row(database, "status", "error", "duplicates") == ("processed", None, 0)


def test_a_failure_that_is_told_late_does_not_undo_what_is_processed(database: Database) -> None:
    _process(_hook())
    record_failure(_hook(), "t-1", "late")
    assert _row(database, "status", "error") == ("unhandled", None)


def test_where_no_request_is_known_a_failure_is_recorded_by_a_task(
    database: Database, environment: Settings
) -> None:
    # After a hard limit Celery calls from its main process.
    process_hook.on_failure(RuntimeError("killed"), "t-1", [], {"event": _hook()}, None)

    ((task, _),) = _waiting(environment, "hooks")
    assert task == "omninode.hooks.record_failure"
    record_failure(_hook(), "t-1", "RuntimeError: killed")
    assert _row(database, "delivery_id", "status", "error") == ("d-1", "failed", "RuntimeError: killed")


def test_a_hook_without_an_id_is_keyed_by_its_task(database: Database) -> None:
    ingested = {"event": "order", "payload": {}, "source": "shop"}
    process_hook.apply(args=(ingested,), task_id="t-1")
    process_hook.apply(args=(ingested,), task_id="t-1")
    process_hook.apply(args=(ingested,), task_id="t-2")
    rows = database.execute("SELECT delivery_id, duplicates FROM hook_events ORDER BY 1").fetchall()
    assert rows == [("t-1", 1), ("t-2", 0)]


@pytest.mark.parametrize("ingested", [{}, [], None, {"event": "push"}, {"event": 1, "payload": {}}])
def test_what_is_no_hook_is_refused_and_not_stored(database: Database, ingested: Any) -> None:
    with pytest.raises(InvalidHook):
        process_hook.apply(args=(ingested,), throw=True)
    assert count().received == 0


def test_nul_and_lone_surrogates_are_kept_in_json_and_replaced_in_names(database: Database) -> None:
    text = "a\0b\ud800c"
    _process(_hook("order\0", "shop\ud800", action=text, changes={"name": {"from": text}}))

    assert _row(database, "payload::text", "previous_state::text") == (
        r'{"action":"a\u0000b\ud800c","changes":{"name":{"from":"a\u0000b\ud800c"}}}',
        r'{"name": "a\u0000b\ud800c"}',
    )
    assert _row(database, "event", "source", "action", "status") == (
        "order\ufffd",
        "shop\ufffd",
        "a\ufffdb\ufffdc",
        "unhandled",
    )


def test_nul_and_lone_surrogates_do_not_disturb_the_handlers(database: Database) -> None:
    issue = {"number": 1, "state": "\0\ud800", "title": "\0\ud800", "body": "\0\ud800"}
    _process(_hook("issues", "github", action="opened", issue=issue))
    assert _row(database, "status") == ("processed",)


def test_a_handler_that_swallows_a_database_error_does_not_lose_the_hook(database: Database) -> None:
    @on("shop.order")
    def swallowing(event: HookEvent, hook: Hook) -> None:
        with suppress(psycopg.Error):
            hook.connection.execute("SELECT 1 / 0")

    _process(_hook())

    status, error = _row(database, "status", "error")
    assert status == "failed"
    assert "went on after an error of the database" in error


def test_a_handler_may_try_what_fails_in_a_transaction_within(database: Database) -> None:
    @on("shop.order")
    def trying(event: HookEvent, hook: Hook) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero), hook.connection.transaction():
            hook.connection.execute("SELECT 1 / 0")

    _process(_hook())

    assert _row(database, "status") == ("processed",)


def test_a_handler_cannot_commit_half_of_a_hook(database: Database) -> None:
    @on("shop.order")
    def hasty(event: HookEvent, hook: Hook) -> None:
        hook.connection.commit()

    _process(_hook())

    status, error = _row(database, "status", "error")
    assert (status, "forbidden" in error) == ("failed", True)


@pytest.mark.parametrize(
    "ended", ["ROLLBACK", "COMMIT", "ROLLBACK; BEGIN", "COMMIT; BEGIN", "COMMIT AND CHAIN"]
)
def test_a_handler_that_ends_the_transaction_by_sql_fails_the_hook_at_once(
    database: Database, environment: Settings, ended: LiteralString
) -> None:
    attempts = []

    @on("shop.order")
    def hasty(event: HookEvent, hook: Hook) -> None:
        attempts.append(event.id)
        hook.enqueue("elsewhere.work")
        hook.connection.execute(ended)

    _process(_hook())

    status, error = _row(database, "status", "error")
    assert (status, len(attempts)) == ("failed", 1)
    assert error.startswith("PermanentError: a handler has ended the hook's transaction")
    assert _staged(database) == []
    assert _waiting(environment) == []


@pytest.mark.parametrize("ended", ["COMMIT", "COMMIT; BEGIN", "COMMIT; BEGIN; SELECT 1 / 0"])
def test_a_handler_that_commits_and_then_fails_leaves_a_failed_hook(
    database: Database, ended: LiteralString
) -> None:
    @on("shop.order")
    def hasty(event: HookEvent, hook: Hook) -> None:
        with suppress(psycopg.Error):
            for statement in ended.split("; "):
                hook.connection.execute(statement.encode())
        raise PermanentError("not that one")

    _process(_hook())

    status, error = _row(database, "status", "error")
    assert (status, error.split("\n")[0]) == ("failed", "PermanentError: not that one")


def test_what_another_worker_has_processed_meanwhile_is_not_withdrawn(database: Database) -> None:
    calls = []

    @on("shop.order")
    def hasty(event: HookEvent, hook: Hook) -> None:
        calls.append(event.id)
        if len(calls) == 1:
            hook.connection.execute("ROLLBACK")
            _process(_hook())

    _process(_hook())

    assert len(calls) == 2
    assert _row(database, "status", "error") == ("processed", None)


def test_what_a_handler_enqueues_is_sent_after_the_commit(database: Database, environment: Settings) -> None:
    ids = []

    @on("shop.order")
    def enqueueing(event: HookEvent, hook: Hook) -> None:
        ids.append(hook.enqueue("elsewhere.first", event.id))
        ids.append(hook.enqueue_with("elsewhere.second", queue="models", expires=60))
        assert _waiting(environment) == []

    _process(_hook())

    assert _waiting(environment, "celery") == [("elsewhere.first", ids[0])]
    assert _waiting(environment, "models") == [("elsewhere.second", ids[1])]
    assert _staged(database) == []


def test_a_broker_that_is_away_does_not_fail_the_hook(
    database: Database, environment: Settings, app: Celery
) -> None:
    ids = []
    on("shop.order")(lambda _event, hook: ids.append(hook.enqueue("elsewhere.work")))
    app.conf.update(broker_url=NOBODY)

    _process(_hook())

    assert _row(database, "status") == ("processed",)
    assert _staged(database) == ["elsewhere.work"]

    back = install(Celery("back"), environment)
    _make_due(database)
    assert staging.sweep() == 1
    assert _waiting(environment) == [("elsewhere.work", ids[0])]
    assert _staged(database) == []
    back.close()


def test_postgresql_that_goes_away_after_the_commit_leaves_the_rows_to_the_sweep(
    database: Database, environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("shop.order")(lambda _event, hook: hook.enqueue("elsewhere.work"))
    take = vars(staging)["_OF_DELIVERY"]
    away = b"SELECT pg_terminate_backend(pg_backend_pid()), %(batch)s, %(delivery_id)s"
    monkeypatch.setattr(staging, "_OF_DELIVERY", away)

    assert process_hook.apply(args=(_hook(),)).state == "SUCCESS"

    monkeypatch.setattr(staging, "_OF_DELIVERY", take)
    assert _row(database, "status", "duplicates") == ("processed", 0)
    _make_due(database)
    assert staging.sweep() == 1
    assert [task for task, _ in _waiting(environment)] == ["elsewhere.work"]


def _stage(ids: list[str], *tasks: str, **options: Any) -> Handler:
    def handler(_event: HookEvent, hook: Hook) -> None:
        ids.extend(hook.enqueue_with(task, **options) for task in tasks)

    return handler


@pytest.fixture
def unsent(app: Celery, environment: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of three tasks that are staged, and whose sender died."""
    ids: list[str] = []
    on("shop.order")(_stage(ids, "elsewhere.a", "elsewhere.b", "elsewhere.c"))
    with monkeypatch.context() as patch:
        patch.setattr(staging, "send_of_delivery", lambda _delivery_id: None)
        _process(_hook())
    return ids


def test_the_sweep_leaves_young_rows_to_the_process_that_wrote_them(
    database: Database, unsent: list[str]
) -> None:
    assert staging.sweep() == 0
    assert len(_staged(database)) == 3


def test_the_sweep_sends_the_oldest_first(
    database: Database, environment: Settings, unsent: list[str]
) -> None:
    _make_due(database)
    assert staging.sweep() == 3
    assert [task_id for _, task_id in _waiting(environment)] == unsent
    assert _staged(database) == []


def test_the_sweep_works_in_batches(
    database: Database, environment: Settings, unsent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "BATCH", 2)
    _make_due(database)
    assert staging.sweep() == 3
    assert [task_id for _, task_id in _waiting(environment)] == unsent


def test_the_sweep_does_not_send_what_another_process_is_sending(
    database: Database, environment: Settings, unsent: list[str]
) -> None:
    _make_due(database)
    with database.transaction():
        database.execute("SELECT 1 FROM staged_tasks WHERE id = %s FOR UPDATE", (unsent[0],))
        assert staging.sweep() == 2
    assert [task_id for _, task_id in _waiting(environment)] == unsent[1:]


def test_a_row_that_cannot_be_sent_steps_back_and_holds_up_nobody(
    database: Database, environment: Settings, unsent: list[str]
) -> None:
    _make_due(database)
    database.execute("UPDATE staged_tasks SET options = %s WHERE id = %s", ('{"expires": "soon"}', unsent[0]))

    assert staging.sweep() == 2

    assert [task_id for _, task_id in _waiting(environment)] == unsent[1:]
    assert database.execute(
        "SELECT id::text, attempts, error IS NOT NULL, due_at > now() + interval '5 s' FROM staged_tasks"
    ).fetchall() == [(unsent[0], 1, True, True)]


def test_a_duplicate_sends_what_the_first_left_unsent(
    database: Database, environment: Settings, unsent: list[str]
) -> None:
    _process(_hook())
    assert [task_id for _, task_id in _waiting(environment)] == unsent
    assert _row(database, "duplicates") == (1,)


def _star(database: Database, id: str, starred_at: str, action: str) -> None:  # noqa: A002
    repository = {"full_name": "octocat/hello", "private": action == "created"}
    _process(_hook("star", "github", id, action=action, starred_at=starred_at, repository=repository))


def test_resources_are_remembered_in_the_order_of_their_own_time(database: Database) -> None:
    _star(database, "d-1", "2024-03-02T00:00:00Z", "created")
    _star(database, "d-2", "2024-03-01T00:00:00Z", "deleted")
    _star(database, "d-2", "2024-03-01T00:00:00Z", "deleted")

    assert database.execute(
        "SELECT source, resource, resource_id, events, first_seen_at, last_seen_at, last_action, state"
        " FROM resources"
    ).fetchall() == [
        (
            "github",
            "repository",
            "octocat/hello",
            2,
            datetime(2024, 3, 1, tzinfo=UTC),
            datetime(2024, 3, 2, tzinfo=UTC),
            "star.created",
            {"private": True},
        )
    ]
