"""Every event of GitHub's has a handler, and no other event has this one."""

import pytest

from tasks.hooks.activity import remember_resource
from tasks.hooks.registry import handlers_for
from tasks.hooks.sources.github_events import EVENTS


def _is_remembered(name: str) -> bool:
    return remember_resource in [registration.handler for registration in handlers_for(name)]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_of_github_is_remembered_with_and_without_an_action(event: str) -> None:
    assert _is_remembered(f"github.{event}")
    assert _is_remembered(f"github.{event}.whatever")


@pytest.mark.parametrize(
    "name", ["github.unheard_of", "github.unheard_of.opened", "shop.push", "github.pushed"]
)
def test_another_event_is_not(name: str) -> None:
    assert not _is_remembered(name)
