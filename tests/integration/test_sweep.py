"""What has waited for too long in a queue that no worker serves is ended, and nothing else is touched."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery, chord, group
from redis import Redis

from orchestrator import keys
from orchestrator.dev.stack import Addresses
from orchestrator.queues import pausing
from orchestrator.settings import Settings
from orchestrator.sweep import sweeping, visiting
from orchestrator.sweep.swept import Swept
from orchestrator.sweep.taking import taker
from orchestrator.tally import fields
from orchestrator.transport import scripts
from orchestrator.transport.attendance import Attendance
from orchestrator.transport.claim import Claim
from orchestrator.transport.exchange import SETTLE_ONLY
from orchestrator.transport.keys import Keys
from orchestrator.transport.ledger import Batch
from orchestrator.worker import revocations
from tests.acceptance.shared_place import app_in
from tests.commands import omninode
from tests.processes import wait_until
from tests.servers import clean_redis, environment_of

# Celery's own, in this process.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

_QUEUE = "nobody"
_DEADLINE, _STAMP = "omninode-deadline", "omninode-enqueued-at"
_PAST = "2020-01-01T00:00:00+00:00"
_HOURS = 3600


@pytest.fixture(scope="module")
def environment(stack: Addresses, module_database: str) -> Iterator[Settings]:
    with clean_redis(stack.redis_url) as redis, environment_of(stack, redis, module_database) as settings:
        yield settings


@pytest.fixture(scope="module")
def made(environment: Settings) -> Iterator[Celery]:
    with app_in(environment) as app:
        app.conf.task_default_queue = _QUEUE
        app.task(name="swept.plain", shared=False)(_run)
        app.task(name="swept.own", shared=False, deadline=timedelta(seconds=7))(_run)
        yield app


@pytest.fixture(scope="module")
def client(environment: Settings) -> Iterator[Any]:
    with Redis.from_url(environment.redis_url) as made:
        yield made


@pytest.fixture
def app(made: Celery, client: Any) -> Celery:
    client.flushdb()
    return made


@pytest.fixture
def channel(app: Celery) -> Iterator[Any]:
    with app.connection_for_write() as connection:
        yield connection.default_channel


def _run(*_: Any) -> None:
    """It never runs."""


def _send(
    app: Celery, task: str = "swept.plain", headers: dict[str, Any] | None = None, **options: Any
) -> Any:
    """A message with these headers, which may say what no producer could: one of None is taken off."""
    result = app.tasks[task].apply_async((1,), **options) if task in app.tasks else app.send_task(task, (1,))
    with app.connection_for_write() as connection, connection.default_channel.plain_client() as client:
        raw = client.lpop(_QUEUE)
        message = json.loads(raw)
        changed = message["headers"] | (headers or {})
        message["headers"] = {name: value for name, value in changed.items() if value is not None}
        client.lpush(_QUEUE, json.dumps(message))
    return result


def _waiting(client: Any) -> list[str]:
    """The ids of what waits, what is claimed next first."""
    return [json.loads(raw)["headers"]["id"] for raw in reversed(client.lrange(_QUEUE, 0, -1))]


def _letters(client: Any) -> dict[str, tuple[str, bytes]]:
    """Reason and bytes of each letter, by its task's id."""
    found = [entry for _, entry in client.xrange(keys.outbox())]
    told = {entry[b"task_id"].decode(): (entry[b"reason"].decode(), entry[b"raw"]) for entry in found}
    assert len(told) == len(found)
    return told


def _late(seconds: float = 5.0) -> dict[str, Any]:
    return {_DEADLINE: time.time() - seconds}


def _aged(hours: float) -> dict[str, Any]:
    return {_STAMP: time.time() - hours * _HOURS}


def _totals(client: Any) -> dict[str, int]:
    told = client.hgetall(keys.metrics("totals"))
    return {name.decode(): int(value) for name, value in told.items() if name != b"since"}


