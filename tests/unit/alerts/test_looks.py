"""Which looks confirm and clear: those that do not follow on each other's heels."""

from datetime import timedelta

import pytest

from monitoring.alerts.turn import Looks
from orchestrator.alerts import record
from tests.unit.alerts.standings import NOON

_LOOKS = Looks(record.stamp(NOON))


@pytest.mark.parametrize("seconds", [30, 3600, pytest.param(-3600, id="the clock was set back")])
def test_a_look_counts_from_half_an_interval_after_the_last_one_that_did(seconds: int) -> None:
    assert _LOOKS.counts(NOON + timedelta(seconds=seconds), 60.0)


@pytest.mark.parametrize("seconds", [0, 29])
def test_one_on_its_heels_does_not(seconds: int) -> None:
    assert not _LOOKS.counts(NOON + timedelta(seconds=seconds), 60.0)


def test_the_first_look_counts() -> None:
    assert Looks().counts(NOON, 60.0)
