"""Messages as they are written say by when their task must be over, however they are enqueued."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.app.task import Context
from celery.exceptions import Ignore
from redis import Redis

from orchestrator import keys
from orchestrator.dev.stack import Addresses
from orchestrator.enqueue import enqueue_many
from orchestrator.errors import InvalidDeadline
from orchestrator.settings import Settings
from orchestrator.timeouts import deadline_left, given, published
from orchestrator.worker import telling
from orchestrator.worker.unstored import SteadyBackend, Unstored
from tests.acceptance.shared_place import app_in
from tests.processes import wait_until
from tests.servers import clean_redis, environment_of
from tests.within_task import within_task

_QUEUE = "in-time"
_DEADLINE, _DEFAULT, _LEFT = "omninode-deadline", "omninode-deadline-default", "omninode-deadline-left"


@pytest.fixture(scope="module")
def environment(stack: Addresses, module_database: str) -> Iterator[Settings]:
    with clean_redis(stack.redis_url) as redis, environment_of(stack, redis, module_database) as settings:
        yield settings


@pytest.fixture(scope="module")
def made(environment: Settings) -> Iterator[Celery]:
    with app_in(environment) as app:
        app.conf.task_default_queue = _QUEUE
        app.task(name="in_time.plain", shared=False)(_run)
        app.task(name="in_time.own", shared=False, deadline=timedelta(seconds=7))(_run)
        app.task(name="in_time.left", shared=False)(deadline_left)
        app.task(name="in_time.own_left", shared=False, deadline=7)(deadline_left)
        yield app


@pytest.fixture
def app(made: Celery, server: Any) -> Celery:
    server.delete(_QUEUE)
    return made


@pytest.fixture(scope="module")
def server(environment: Settings) -> Iterator[Any]:
    with Redis.from_url(environment.redis_url) as client:
        yield client


def _run(*_: Any) -> None:
    """Nothing is run here."""


@pytest.mark.parametrize(
    "said", [30, timedelta(seconds=30), datetime.now(UTC) + timedelta(days=1), "2035-01-01T00:00:00+00:00"]
)
def test_every_way_to_enqueue_writes_the_same(app: Celery, server: Any, said: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    plain.apply_async(deadline=said)
    app.send_task("in_time.plain", deadline=said)
    app.send_task("another.programs", deadline=said)
    plain.s().set(deadline=said).delay()
    plain.signature(options={"deadline": said}).apply_async()
    enqueue_many(plain, [[], []], deadline=said)
    # A compressed message is made by apply_async itself.
    enqueue_many(plain, [[]], deadline=said, compression="gzip")

    messages = _messages(server)
    assert len(messages) == 8
    for each in messages:
        assert _seconds(each) == pytest.approx(_in_seconds(said), abs=5)
        assert _DEFAULT not in each["headers"]
        assert "deadline" not in each["properties"]


def test_a_tasks_own_deadline_counts_from_each_enqueue_unless_the_caller_names_another(
    app: Celery, server: Any
) -> None:
    own: Any = app.tasks["in_time.own"]
    own.delay()
    app.send_task("in_time.own")
    enqueue_many(own, [[]])
    own.apply_async(deadline=100)
    own.apply_async(headers={_LEFT: 3.0})

    told = _messages(server)
    assert [round(_seconds(each), -1) for each in told[:4]] == [10, 10, 10, 100]
    assert told[4]["headers"][_LEFT] == 3.0
    assert _DEADLINE not in told[4]["headers"]


@pytest.mark.parametrize("said", [-1, 0, float("nan"), datetime(2035, 1, 1), "soon"])  # noqa: DTZ001
def test_what_is_no_deadline_enqueues_nothing(app: Celery, server: Any, said: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    wrong = plain.s().set(deadline=said)
    ways: list[Any] = [
        lambda: plain.apply_async(deadline=said),
        lambda: enqueue_many(plain, [[], []], deadline=said),
        lambda: plain.apply_async(link=wrong),
        lambda: chain(plain.s(), plain.s(), wrong).apply_async(),
        lambda: group(plain.s(), plain.s()).apply_async(deadline=said),
        lambda: group(plain.s(), wrong).apply_async(),
        lambda: chord([plain.s(), plain.s()], wrong).apply_async(),
        lambda: chord([plain.s(), plain.s()], plain.s()).apply_async(deadline=said),
    ]

    for way in ways:
        with pytest.raises(InvalidDeadline):
            way()
    assert _messages(server) == []


@pytest.mark.parametrize("later", [{"countdown": 60}, {"eta": datetime(2035, 1, 1, tzinfo=UTC)}])
def test_what_could_not_begin_before_its_deadline_is_not_enqueued(
    app: Celery, server: Any, later: dict[str, Any]
) -> None:
    plain: Any = app.tasks["in_time.plain"]
    late = plain.s().set(**later)
    ways: list[Any] = [
        lambda: plain.apply_async(deadline=60, **later),
        lambda: app.send_task("another.programs", deadline=60, **later),
        lambda: enqueue_many(plain, [[], []], deadline=60, **later),
        lambda: enqueue_many(plain, [[]], deadline=60, compression="gzip", **later),
        lambda: late.set(deadline=60).delay(),
        lambda: plain.apply_async(link=plain.s().set(deadline=60, **later)),
        lambda: chain(plain.s(), plain.s().set(**later)).apply_async(deadline=60),
        lambda: group(plain.s(), plain.s().set(**later)).apply_async(deadline=60),
        lambda: group(plain.s(), plain.s()).apply_async(deadline=60, **later),
    ]

    for way in ways:
        with pytest.raises(InvalidDeadline, match="is not later than its eta or countdown"):
            way()
    with within_task(5):
        plain.apply_async(deadline="inherit", countdown=60)
    assert server.llen(_QUEUE) == 0
    assert server.hlen(keys.delayed_messages()) == 1
    server.delete(keys.delayed_messages(), keys.delayed())


def test_a_tasks_own_deadline_counts_where_a_later_one_was_given_for_more_than_it(
    app: Celery, server: Any
) -> None:
    plain: Any = app.tasks["in_time.plain"]
    own: Any = app.tasks["in_time.own"]
    with within_task(100):
        own.apply_async(deadline="inherit")
    group(own.s(), plain.s()).apply_async(deadline=100)
    chain(plain.s(), own.si()).apply_async(deadline=100)
    (first,) = _messages(server)[3:]
    with within_task(100):
        # As the worker publishes a chain's next step.
        following = app.signature(first["embedded"]["chain"][0])
        app.amqp._retry_publish(following.apply_async, ())  # noqa: SLF001

    found = [round(_seconds(each)) for each in _messages(server)]
    assert found == [pytest.approx(each, abs=2) for each in (7, 7, 100, 100, 7)]


def test_all_of_a_canvas_has_one_moment_and_a_member_may_have_its_own(app: Celery, server: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    steps = [plain.s(), plain.s().set(deadline=timedelta(seconds=5)), plain.s()]
    canvas: Any = chain(group(plain.s(), plain.s().set(deadline=9)), *steps)
    canvas.apply_async(deadline=60)

    first, second = _messages(server)
    body = first["embedded"]["chord"]
    tasks = [body, *reversed(first["embedded"]["chain"])] if first["embedded"]["chain"] else _leaves(body)
    told = [each["options"]["deadline"] for each in tasks]
    at = f"canvas {given.exact(first['headers'][_DEADLINE])}"
    assert _seconds(first) == pytest.approx(60, abs=5)
    assert _seconds(second) == pytest.approx(9, abs=5)
    assert told == [at, 5.0, at]
    # What the caller made is as it was: it may be enqueued again, later.
    assert "deadline" not in canvas.options
    assert [each.options.get("deadline") for each in steps] == [None, timedelta(seconds=5), None]


def test_what_is_enqueued_in_part_as_its_deadline_passes_is_enqueued_whole(app: Celery, server: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]

    def late(many: int, made: Callable[[], Any]) -> Iterator[Any]:
        for number in range(many):
            if number == many - 1:
                wait_until(lambda: time.time() > ends_at, what="the deadline")
            yield made()

    ends_at = time.time() + 1
    group(late(2, plain.s)).apply_async(deadline=1)
    ends_at = time.time() + 1
    enqueue_many(plain, late(501, list), deadline=1)

    messages = _messages(server)
    assert len(messages) == 503
    assert len({each["headers"][_DEADLINE] for each in messages}) == 2


def test_a_canvas_may_say_it_itself(app: Celery, server: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    canvases: list[Any] = [group(plain.s(), plain.s()), chord([plain.s(), plain.s()], plain.s())]
    for canvas in canvases:
        canvas.set(deadline=40).apply_async()
        assert canvas.options["deadline"] == 40
    last: Any = chain(plain.s(), plain.s())
    last.set(deadline=timedelta(seconds=40)).apply_async()

    messages = _messages(server)
    assert len(messages) == 5
    assert [_seconds(each) for each in messages] == pytest.approx([40] * 5, abs=5)
    assert messages[0]["headers"][_DEADLINE] == messages[1]["headers"][_DEADLINE]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, {_DEADLINE: 50}), ({_DEFAULT: True}, {_LEFT: 50})],
    ids=["asked for", "default"],
)
def test_what_follows_a_success_inherits(
    app: Celery,
    server: Any,
    headers: dict[str, bool],
    expected: dict[str, float],
) -> None:
    plain: Any = app.tasks["in_time.plain"]
    with within_task(50, **headers):
        # As Celery's tracer publishes a link, a chain's next step and a chord's body.
        for following in (plain.s(), group(plain.s(), plain.s()), chain(plain.s(), plain.s())):
            app.amqp._retry_publish(following.apply_async, ())  # noqa: SLF001

    found = [_told(each) for each in _messages(server)]
    assert found == [pytest.approx(expected, abs=5)] * 4


def test_children_and_errbacks_do_not_inherit_unless_they_ask(app: Celery, server: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    with within_task(50):
        plain.delay()
        group(plain.s(), plain.s()).apply_async()
        plain.apply_async(deadline="inherit")
        group(plain.s()).apply_async(deadline="inherit")
        errback = app.signature("another.programs", immutable=True)
        failed = Context(id="1", errbacks=[errback], delivery_info={})
        plain.backend._call_task_errbacks(failed, ValueError(), None)  # noqa: SLF001

    found = [_told(each) for each in _messages(server)]
    assert found[:3] == [{}, {}, {}]
    assert found[3:5] == [pytest.approx({_DEADLINE: 50}, abs=5)] * 2
    assert found[5:] == [{}]


def test_an_errback_whose_deadline_has_passed_is_the_workers_to_bury(app: Celery, server: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    passed = datetime.now(UTC) - timedelta(seconds=5)
    errback = app.signature("another.programs", immutable=True, options={"deadline": passed})
    failed = Context(id="1", errbacks=[errback], delivery_info={})
    in_main = SimpleNamespace(task=plain, _context=failed, id="1", ignore_result=True, store_errors=False)

    SteadyBackend(plain.backend).mark_as_failure("1", ValueError(), request=failed, store_result=False)
    telling.unstored(in_main, Unstored("FAILURE", None, ValueError(), ""))

    assert [_seconds(each) for each in _messages(server)] == [pytest.approx(-5, abs=5)] * 2


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")
def test_the_body_inherits_from_the_last_part_also_where_no_task_runs(app: Celery, server: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    chord([plain.s(), plain.s()], plain.s()).apply_async()
    parts = _messages(server)
    server.delete(_QUEUE)

    for number, each in enumerate(parts):
        headers, links = each["headers"], each["embedded"]
        request = Context(
            headers, id=headers["id"], chord=links["chord"], args=[], **{_DEADLINE: time.time() + 50 + number}
        )
        plain.backend.mark_as_done(headers["id"], number, request)

    assert [_told(each) for each in _messages(server)] == [pytest.approx({_DEADLINE: 51}, abs=5)]


def test_what_takes_a_tasks_place_inherits_its_deadline(app: Celery, server: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    sent = time.time() + 50
    plain.push_request(called_directly=False, id="1", retries=0, delivery_info={}, **{_DEADLINE: sent})
    try:
        for sig in (plain.si(), plain.si().set(deadline=5), chain(plain.si(), plain.si())):
            with pytest.raises(Ignore):
                plain.replace(sig)
    finally:
        plain.pop_request()

    assert [round(_seconds(each), -1) for each in _messages(server)] == [50, 0, 50]


def test_a_chord_that_is_polled_for_hands_the_deadline_to_its_body(app: Celery, server: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    unlock: Any = app.tasks["celery.chord_unlock"]
    with published.of_canvas(published.canvas_moment(30)):
        unlock.apply_async(("group", plain.s().set(link=plain.s().set(deadline=timedelta(seconds=4)))))

    (message,) = _messages(server)
    body = json.loads(base64.b64decode(message["body"]))[0][1]
    assert _told(message) == {}
    assert given.moment(body["options"]["deadline"], time.time()) - time.time() == pytest.approx(30, abs=5)
    assert body["options"]["link"][0]["options"]["deadline"] == 4.0


def test_an_eager_task_has_its_deadline(app: Celery, server: Any) -> None:
    plain: Any = app.tasks["in_time.plain"]
    left: Any = app.tasks["in_time.left"]
    own: Any = app.tasks["in_time.own_left"]
    assert left.apply(deadline=30).get() == pytest.approx(30, abs=5)
    assert own.apply().get() == pytest.approx(7, abs=5)
    assert left.apply().get() == pytest.approx(3600, abs=5)
    with within_task(20):
        assert left.apply(deadline=30).get() == pytest.approx(20, abs=5)
    app.conf.task_always_eager = True
    try:
        assert left.apply_async(deadline=30).get() == pytest.approx(30, abs=5)
        canvases: list[Any] = [chain(plain.s(), left.si()), chord([plain.s()], left.si())]
        for canvas in canvases:
            assert canvas.apply_async(deadline=30).get() == pytest.approx(30, abs=5)
            with pytest.raises(InvalidDeadline):
                canvas.apply_async(deadline=-5)
        assert group(left.si(), own.si()).apply_async(deadline=30).get() == pytest.approx([30, 7], abs=5)
        with pytest.raises(InvalidDeadline):
            plain.apply_async(deadline=-5)
    finally:
        app.conf.task_always_eager = False
    assert _messages(server) == []


def _in_seconds(said: Any) -> float:
    if isinstance(said, str):
        said = datetime.fromisoformat(said)
    if isinstance(said, datetime):
        return (said - datetime.now(UTC)).total_seconds()
    return said.total_seconds() if isinstance(said, timedelta) else float(said)


def _messages(server: Any) -> list[dict[str, Any]]:
    """Those in the queue, the first one first; `embedded` is what each carries along."""
    messages = [json.loads(raw) for raw in reversed(server.lrange(_QUEUE, 0, -1))]
    for each in messages:
        if "compression" not in each["headers"]:
            each["embedded"] = json.loads(base64.b64decode(each["body"]))[2]
    return messages


def _seconds(message: dict[str, Any]) -> float:
    return float(message["headers"][_DEADLINE]) - time.time()


def _told(message: dict[str, Any]) -> dict[str, Any]:
    """The deadline's headers, in seconds from now."""
    headers = message["headers"]
    told = {name: value for name, value in headers.items() if name in {_DEADLINE, _DEFAULT, _LEFT}}
    return told | ({_DEADLINE: _seconds(message)} if _DEADLINE in told else {})


def _leaves(signature: dict[str, Any]) -> list[dict[str, Any]]:
    if signature["subtask_type"] != "chain":
        return [signature]
    return [leaf for each in signature["kwargs"]["tasks"] for leaf in _leaves(each)]
