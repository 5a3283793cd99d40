"""The texts of durations add up as the durations do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.history.values import added, is_readable, rest_of
from monitoring.recording.sums import Calls, joined
from monitoring.rollup.encoding import calls, durations

BUCKETS = st.dictionaries(st.integers(-160, 160), st.integers(1, 10**12), max_size=8)


@st.composite
def some_calls(draw: st.DrawFn) -> Calls:
    buckets = draw(BUCKETS)
    count = sum(buckets.values())
    least, most = sorted((draw(st.integers(0, 10**12)), draw(st.integers(0, 10**12))))
    return (
        Calls(count, draw(st.integers(0, 10**24)), buckets, least, most) if count else Calls(0, 0, {}, 0, 0)
    )


@given(st.lists(some_calls(), min_size=1, max_size=5))
def test_durations_add_up_as_their_sums_do(parts: list[Calls]) -> None:
    assert calls(added([durations(part) for part in parts])) == joined(parts)


@given(st.lists(st.integers(0, 10**15), min_size=1))
def test_counts_add_up(counts: list[int]) -> None:
    assert added([str(each) for each in counts]) == str(sum(counts))


@pytest.mark.parametrize(
    ("field", "value", "is_right"),
    [
        ('["outcome","t","q","succeeded",""]', "12", True),
        ('["outcome","t","q","succeeded",""]', "-12", False),
        ('["outcome","t","q","succeeded",""]', "1 2 3 4", False),
        ('["wait","q","t"]', "0 0 0 0", True),
        ('["wait","q","t"]', "1 5 5 5 -140 1", True),
        ('["wait","q","t"]', "1 5 5 5 -140", False),
        ('["wait","q","t"]', "1 5 5 5  -140 1", False),
        ('["wait","q","t"]', "1 5 5 5 -140 1\n", False),
        ('["wait","q","t"]', "1", False),
        ('["wait","q","t"]', "", False),
        ('["wait","q","t"]', "1e3 5 5 5", False),
        ('["wait","q","t"]', "\u0661 5 5 5", False),
    ],
)
def test_what_is_no_value_is_not_read(field: str, value: str, is_right: object) -> None:
    assert is_readable(field, value) is is_right


@pytest.mark.parametrize(
    ("field", "rest"),
    [
        ('["outcome","t","q","retried","e"]', '["outcome","other","other","retried","e"]'),
        ('["event","retry_attempt","t"]', '["event","retry_attempt","other"]'),
        ('["error","c","KeyError"]', '["error","other","other"]'),
        ('["call","c","o","error"]', '["call","other","other","error"]'),
        ('["wait","q","t"]', '["wait","other","other"]'),
    ],
)  # fmt: skip
def test_where_there_are_too_many_names_what_happened_is_still_told_apart(field: str, rest: str) -> None:
    assert rest_of(field) == rest