def test_what_is_over_in_a_queue_without_workers_is_ended_as_a_worker_would(
    app: Celery, channel: Any, client: Any
) -> None:
    late, expired, old = (
        _send(app, headers=headers) for headers in (_late(), {"expires": _PAST}, _aged(168.1))
    )
    own = _send(app, "swept.own", _aged(0.01) | {_DEADLINE: None})
    young = [_send(app, headers=headers) for headers in ({}, _late(-60.0), _aged(167.9))]
    sent = {json.loads(raw)["headers"]["id"]: raw for raw in client.lrange(_QUEUE, 0, -1)}

    swept = sweeping.sweep(app, channel)

    assert swept.ended == {"deadline_exceeded": 3, "expired": 1}
    assert swept.by_queue == {_QUEUE: 4}
    assert _waiting(client) == [each.id for each in young]
    assert _letters(client) == {
        late.id: ("deadline_exceeded", sent[late.id]),
        expired.id: ("expired", sent[expired.id]),
        old.id: ("deadline_exceeded", sent[old.id]),
        own.id: ("deadline_exceeded", sent[own.id]),
    }
    assert [each.state for each in (late, expired, old, own)] == ["FAILURE", "REVOKED", "FAILURE", "FAILURE"]
    assert str(late.result).endswith("has waited for its turn in the queue 'nobody', which no worker serves")
    assert str(old.result) == (
        "not begun: it has waited for 7d in the queue 'nobody', which no worker serves: "
        "longer than OMNINODE_QUEUE_LIMIT_HOURS (168) allows"
    )
    assert _totals(client) == {
        fields.outcome("swept.plain", _QUEUE, "dead_lettered", "deadline_exceeded"): 2,
        fields.outcome("swept.plain", _QUEUE, "dead_lettered", "expired"): 1,
        fields.outcome("swept.own", _QUEUE, "dead_lettered", "deadline_exceeded"): 1,
    }
    assert client.hlen(keys.claims()) == 0


def test_what_follows_a_task_hears_of_its_end(app: Celery, channel: Any, client: Any) -> None:
    members = group(app.tasks["swept.plain"].s(1), app.tasks["swept.plain"].s(2))
    body = chord(members, app.signature("swept.plain")).apply_async()
    for number, raw in enumerate(client.lrange(_QUEUE, 0, -1)):
        message = json.loads(raw)
        client.lset(_QUEUE, number, json.dumps(message | {"headers": message["headers"] | _late()}))
    _send(app, headers=_late(), link_error=app.signature("swept.errback", args=("told",)))

    assert sweeping.sweep(app, channel).ended == {"deadline_exceeded": 3}

    assert body.state == "FAILURE"
    (errback,) = client.lrange(_QUEUE, 0, -1)
    assert json.loads(errback)["headers"]["task"] == "swept.errback"


def test_a_task_that_is_not_known_here_is_ended_all_the_same(app: Celery, channel: Any, client: Any) -> None:
    late, expired = _send(app, "elsewhere", _late()), _send(app, "elsewhere", {"expires": _PAST})

    sweeping.sweep(app, channel)

    assert {name: reason for name, (reason, _) in _letters(client).items()} == {
        late.id: "deadline_exceeded",
        expired.id: "expired",
    }
    assert (late.state, expired.state) == ("FAILURE", "REVOKED")


@pytest.mark.parametrize("task", ["swept.plain", "elsewhere"])
def test_a_tick_of_beat_is_no_letter(app: Celery, channel: Any, client: Any, task: str) -> None:
    tick = {"celery_beat_task": True, "periodic_task_name": "tick"}
    ticks = [_send(app, task, tick | headers) for headers in (_late(), {"expires": _PAST}, _aged(200))]

    assert sweeping.sweep(app, channel).ended.total() == 3

    assert (_letters(client), _waiting(client)) == ({}, [])
    assert {each.state for each in ticks} == {"REVOKED"}
    assert _totals(client) == {fields.outcome(task, _QUEUE, "revoked"): 3}


@pytest.mark.parametrize("task", ["swept.plain", "elsewhere"])
def test_what_a_person_has_revoked_is_revoked_and_no_letter(
    app: Celery, channel: Any, client: Any, task: str
) -> None:
    late, expired, young = (_send(app, task, each) for each in (_late(), {"expires": _PAST}, {}))
    revocations.keep(channel, [late.id, expired.id, young.id])

    assert sweeping.sweep(app, channel, dry_run=True).ended == {"revoked": 1, "expired": 1}
    assert sweeping.sweep(app, channel).ended == {"revoked": 1, "expired": 1}

    assert (list(_letters(client)), _waiting(client)) == ([expired.id], [young.id])
    assert (late.state, str(late.result)) == ("REVOKED", "revoked")
    assert _totals(client) == {
        fields.outcome(task, _QUEUE, "revoked"): 1,
        fields.outcome(task, _QUEUE, "dead_lettered", "expired"): 1,
    }
    # It has ended, and nothing is left to revoke.
    assert client.zscore(keys.revoked(), late.id) is None


