"""A filter as JSON: read as it is written, and refused with a sentence that names the key."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.errors import InvalidFilter
from orchestrator.index.filters import Filter

WHOLE = Filter(
    ids=("a",),
    queues=("b", "c"),
    tasks=("d",),
    reasons=("expired",),
    exceptions=("e",),
    fingerprints=("f",),
    correlation_ids=("g",),
    task_ids=("h",),
    states=("open", "parked"),
    text="connection refused",
    since=datetime(2026, 1, 31, 9, tzinfo=UTC),
    until=datetime(2026, 2, 1, tzinfo=UTC),
)


def test_a_filter_is_read_from_json_as_it_was_written() -> None:
    spelled = WHOLE.as_json()

    assert (spelled["queues"], spelled["since"]) == (["b", "c"], "2026-01-31T09:00:00+00:00")
    assert Filter.from_json(spelled) == WHOLE


def test_no_condition_is_an_empty_object() -> None:
    assert Filter().as_json() == {}
    assert Filter.from_json({}) == Filter()
    assert Filter.from_json({"queues": None, "text": None, "since": None}) == Filter()


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert Filter.from_json({"until": "2026-02-01"}).until == datetime(2026, 2, 1, tzinfo=UTC)


def test_an_age_is_counted_back_from_now() -> None:
    before = datetime.now(UTC) - timedelta(days=2)
    since = Filter.from_json({"since": " 2d"}).since

    assert since
    assert before <= since <= datetime.now(UTC) - timedelta(days=2)


@pytest.mark.parametrize(
    ("spelled", "sentence"),
    [
        ({"queue": ["a"]}, "a filter has no key 'queue': there are ids, queues, tasks"),
        ({1: ["a"]}, "a filter has no key '1'"),
        ({"queues": "a"}, r"queues of a filter must be a list of texts such as \[\"a\"\], not 'a'"),
        ({"tasks": [1]}, "tasks of a filter must be a list of texts"),
        ({"states": ["opened"]}, "states of a filter must be among open, replaying, .*, not 'opened'"),
        ({"text": ["a"]}, "text of a filter must be words, 1000 characters at most"),
        ({"text": "a" * 1001}, "text of a filter must be words, 1000 characters at most"),
        (
            {"since": "yesterday"},
            "since of a filter must be a time in ISO 8601 such as .*, or an age .*, not 'yesterday'",
        ),
        ({"until": 5}, "until of a filter must be a time in ISO 8601"),
        ({"until": "999999999w"}, "until of a filter must be a time in ISO 8601"),
        ({"reasons": ["expierd"]}, "reasons of a filter must be among exception, .*, foreign, not 'expierd'"),
        (["queues"], "a filter is an object such as"),
        ("queues", "a filter is an object such as"),
    ],
)
def test_what_is_no_filter_is_refused_with_a_sentence(spelled: Any, sentence: str) -> None:
    with pytest.raises(InvalidFilter, match=sentence):
        Filter.from_json(spelled)
