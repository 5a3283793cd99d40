"""What open circuits, and tasks that wait for them, mean for health."""

from monitoring.health.probes.breakers import Unused, judge
from monitoring.health.verdict import Degraded
from orchestrator.breaker.state import State
from orchestrator.transport.asides import Waiting

NOW = 1_780_315_200.0  # 2026-06-01 12:00:00 UTC


def test_without_breakers_there_is_nothing_to_say() -> None:
    assert judge([], [], NOW, {}) == "none is in use"


def test_closed_circuits_are_healthy_and_what_still_waits_is_told() -> None:
    states = [State("bank", ramp_left_seconds=5), State("post", circuit="open", mode="disabled")]

    assert judge(states, [Waiting("bank", 1200, NOW - 332)], NOW, {}) == (
        "every circuit lets calls through; 'bank': 1,200 tasks wait for it, the first for 5m 32s"
    )


def test_an_open_circuit_says_until_when_and_who_waits_for_how_long() -> None:
    found = judge([State("bank", circuit="open", left_seconds=30)], [Waiting("bank", 1, NOW - 40)], NOW, {})

    assert found == Degraded("'bank' is open until 2026-06-01 12:00:30 UTC: 1 task waits for it, for 40s")


def test_what_is_isolated_or_half_open_is_degraded_too() -> None:
    states = [
        State("bank", mode="isolated", mode_left_seconds=60),
        State("mail", circuit="half_open", left_seconds=3),
        State("post", circuit="open"),
    ]

    assert judge(states, [Waiting("post", 7, None)], NOW, {}) == Degraded(
        "'post' is open, and a probe is due: 7 tasks wait for it; "
        "'bank' is isolated by hand until 2026-06-01 12:01:00 UTC: no task waits for it; "
        "'mail' is half-open, and a probe is on its way: no task waits for it"
    )


def test_many_are_counted() -> None:
    states = [State(f"model:{number}", circuit="open") for number in range(9)]

    found = judge(states, [], NOW, {})

    assert isinstance(found, Degraded)
    assert found.sentence.endswith("; 6 more not closed")


def test_a_circuit_that_nobody_uses_any_more_is_no_trouble_and_it_is_said_what_to_do() -> None:
    states = [State("bank"), State("a script", circuit="open")]

    assert judge(states, [], NOW, {"a script": Unused(18_180.0, is_deliberate=False)}) == (
        "every circuit in use lets calls through; 'a script' is not closed, but not used for 5h 3m: "
        "`omninode breakers reset 'a script' --why …` if it is gone"
    )


def test_one_that_nobody_uses_is_named_beside_one_that_is_trouble() -> None:
    states = [State("bank", circuit="open"), State("a script", circuit="open")]

    found = judge(states, [], NOW, {"a script": Unused(18_180.0, is_deliberate=False)})

    assert isinstance(found, Degraded)
    assert found.sentence.startswith(
        "'bank' is open, and a probe is due: no task waits for it; 'a script' is"
    )


def test_a_circuit_that_was_opened_on_purpose_is_trouble_though_nobody_uses_it() -> None:
    found = judge([State("bank", circuit="open")], [], NOW, {"bank": Unused(18_180.0, is_deliberate=True)})

    assert found == Degraded(
        "'bank' is open, and a probe is due: opened by hand, and not used for 5h 3m; "
        "`omninode breakers reset bank --why …` closes it"
    )