def test_each_end_is_an_event_of_celery_as_a_workers_own_is(app: Celery, channel: Any, client: Any) -> None:
    tick = {"celery_beat_task": True, "periodic_task_name": "tick"}
    heard: list[tuple[str, str, bool | None]] = []

    def hear(event: dict[str, Any]) -> None:
        heard.append((event["uuid"], event["type"], event.get("expired")))

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"task-revoked": hear, "task-failed": hear})
        with receiver.consumer_context(wakeup=False) as (own, *_):
            with suppress(TimeoutError):
                # It subscribes as it begins to listen.
                own.drain_events(timeout=0.1)
            sent = [
                _send(app, task, headers).id
                for task in ("swept.plain", "elsewhere")
                for headers in (_late(), {"expires": _PAST}, tick | _late())
            ]
            sweeping.sweep(app, channel)
            while len(heard) < len(sent):
                own.drain_events(timeout=10)

    ends = [("task-failed", None), ("task-revoked", True), ("task-revoked", True)]
    assert sorted(heard) == sorted((name, *end) for name, end in zip(sent, ends * 2, strict=True))


def test_what_says_no_time_or_is_no_task_is_left_alone(app: Celery, channel: Any, client: Any) -> None:
    _send(app, headers={_STAMP: None})
    _send(app, headers={_DEADLINE: time.time() - 5, "omninode-deadline-default": True})
    _send(app, headers={"expires": "soon", _STAMP: "long ago"})
    client.lpush(_QUEUE, b"\xff junk", b'{"headers": {"expires": "2020-01-01T00:00:00+00:00"}}', b"[]")
    before = client.lrange(_QUEUE, 0, -1)

    assert sweeping.sweep(app, channel).ended == {}

    assert client.lrange(_QUEUE, 0, -1) == before


def test_a_queue_that_a_living_worker_serves_is_left_alone(app: Celery, channel: Any, client: Any) -> None:
    sent = [_send(app, headers=headers) for headers in (_late(), {"expires": _PAST}, _aged(200))]
    worker = Attendance(client, "one")
    worker.attend("w@host", lambda: _serving(_QUEUE))
    worker.tell()

    assert sweeping.sweep(app, channel, [_QUEUE]).as_json()["looked_at"] == 0
    assert _waiting(client) == [each.id for each in sent]

    worker.leave()
    assert sweeping.sweep(app, channel, [_QUEUE]).ended.total() == 3


def test_in_a_paused_queue_only_what_somebody_has_asked_for_counts(
    app: Celery, channel: Any, client: Any
) -> None:
    late, expired, old = (_send(app, headers=each) for each in (_late(), {"expires": _PAST}, _aged(200)))
    worker = Attendance(client, "one")
    worker.attend("w@host", lambda: _serving(_QUEUE))
    worker.tell()
    pausing.pause(channel, [_QUEUE])

    sweeping.sweep(app, channel)

    assert _waiting(client) == [old.id]
    assert "which is paused" in str(late.result)
    assert expired.state == "REVOKED"


