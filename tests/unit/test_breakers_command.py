"""What one types after `omninode breakers`: lengths of time, names and patterns."""

import click
import pytest

from orchestrator.breaker import plain
from orchestrator.breaker.state import State
from orchestrator.breaker.transition import Transition
from orchestrator.breaker.words import word
from orchestrator.cli.breakers import rendering
from orchestrator.cli.breakers.picking import Picked, pick
from orchestrator.cli.deadletters.rendering import wrapped
from orchestrator.cli.lengths import LENGTH

NAMES = ["kafka", "model:gpt", "model:local", "odd[1]", "postgresql"]


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("45", 45),
        ("0.5s", 0.5),
        (" 5m ", 300),
        ("5m 32s", 332),
    ],
)
def test_a_length_is_typed_with_its_units(typed: str, seconds: float) -> None:
    assert LENGTH.convert(typed, None, None) == seconds


@pytest.mark.parametrize("typed", ["", "-5m", "5 m", "m", "1m1h", "1m 1h", "1e3", "inf", "٣m", "soon"])
def test_what_is_no_length_is_refused(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="no length of time such as 90s"):
        LENGTH.convert(typed, None, None)


@pytest.mark.parametrize("typed", ["0", "0m", "0s", "0.0s", "99999999d", "9999d"])
def test_a_length_is_above_none_and_of_ten_years_at_most(typed: str) -> None:
    with pytest.raises(click.BadParameter, match=f"above 0, and ten years at most, not '{typed}'"):
        LENGTH.convert(typed, None, None)


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


def test_what_is_to_be_made_may_have_brackets_in_its_name() -> None:
    asked = ["tenant[1]", "odd[1]", "model:*"]
    known = ("model:gpt", "model:local", "odd[1]")

    assert pick(asked, NAMES, create=True) == Picked(known, ("tenant[1]",), by_pattern=True)
    assert pick(["tenant[1]"], NAMES) == Picked((), (), by_pattern=True)


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


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State("a"), "closed"),
        (State("a", ramp_left_seconds=2.5), "ramping, for 2.5s"),
        (State("a", "open", left_seconds=332), "open, the next probe in 5m 32s"),
        (State("a", "half_open"), "half-open, a probe is due"),
        (State("a", "open", mode="shadow"), "shadow, until it is changed (would be open)"),
        (State("a", mode="isolated", mode_left_seconds=7200), "isolated, for 2h"),
    ],
)
def test_list_show_and_the_answer_to_an_action_say_alike_what_a_breaker_does(state: State, told: str) -> None:
    assert rendering.standing(state) == told


def test_a_change_by_hand_is_from_what_the_breaker_does_by_itself() -> None:
    change = Transition("a", "auto", "isolated", 1, "by hand: it moves", "ada", "", 1.0)

    assert rendering.change(change) == "by itself → isolated  by hand: it moves (by ada)"


def test_a_long_reason_is_wrapped_at_the_terminals_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    lines = wrapped(f"  by hand       {'because ' * 40}", 16).splitlines()

    assert (max(map(len, lines)), len(lines) > 4) == (79, True)
    assert all(line.startswith(" " * 16 + "because") for line in lines[1:])


def test_json_tells_moments_in_iso_8601_and_null_for_what_never_was() -> None:
    told = plain.state(State("a", born=1_780_315_230_400, policy="abc"))

    assert (told["born"], told["policy_id"], told["word"]) == (
        "2026-06-01T12:00:30.400+00:00",
        "abc",
        "closed",
    )
    assert plain.state(State("a"))["born"] is None
    assert "policy" not in told
