"""The breakers that OmniNode itself calls through."""

import pytest

from orchestrator import settings
from orchestrator.breaker import breaker, builtin
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


def test_what_the_settings_say_comes_first() -> None:
    settings.use(Settings.model_validate({"breakers": {"hooks:*": {"failure_threshold": 7}}}))
    try:
        assert breaker("hooks:shop").policy == Policy(failure_threshold=7)
    finally:
        settings.forget()


def test_a_long_name_is_shortened_and_still_is_only_its_own() -> None:
    names = {builtin.hooks("x" * 200), builtin.hooks("x" * 199 + "y")}

    assert len(names) == 2
    assert all(len(name) == 200 and name.startswith("hooks:xxx") for name in names)
