"""A deadline as a caller says it, as a message carries it, and as what follows inherits it."""

import time
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InvalidDeadline
from orchestrator.task import Task
from orchestrator.timeouts import TimeoutConfig, TimeoutManager, deadline, deadline_left, published
from orchestrator.timeouts import given as said
from orchestrator.timeouts.left import within
from tests.within_task import within_task

_NOW = 1_800_000_000.0
_TEN_YEARS = 315_360_000.0

_lengths = st.floats(min_value=0.001, max_value=_TEN_YEARS)
_numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers()
_anything = st.none() | st.booleans() | _numbers | st.text() | st.lists(st.integers())


@given(_lengths)
def test_seconds_a_timedelta_and_a_moment_mean_the_same(seconds: float) -> None:
    there = datetime.fromtimestamp(_NOW, UTC) + timedelta(seconds=seconds)
    ways = [
        seconds,
        timedelta(seconds=seconds),
        there,
        there.astimezone(timezone(timedelta(hours=5))),
        there.isoformat(),
    ]

    read = [said.moment(way, _NOW) for way in ways]

    assert read == pytest.approx([_NOW + seconds] * 5, abs=2e-6)


@given(_anything)
def test_whatever_is_given_is_a_moment_to_come_or_refused(value: Any) -> None:
    try:
        at = said.moment(value, _NOW)
    except InvalidDeadline:
        return
    assert _NOW < at <= _NOW + _TEN_YEARS


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "has passed"),
        (-1, "has passed"),
        (timedelta(), "has passed"),
        (float("nan"), "must be seconds"),
        (float("inf"), "must be seconds"),
        (True, "must be seconds"),
        ("soon", "must be seconds"),
        (4e8, "more than ten years"),
        (10**400, "must be seconds"),
        (datetime(2035, 1, 1), "has no zone"),  # noqa: DTZ001
        ("2035-01-01T00:00:00", "has no zone"),
        (datetime(2020, 1, 1, tzinfo=UTC), "has passed"),
        ("soon", r"a datetime with its zone \(also as text in ISO 8601\)"),
        (10**400, r"^deadline=1(0{79})… must"),
        pytest.param(10**5000, "^deadline=a int must", id="without a text"),
    ],
)
def test_what_is_no_deadline_is_refused_with_a_reason(value: Any, words: str) -> None:
    with pytest.raises(InvalidDeadline, match=words):
        said.moment(value, _NOW)


@pytest.mark.parametrize("option", [{"countdown": 20}, {"eta": datetime.fromtimestamp(_NOW + 20, UTC)}])
def test_a_deadline_that_comes_before_the_eta_is_refused_where_it_is_not_too_late(option: Any) -> None:
    assert said.moment(20.5, _NOW, options=option) == _NOW + 20.5
    with pytest.raises(InvalidDeadline, match="is not later than its eta or countdown"):
        said.moment(20, _NOW, options=option)
    assert said.moment(20, _NOW, options=option, may_have_passed=True) == _NOW + 20


@given(st.dictionaries(st.sampled_from(deadline.HEADERS), _anything) | _anything)
def test_headers_of_anybody_are_read_without_an_error(headers: Any) -> None:
    found = deadline.read(headers, _NOW)

    assert found is None or isinstance(found.at, float)


@pytest.mark.parametrize("headers", [{deadline.DEADLINE: _NOW * 1000}, {deadline.LEFT: 1e300}])
def test_what_is_further_away_than_any_deadline_can_be_is_none(headers: Any) -> None:
    assert deadline.read(headers, _NOW) is None


@given(st.builds(deadline.Deadline, _lengths, st.booleans()))
def test_a_deadline_is_read_as_it_was_written(written: deadline.Deadline) -> None:
    assert deadline.read(written.headers(), _NOW) == written


@given(_lengths)
def test_what_is_left_begins_to_count_at_the_claim(seconds: float) -> None:
    assert deadline.read({deadline.LEFT: seconds}, _NOW) == deadline.Deadline(_NOW + seconds, is_default=True)


@given(_lengths)
def test_a_signature_carries_a_deadline_without_loss(seconds: float) -> None:
    moment = datetime.fromtimestamp(_NOW, UTC) + timedelta(seconds=seconds)

    assert said.moment(said.portable(moment, _NOW), _NOW) == moment.timestamp()
    assert said.portable(timedelta(seconds=5), _NOW) == 5.0
    assert said.portable("inherit", _NOW) == "inherit"


