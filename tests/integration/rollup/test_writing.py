"""What a process records arrives: a second later, at its end, from its children, and after Redis was away."""

import multiprocessing
import os
import time
from typing import Any

import pytest
from redis import Redis

from monitoring.rollup import encoding, process, processes
from monitoring.rollup.writing import Writer
from orchestrator import events, keys, settings
from orchestrator.settings import Settings
from tests.processes import wait_until

TOTALS = keys.metrics("totals")


def _calls(client: Redis, component: str = "shop") -> int:
    found: Any = client.hgetall(TOTALS)
    return encoding.read(found).of(component).count


def test_what_is_recorded_is_written_by_itself(client: Redis) -> None:
    process.recorder.record("shop", "order", 1.0, True)

    wait_until(lambda: _calls(client) == 1, what="the write")
    wait_until(lambda: processes.read(client), what="the process")
    (told,) = processes.read(client)
    assert (told.pid, told.role) == (os.getpid(), "application")
    assert told.connections["redis"] >= 1
    assert told.memory_bytes is not None
    assert told.memory_bytes > 1_000_000


def test_nothing_is_begun_where_nothing_is_recorded(client: Redis) -> None:
    events.emit(events.Retried("before anybody listens"))
    writer = Writer()

    assert writer.flush()
    writer.close()
    assert client.keys(keys.metrics("*")) == []


def test_an_event_is_recorded_once_however_many_want_it(client: Redis) -> None:
    no_more = [process.hear() for _ in range(3)]
    events.emit(events.TimeoutStruck("shop", "deadline", 3.0))
    events.emit(events.Replayed("shop"))
    events.emit(events.Begun("shop", "orders", 0.25))
    no_more[0]()
    no_more[0]()
    events.emit(events.Replayed("shop"))
    for each in no_more:
        each()
    events.emit(events.Replayed("shop"))
    process.writer.flush()

    found: Any = client.hgetall(TOTALS)
    sums = encoding.read(found)
    assert sums.events == {
        ("timeout_failure", "shop"): 1,
        ("deadline_timeout", "shop"): 1,
        ("replay", "shop"): 2,
    }
    assert sums.waits["orders", "shop"].micros == 250_000


def test_what_settlements_and_other_processes_count_is_left_to_them(client: Redis) -> None:
    no_more = process.hear()
    events.emit(events.Retried("shop", is_settled=True))
    events.emit(events.DeadLettered("shop", "orders.dlq", is_settled=True))
    events.emit(events.CircuitOpened("payments"))
    events.emit(events.CircuitOpened("mail", is_own=True))
    no_more()
    process.writer.flush()

    found: Any = client.hgetall(TOTALS)
    assert encoding.read(found).events == {("circuit_breaker_trip", "mail"): 1}


def test_a_forked_child_writes_its_own_and_not_its_parents(client: Redis) -> None:
    process.recorder.record("shop", "order", 1.0, True)
    child = os.fork()
    if child == 0:
        process.recorder.record("child", "order", 1.0, True)
        process.flush()
        os._exit(0)
    os.waitpid(child, 0)
    process.writer.flush()

    assert (_calls(client), _calls(client, "child")) == (1, 1)
    assert [each.pid for each in processes.read(client)] == [os.getpid()]


@pytest.mark.parametrize(("role", "kept_hours"), [("application", 24.0), ("worker", 1.0), ("child", 1.0)])
def test_what_runs_tasks_keeps_an_hour_in_its_memory_and_others_what_they_are_told_to(
    client: Redis, role: str, kept_hours: float
) -> None:
    assert Writer(role).kept_hours == kept_hours


def test_a_process_of_multiprocessing_writes_at_its_end(client: Redis) -> None:
    process.recorder.record("shop", "order", 1.0, True)
    child = multiprocessing.get_context("fork").Process(target=_record_and_end)
    child.start()
    child.join(10)

    assert (child.exitcode, _calls(client, "child")) == (0, 3)


def _record_and_end() -> None:
    for _ in range(3):
        process.recorder.record("child", "order", 1.0, True)


def test_what_is_recorded_while_redis_is_away_arrives_when_it_is_back(
    environment: Settings, client: Redis
) -> None:
    settings.use(environment.model_copy(update={"celery_broker_url": "redis://127.0.0.1:1/0"}))
    try:
        for _ in range(3):
            process.recorder.record("shop", "order", 1.0, True)
            assert not process.writer.flush()
        assert process.writer.unwritten().of("shop").count == 3
    finally:
        settings.use(environment)
    process.recorder.record("shop", "order", 1.0, True)

    wait_until(lambda: _calls(client) == 4, what="the write")
    assert process.writer.unwritten().of("shop").count == 0


def test_what_was_refused_and_what_had_too_many_names_is_counted_for_the_fleet(client: Redis) -> None:
    with pytest.raises(ValueError, match="duration_ms"):
        process.recorder.record("shop", "order", float("nan"), True)
    for number in range(205):
        process.recorder.record(f"component {number}", "order", 1.0, True)
    process.writer.flush()

    found: Any = client.hgetall(TOTALS)
    assert (found[encoding.REFUSED], found[encoding.OVERFLOWED]) == ("1", "5")
    assert encoding.read(found).of("other").count == 5


def test_a_process_that_has_not_told_of_itself_for_long_is_no_process(client: Redis) -> None:
    told = '{"node": "w@h", "pid": 7, "role": "child", "memory_bytes": null, "connections": {"redis": 2}}'
    now = int(time.time())
    client.hset(
        keys.metrics("processes"),
        mapping={"h:7": f"{now} {told}", "h:8": f"{now - 60} {told}", "h:9": "nonsense"},
    )

    (found,) = processes.read(client)
    assert (found.name, found.node, found.role, found.memory_bytes) == ("h:7", "w@h", "child", None)
