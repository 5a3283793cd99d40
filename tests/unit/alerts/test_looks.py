"""Which looks confirm and clear: those that do not follow on each other's heels."""

from datetime import timedelta

import pytest

from monitoring.alerts.turn import Looks
from orchestrator.alerts import record
from tests.unit.alerts.standings import NOON


@pytest.mark.parametrize(
    ("seconds", "counts"),
    [
        (0, False),
        (29, False),
        (30, True),
        (3600, True),
        pytest.param(-3600, True, id="the clock was set back"),
    ],
)
def test_a_look_counts_half_an_interval_after_the_last_one_that_did(seconds: int, counts: bool) -> None:
    looks = Looks(record.stamp(NOON))

    assert looks.counts(NOON + timedelta(seconds=seconds), 60.0) is counts


def test_the_first_look_counts() -> None:
    assert Looks().counts(NOON, 60.0)