def test_one_that_was_asked_for_is_inherited_as_it_is_and_a_default_one_as_what_is_left() -> None:
    asked = {deadline.DEADLINE: _NOW + 5}

    with within_task(**asked) as request:
        assert deadline.inherited(request, _NOW) == asked | {deadline.INHERITED: True}
    with within_task(60, **{deadline.IS_DEFAULT: True}) as request:
        handed = deadline.inherited(request, time.time())
    with within_task() as request:
        assert deadline.inherited(request, _NOW) == {}

    assert handed.keys() == {deadline.LEFT, deadline.INHERITED}
    assert 50 < handed[deadline.LEFT] <= 60


@pytest.mark.parametrize(
    ("parent_at", "own_seconds", "expected"),
    [(60.0, None, 60), (60.0, 5, 5), (60.0, timedelta(seconds=600), 60), (None, 5, 5), (None, None, None)],
)
def test_what_follows_has_the_earlier_one_of_its_parents_and_its_own(
    parent_at: float | None, own_seconds: Any, expected: float | None
) -> None:
    child = SimpleNamespace(deadline=own_seconds)

    with within_task(parent_at) as parent, published.following(parent):
        made = published.headers(child, "child", None, None, {})

    if expected is None:
        assert made == {}
    else:
        assert made[deadline.DEADLINE] - time.time() == pytest.approx(expected, abs=2)


def test_an_ordinary_child_inherits_when_it_asks_and_never_fails_of_it() -> None:
    with within_task(-5) as parent:
        assert published.headers(None, "child", None, None, {}) == {}
        asked = published.headers(None, "child", "inherit", None, {})
        assert asked == {deadline.DEADLINE: parent.get(deadline.DEADLINE), deadline.INHERITED: True}

    assert published.headers(None, "child", "inherit", None, {}) == {}


def test_one_that_was_inherited_or_is_a_canvass_counts_no_longer_than_the_tasks_own() -> None:
    child = SimpleNamespace(deadline=2)
    canvas = said.canvas(time.time() + 100)

    with within_task(100):
        made = published.headers(child, "child", "inherit", None, {})
    of_canvas = published.headers(child, "child", canvas, None, {})
    of_unknown = published.headers(None, "child", canvas, None, {})

    assert [each[deadline.DEADLINE] - time.time() for each in (made, of_canvas)] == pytest.approx(
        [2, 2], abs=1
    )
    # The worker compares the two.
    assert of_unknown.keys() == {deadline.DEADLINE, deadline.INHERITED}


def test_what_follows_a_success_is_lost_for_no_deadline() -> None:
    passed = "2020-01-01T00:00:00+00:00"
    with within_task(30) as parent, published.following(parent):
        late = published.headers(None, "next", passed, None, {"eta": "2035-01-01T00:00:00+00:00"})
        garbage: Any = published.headers(None, "next", {"no": "deadline"}, None, {})  # type: ignore[arg-type]

    assert late == {deadline.DEADLINE: datetime.fromisoformat(passed).timestamp()}
    assert garbage == {deadline.DEADLINE: parent.get(deadline.DEADLINE), deadline.INHERITED: True}


def test_the_callers_headers_count_more_than_what_is_inherited() -> None:
    with within_task(30) as parent, published.following(parent):
        assert published.headers(None, "next", None, {deadline.LEFT: 3}, {}) == {}


def test_what_is_left_is_the_least_of_the_tasks_and_the_contexts() -> None:
    manager = TimeoutManager(TimeoutConfig(10, 100, enable_progressive_timeout=False))
    assert deadline_left() is None
    assert within(7) == 7
    with within_task(1000):
        assert 900 < (deadline_left() or 0) <= 1000
        with manager.timeout_context("read", 50):
            assert 40 < (deadline_left() or 0) <= 50
            assert within(7) == 7
        assert 900 < (deadline_left() or 0) <= 1000
    with within_task(-1):
        assert deadline_left() == 0


@pytest.mark.parametrize("value", [-1, 0, True, float("nan"), "inherit", datetime(2035, 1, 1, tzinfo=UTC)])
def test_a_task_whose_own_deadline_makes_no_sense_is_not_registered(value: Any) -> None:
    app = Celery("refused", set_as_current=False, task_cls=Task)

    with pytest.raises(InvalidDeadline) as refused:
        app.task(name="shop.pay", shared=False, deadline=value, lazy=False)(_run)

    assert str(refused.value) == (
        "shop.pay: its deadline must be a number of seconds or a timedelta, more than 0 and ten years at "
        f"most: {value!r}"
    )
    assert "shop.pay" not in app.tasks


def _run() -> None:
    """Nothing is run here."""
