"""What has waited for too long where nobody claims it, by what its headers say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.sweep.judging import Unserved, judge

_NOW = 2_000_000.0
_DAY = 86_400
_QUEUE = Unserved("mails", 48.0)
_PAUSED = Unserved("mails", 48.0, is_paused=True)
_STAMP, _DEADLINE, _DEFAULT = "omninode-enqueued-at", "omninode-deadline", "omninode-deadline-default"


def _reason(headers: dict[str, Any], queue: Unserved = _QUEUE, own: float | None = None) -> str:
    found = judge(headers, SimpleNamespace(deadline=own) if own else None, queue, _NOW)
    return found.reason if found else ""


def test_a_deadline_that_somebody_asked_for_counts_to_the_second() -> None:
    assert _reason({_DEADLINE: _NOW}) == "deadline_exceeded"
    assert _reason({_DEADLINE: _NOW + 1}) == ""
    assert _reason({_DEADLINE: _NOW - 1}, _PAUSED) == "deadline_exceeded"


def test_a_deadline_that_nobody_asked_for_is_no_time_of_waiting() -> None:
    assert _reason({_DEADLINE: _NOW - 1, _DEFAULT: True}) == ""
    assert _reason({"omninode-deadline-left": 0}) == ""


def test_of_a_tasks_own_deadline_and_one_that_it_has_inherited_the_earlier_one_counts() -> None:
    inherited = {_DEADLINE: _NOW + 9, "omninode-deadline-inherited": True}

    assert _reason({_STAMP: _NOW - 10}, own=9) == "deadline_exceeded"
    assert _reason({_STAMP: _NOW - 10}, own=11) == ""
    assert _reason({}, own=9) == ""
    assert _reason(inherited | {_STAMP: _NOW - 10}, own=9) == "deadline_exceeded"
    assert _reason({_STAMP: _NOW - 10, _DEADLINE: _NOW + 9}, own=9) == ""


def test_what_has_expired_is_that_first() -> None:
    expired = {"expires": "1970-01-24T03:33:19+00:00"}

    assert _reason(expired) == "expired"
    assert _reason(expired | {_DEADLINE: _NOW - 1}) == "expired"
    assert _reason(expired, _PAUSED) == "expired"
    assert _reason({"expires": "1970-01-24T03:33:21+00:00"}) == ""
    # Which zone is meant a worker knows.
    assert _reason({"expires": "1970-01-24T03:33:19"}) == ""


def test_the_limit_of_a_queue_counts_from_when_a_message_could_have_been_claimed() -> None:
    old = {_STAMP: _NOW - 3 * _DAY}

    assert _reason(old) == "deadline_exceeded"
    assert _reason({_STAMP: _NOW - 2 * _DAY}) == ""
    assert _reason(old | {"eta": "1970-01-23T00:00:00+00:00"}) == ""
    assert (
        _reason(old | {"omninode-failures": [["1970-01-02", "E"], ["1970-01-23T00:00:00+00:00", "E"]]}) == ""
    )
    assert _reason(old | {"omninode-aside": {"since": _NOW - _DAY}}) == ""
    assert _reason(old | {"omninode-aside": {"since": _NOW - 4 * _DAY}}) == "deadline_exceeded"


def test_the_limit_of_a_queue_counts_neither_while_it_is_paused_nor_without_a_stamp() -> None:
    assert _reason({_STAMP: _NOW - 3 * _DAY}, _PAUSED) == ""
    assert _reason({"eta": "1970-01-02T00:00:00+00:00"}) == ""


def _sentence(headers: dict[str, Any], queue: Unserved = _QUEUE) -> str:
    found = judge(headers, None, queue, _NOW)
    return found.sentence if found else ""


def test_it_is_said_in_a_sentence() -> None:
    late = "not begun: its deadline was due at 1970-01-01T00:01:00.000+00:00; it "
    enqueued = "was enqueued at 1970-01-01T00:00:00.500+00:00, and "

    assert _sentence({_DEADLINE: 60.0, _STAMP: 0.5}, _PAUSED) == (
        f"{late}{enqueued}has waited for its turn in the queue 'mails', which is paused"
    )
    assert _sentence({_DEADLINE: 60.0}) == (
        f"{late}has waited for its turn in the queue 'mails', which no worker serves"
    )
    assert _sentence({_STAMP: _NOW - 3 * _DAY - 3600}) == (
        "not begun: it has waited for 3d 1h in the queue 'mails', which no worker serves: longer than "
        "OMNINODE_QUEUE_LIMIT_HOURS (48) allows"
    )


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_NAMES = (
    *("eta", "expires", _STAMP, _DEADLINE, _DEFAULT, "omninode-deadline-left", "omninode-deadline-inherited"),
    *("omninode-failures", "omninode-aside"),
)


@given(headers=st.dictionaries(st.sampled_from(_NAMES), _ANY), own=st.none() | st.floats(0.1, 1e6))
def test_whatever_stands_in_its_headers_a_message_is_judged(
    headers: dict[str, Any], own: float | None
) -> None:
    assert _reason(headers, own=own) in {"", "expired", "deadline_exceeded"}
