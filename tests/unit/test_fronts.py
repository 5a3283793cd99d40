"""Since when a message waits for a worker, by what its headers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.queues.fronts import since

_ETA = "1970-01-01T00:02:00+00:00"


@pytest.mark.parametrize(
    ("enqueued", "eta", "failed", "aside", "expected"),
    [
        ("100.5", "", "", "", 100.5),
        ("100", _ETA, "", "", 120.0),
        ("100", "1970-01-01T00:02:00", "", "", 120.0),
        ("130", _ETA, "", "", 130.0),
        ("100", "", "1970-01-01T00:05:00.000+00:00", "", 300.0),
        ("100", _ETA, "", "200", 200.0),
        ("", _ETA, "", "200", None),
        ("e", "", "", "", None),
        ("1e999", "", "", "", None),
        ("100", "tomorrow", "--", "-", 100.0),
        ("100", "0001-01-01T00:00:00+23:59", "", "", 100.0),
    ],
)
def test_it_waits_since_the_latest_moment_that_it_tells_of(
    enqueued: str, eta: str, failed: str, aside: str, expected: float | None
) -> None:
    assert since(enqueued, eta, failed, aside) == expected


_texts = st.text(alphabet="0123456789:.TZe+-", max_size=30)


@given(_texts, _texts, _texts, _texts)
def test_no_text_breaks_it_and_it_is_never_before_the_enqueue(
    enqueued: str, eta: str, failed: str, aside: str
) -> None:
    moment = since(enqueued, eta, failed, aside)

    assert moment is None or moment >= float(enqueued)
