"""Whatever happens to an alert: whoever is told of it is told of its end, and nobody else is."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.alerts import changing, record
from orchestrator.alerts.changing import Change
from orchestrator.alerts.record import Alert, Silence
from orchestrator.alerts.standing import Standing
from tests.unit.alerts.standings import NOON, after, standing

NAME = "queue_age:mails"
STEPS = ("warning", "critical", "missed", "gone", "acknowledge", "silence", "unsilence", "forget")


def _planned(now: Standing, step: str, seconds: float) -> list[Change | None]:
    until = record.stamp(NOON + timedelta(seconds=seconds + 90))
    plans: dict[str, Callable[[], list[Change | None]]] = {
        "warning": lambda: [changing.found(now, Alert(NAME, "warning", "so it is"))],
        "critical": lambda: [changing.found(now, Alert(NAME, "critical", "so it is"))],
        "missed": lambda: [changing.missed(now, NAME)],
        "gone": lambda: [changing.gone(now, NAME)],
        "acknowledge": lambda: [changing.acknowledged(now, NAME, "ada", "on it")],
        "silence": lambda: [changing.silenced(now, Silence("queue_*", until, "ada", "why", now.stamp))],
        "unsilence": lambda: [changing.unsilenced(now, "queue_*", "ada", "")],
        "forget": lambda: [*changing.forgotten(now)],
    }
    return plans[step]()


@settings(max_examples=200)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=25))
def test_who_is_told_is_told_of_the_end_once_and_nothing_that_is_hidden(steps: list[str]) -> None:
    now, is_told = standing(), False
    for number, step in enumerate(steps):
        seconds = number * 60.0
        now = after(now, [], seconds)
        hidden = now.silence_of(NAME) is not None or (
            NAME in now.raised and now.raised[NAME].acknowledged is not None
        )
        changes = [each for each in _planned(now, step, seconds) if each]
        for change in changes:
            if change.event == "cleared":
                assert change.deliver == is_told
                is_told = False
            elif change.deliver:
                assert change.event in {"raised", "still_raised", "severity"}
                assert not hidden
                is_told = True
        now = after(now, changes, seconds)
        if NAME in now.raised:
            assert now.raised[NAME].is_told == is_told
        if step in {"warning", "critical"} and not hidden:
            assert is_told
