"""What one types after `omninode breakers`: lengths of time, names and patterns."""

import click
import pytest

from orchestrator.breaker.state import State
from orchestrator.breaker.words import word
from orchestrator.cli.breakers.lengths import LENGTH, spelled
from orchestrator.cli.breakers.picking import Picked, pick

NAMES = ["kafka", "model:gpt", "model:local", "odd[1]", "postgresql"]


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("45", 45), ("0.5s", 0.5), (" 5m ", 300)],
)
def test_a_length_is_typed_with_its_units(typed: str, seconds: float) -> None:
    assert LENGTH.convert(typed, None, None) == seconds


@pytest.mark.parametrize("typed", ["", "0", "0m", "-5m", "5 m", "m", "1m1h", "1e3", "inf", "٣m", "soon"])
def test_what_is_no_length_is_refused(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="no length of time such as 90s"):
        LENGTH.convert(typed, None, None)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (0.04, "0.1s"),
        (2.46, "2.5s"),
        (9.96, "10s"),
        (59.6, "1m"),
        (90, "1m30s"),
        (5400, "1h30m"),
        (86_401, "1d"),
    ],
)
def test_a_length_is_shown_in_its_largest_units(seconds: float, shown: str) -> None:
    assert spelled(seconds) == shown


@pytest.mark.parametrize(
    ("asked", "picked"),
    [
        (["kafka", "kafka"], Picked(("kafka",), (), by_pattern=False)),
        (["model:*", "kafka"], Picked(("kafka", "model:gpt", "model:local"), (), by_pattern=True)),
        (["odd[1]"], Picked(("odd[1]",), (), by_pattern=False)),
        (["nothing*"], Picked((), (), by_pattern=True)),
        (["new", "kafka"], Picked(("kafka",), ("new",), by_pattern=False)),
    ],
)
def test_breakers_are_picked_by_name_before_by_pattern(asked: list[str], picked: Picked) -> None:
    assert pick(asked, NAMES) == picked


@pytest.mark.parametrize(
    ("state", "called"),
    [
        (State("a"), "closed"),
        (State("a", ramp_left_seconds=2), "ramping"),
        (State("a", "open"), "open"),
        (State("a", "half_open"), "half-open"),
        (State("a", "open", mode="shadow"), "shadow"),
        (State("a", mode="isolated"), "isolated"),
    ],
)
def test_a_state_has_one_word(state: State, called: str) -> None:
    assert word(state) == called
