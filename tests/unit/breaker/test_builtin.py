"""The breakers that OmniNode itself calls through."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator import settings
from orchestrator.breaker import breaker, builtin
from orchestrator.breaker.configured import configured
from orchestrator.policy import Policy
from orchestrator.settings import Settings


@pytest.mark.parametrize("name", ["postgresql", "kafka", "model:gpt", "health:redis", "hooks:github"])
def test_ours_have_policies_of_three_to_five_failures_and_fifteen_seconds(name: str) -> None:
    found = builtin.builtin(name)

    assert found
    assert found.policy.failure_threshold in {3, 5}
    assert found.policy.open_seconds == 15.0
    assert breaker(name).policy == found.policy


def test_another_name_is_nobody_s() -> None:
    assert builtin.builtin("postgresql2") is None
    assert builtin.builtin("models:gpt") is None


@pytest.fixture
def said() -> Iterator[Callable[[dict[str, Any]], object]]:
    """Have the settings say this of breakers."""
    yield lambda breakers: settings.use(Settings.model_validate({"breakers": breakers}))
    settings.forget()


def test_what_the_settings_say_comes_first_and_the_rest_stays_ours(said: Callable[[Any], object]) -> None:
    said({"hooks:*": {"failure_threshold": 7}, "*": {"open_seconds": 44}})

    assert configured("hooks:shop") == Policy(failure_threshold=7, open_seconds=15, open_cap_seconds=60)
    assert configured("kafka") == Policy(
        failure_threshold=3, failure_rate=None, open_seconds=44, open_cap_seconds=60, ramp_seconds=0
    )
    assert configured("payments") == Policy(open_seconds=44)


def test_an_open_time_longer_than_our_longest_is_the_longest(said: Callable[[Any], object]) -> None:
    said({"kafka": {"open_seconds": 100}})

    assert configured("kafka").open_cap_seconds == 100.0


def test_one_of_ours_is_not_left_without_a_condition(said: Callable[[Any], object]) -> None:
    said({"kafka": {"failure_threshold": None}})

    assert configured("kafka").failure_rate == 0.5


def test_a_long_name_is_shortened_and_still_is_only_its_own() -> None:
    names = {builtin.hooks("x" * 200), builtin.hooks("x" * 199 + "y")}

    assert len(names) == 2
    assert all(len(name) == 200 and name.startswith("hooks:xxx") for name in names)