def test_who_is_killed_after_it_has_told_tells_it_again_and_there_is_one_letter(
    app: Celery, channel: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = _send(app, headers=_late())
    _in_a_child(lambda: _sweep_and_die(app, channel, monkeypatch))
    assert (late.state, _waiting(client), _letters(client)) == ("FAILURE", [], {})

    _end_leases(client)
    assert _waiting(client) == [late.id]
    sweeping.sweep(app, channel)

    assert (_waiting(client), list(_letters(client))) == ([], [late.id])


def test_however_long_a_sweep_takes_it_holds_what_it_has_taken(
    app: Celery, channel: Any, client: Any
) -> None:
    _send(app)
    channel.lease_seconds = 0.1
    with taker(channel) as taking:
        claim = taking.take(_QUEUE, 1, client.lindex(_QUEUE, -1))
        assert claim is not None
        first_ms = client.zscore(keys.leases(), claim.id)

        # An event loop that was silent for ten leases would have lost it.
        wait_until(lambda: client.zscore(keys.leases(), claim.id) > first_ms + 1500, what="its renewal")
    assert _waiting(client) == [json.loads(claim.raw)["headers"]["id"]]


def test_what_the_result_backend_does_not_hear_of_goes_back(
    app: Celery, channel: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [_send(app, headers=_late()) for _ in range(4)]
    monkeypatch.setattr(visiting, "_PATIENCE_SECONDS", 0.1)

    def away(*_: Any, **__: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(type(app.backend), "mark_as_failure", away)
        swept = sweeping.sweep(app, channel)
    assert (swept.unsettled, swept.ended) == (4, {})
    assert (sorted(_waiting(client)), _letters(client)) == (sorted(each.id for each in sent), {})

    assert sweeping.sweep(app, channel).ended == {"deadline_exceeded": 4}


def test_parts_follow_one_another_to_the_end_and_begin_again(
    app: Celery, channel: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "_MOST_LOOKED_AT", 4)
    young = [_send(app, headers=_late() if number in {2, 7} else {}) for number in range(9)]

    looked_at = [_part(app, channel) for _ in range(4)]

    assert looked_at == [(4, 1), (4, 1), (1, 0), (4, 0)]
    assert _waiting(client) == [each.id for number, each in enumerate(young) if number not in {2, 7}]


def test_queues_that_nobody_declares_are_found_and_other_lists_are_left_alone(
    app: Celery, channel: Any, client: Any
) -> None:
    client.lpush("shopping", *("bread" for _ in range(1000)))
    late = _send(app, headers=_late())
    client.rename(_QUEUE, "typo\x06\x163")

    swept = sweeping.sweep_a_part(app, channel)

    assert (swept.queues, swept.by_queue) == ({"typo"}, Counter({"typo": 1}))
    assert list(_letters(client)) == [late.id]
    assert client.llen("shopping") == 1000


def test_a_dry_run_says_what_it_would_end(app: Celery, channel: Any, client: Any) -> None:
    _send(app, headers=_late())
    _send(app)

    would = sweeping.sweep(app, channel, [_QUEUE], dry_run=True)

    assert would.as_json() == {
        "queues": [_QUEUE],
        "looked_at": 2,
        "ended": {"deadline_exceeded": 1},
        "by_queue": {_QUEUE: 1},
        "unsettled": 0,
        "dry_run": True,
    }
    assert (len(_waiting(client)), _letters(client)) == (2, {})


def test_the_command_says_what_it_has_ended(app: Celery, channel: Any, client: Any) -> None:
    _send(app, headers=_late())
    _send(app)

    said = omninode("queues", "sweep", _QUEUE)

    assert said.stdout.splitlines() == [
        "1 ended: deadline_exceeded",
        "2 looked at in 1 queue without workers, 1 ended",
    ]
    assert len(_letters(client)) == 1


def test_the_command_says_which_queues_it_leaves_alone_and_which_there_are_not(
    app: Celery, channel: Any, client: Any
) -> None:
    _send(app, headers=_late())
    worker = Attendance(client, "one")
    worker.attend("w@host", lambda: _serving(_QUEUE))
    worker.tell()

    said = omninode("queues", "sweep", _QUEUE, "models", "tyop")
    served = omninode("queues", "sweep", _QUEUE, "--json")

    assert said.stdout.splitlines()[-1] == "nobody is left alone: a worker serves it"
    assert said.stderr.splitlines() == [
        "omninode: no queue tyop is known: it is not declared, served or paused, and nothing is in it"
    ]
    assert said.code == 1
    assert (served.code, json.loads(served.stdout)["served"]) == (0, {"nobody": 1})


def _part(app: Celery, channel: Any) -> tuple[int, int]:
    swept: Swept = sweeping.sweep_a_part(app, channel)
    return swept.looked_at, swept.ended.total()


def _serving(queue: str) -> dict[str, Any]:
    about = {"node": "w@host", "host": "host", "pid": 1, "pool": "prefork", "concurrency": 1}
    return about | {"queues": [queue]}


def _in_a_child(work: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def _sweep_and_die(app: Celery, channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Claim, "bury", lambda *_: os._exit(9))
    sweeping.sweep(app, channel, [_QUEUE])


def _end_leases(client: Any) -> None:
    """A worker of some other queue returns what a sweep has left."""
    client.zadd(keys.leases(), dict.fromkeys(client.zrange(keys.leases(), 0, -1), 1))
    client.set(keys.pulse(), client.time()[0] * 1000)
    client.delete(keys.quiet())
    script = scripts.load("exchange")
    names = Keys().exchange()
    client.eval(script.text, len(names), *names, *SETTLE_ONLY.arguments(30.0, Batch()))
