"""Which rows cover a time: each minute once, as exactly as rows are kept."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitoring.history.tiers import MINUTES, Span, oldest, spans

NOW = 29_000_000
DAY = 1440


def _minutes(span: Span) -> range:
    return range(span.first, span.end)


@given(st.integers(0, 4 * DAY), st.integers(0, 3 * DAY))
def test_while_minutes_are_kept_a_time_is_covered_to_the_minute(ago: int, length: int) -> None:
    since, end = NOW - ago, min(NOW + 1, NOW - ago + length)

    found = spans(since, end, NOW, retention_hours=24 * 5)

    covered = [minute for span in found for minute in _minutes(span) if minute <= NOW]
    assert covered == list(range(since, end if end <= NOW else NOW + 1))
    assert all(span.first % MINUTES[span.tier] == 0 == span.end % MINUTES[span.tier] for span in found)


@given(st.integers(0, 200 * DAY), st.floats(0.5, 100))
def test_what_is_older_begins_with_its_hour_or_day_and_misses_nothing(
    ago: int, retention_hours: float
) -> None:
    since = NOW - ago

    found = spans(since, NOW + 1, NOW, retention_hours)

    assert all(one.end == other.first for one, other in pairwise(found))
    assert found[0].first <= since < found[0].first + MINUTES[found[0].tier]
    assert found[-1].end > NOW
    assert all(span.first >= oldest(NOW, retention_hours, span.tier) for span in found)


def test_a_day_up_to_now_is_few_rows() -> None:
    # From 21:20 on the day before until 21:20.
    assert spans(NOW - DAY, NOW + 1, NOW, 24.0) == [
        Span("minute", NOW - DAY, NOW - DAY + 40),
        Span("hour", NOW - DAY + 40, NOW - DAY + 160),
        Span("day", NOW - DAY + 160, NOW + 160),
    ]
