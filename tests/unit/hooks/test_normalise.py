"""One shape for hooks of every source, whatever is in their payloads."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.storable import is_clean
from tasks.hooks.sources.github_events import EVENTS
from tasks.hooks.sources.normalise import normalise
from tests.unit.hooks.deliveries import delivery

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
REPOSITORY = {"id": 1, "full_name": "octocat/hello"}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("number", "id", "from", "to", "full_name", "updated_at", "head_sha", "state", "x")
            ),
            inside,
            max_size=4,
        )
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["action", "changes", "repository", "ref", "before", "after", "number", "sender"]
    + [key for _, key in EVENTS.values() if key]
)


def test_an_opened_issue() -> None:
    event = normalise(
        delivery(
            "issues",
            {
                "action": "opened",
                "issue": {
                    "id": 9,
                    "number": 7,
                    "state": "open",
                    "locked": False,
                    "updated_at": "2024-03-01T10:00:00+02:00",
                },
                "repository": REPOSITORY,
            },
        ),
        NOW,
    )
    assert event.name == "github.issues.opened"
    assert (event.id, event.source, event.event, event.action) == ("d-1", "github", "issues", "opened")
    assert (event.resource, event.resource_id) == ("issue", "octocat/hello#7")
    assert event.correlation_id == "octocat/hello#7"
    assert event.timestamp == datetime(2024, 3, 1, 8, 0, tzinfo=UTC)
    assert event.timestamp.tzinfo == UTC
    assert event.previous_state == {}
    assert event.current_state == {"state": "open", "locked": False}


def test_a_comment_belongs_to_its_issue() -> None:
    payload = {"action": "created", "comment": {"id": 5}, "issue": {"number": 7}, "repository": REPOSITORY}
    event = normalise(delivery("issue_comment", payload), NOW)
    assert (event.resource, event.resource_id) == ("issue_comment", "5")
    assert event.correlation_id == "octocat/hello#7"


def test_an_edit_tells_what_was_before() -> None:
    payload = {
        "action": "edited",
        "issue": {"number": 7, "title": "new", "state": "open"},
        "changes": {"title": {"from": "old"}},
        "repository": REPOSITORY,
    }
    event = normalise(delivery("issues", payload), NOW)
    assert event.previous_state == {"title": "old"}
    assert event.current_state == {"state": "open", "title": "new"}


def test_a_change_that_stands_one_level_deeper_is_found() -> None:
    payload = {
        "action": "renamed",
        "changes": {"repository": {"name": {"from": "old"}}},
        "repository": REPOSITORY | {"name": "hello"},
    }
    event = normalise(delivery("repository", payload), NOW)
    assert event.previous_state == {"repository.name": "old"}
    assert event.current_state == {"repository.name": "hello"}


def test_a_push_has_no_action_and_moves_a_ref() -> None:
    payload = {
        "ref": "refs/heads/main",
        "before": "a" * 40,
        "after": "b" * 40,
        "head_commit": {"timestamp": "2024-03-01T10:00:00Z"},
        "repository": REPOSITORY,
    }
    event = normalise(delivery("push", payload), NOW)
    assert event.name == "github.push"
    assert (event.resource, event.resource_id) == ("ref", "octocat/hello@refs/heads/main")
    assert event.correlation_id == f"octocat/hello@{'b' * 40}"
    assert (event.previous_state, event.current_state) == ({"sha": "a" * 40}, {"sha": "b" * 40})


def test_creating_and_pushing_a_branch_are_about_the_same_resource() -> None:
    payload = {"ref": "main", "ref_type": "branch", "repository": REPOSITORY}
    assert normalise(delivery("create", payload), NOW).resource_id == "octocat/hello@refs/heads/main"


def test_a_status_and_a_check_of_one_commit_belong_together() -> None:
    status = normalise(delivery("status", {"sha": "abc", "state": "success", "repository": REPOSITORY}), NOW)
    check = normalise(
        delivery("check_run", {"check_run": {"id": 3, "head_sha": "abc"}, "repository": REPOSITORY}), NOW
    )
    assert status.correlation_id == check.correlation_id == "octocat/hello@abc"
    assert status.current_state == {"state": "success"}


def test_a_deleted_branch_belongs_to_no_commit() -> None:
    event = normalise(delivery("push", {"after": "0" * 40, "repository": REPOSITORY}), NOW)
    assert event.correlation_id == "d-1"


def test_a_hook_of_another_source_is_read_by_common_names() -> None:
    payload = {"id": 12, "correlation_id": "order-12", "timestamp": 1709287200000, "status": "paid"}
    event = normalise(delivery("order", payload, source="shop"), NOW)
    assert event.name == "shop.order"
    assert (event.resource, event.resource_id, event.correlation_id) == ("order", "12", "order-12")
    assert event.timestamp == datetime(2024, 3, 1, 10, 0, tzinfo=UTC)
    assert event.current_state == {"status": "paid"}


@pytest.mark.parametrize(
    "moment",
    [
        "yesterday",
        "",
        None,
        True,
        [],
        {},
        "2031-01-01T00:00:00Z",
        "1812-01-01",
        1e300,
        -1,
        "0001-01-01T00:00+14:00",
    ],
)
def test_a_moment_that_cannot_be_believed_is_replaced_by_now(moment: object) -> None:
    event = normalise(delivery("order", {"timestamp": moment}, source="shop"), NOW)
    assert event.timestamp == NOW


def test_nothing_that_names_it_makes_a_hook_stand_alone() -> None:
    event = normalise(delivery("order", {}, source="shop"), NOW)
    assert (event.resource_id, event.correlation_id) == ("d-1", "d-1")


def test_a_long_identity_is_shortened_and_stays_distinct() -> None:
    first, second = (
        normalise(delivery("order", {"id": "x" * 5000 + end}, source="shop"), NOW).resource_id for end in "ab"
    )
    assert len(first) == len(second) == 200
    assert first != second


@given(st.sampled_from((*EVENTS, "unheard_of")), st.dictionaries(KEYS, VALUES, max_size=6))
@example("issues", {"issue": {"number": 10**4000}, "repository": {"full_name": "a/b"}})
@example("push", {"after": "\ud800", "ref": "\0", "repository": {"full_name": "\0"}})
def test_any_payload_gives_an_event_that_can_be_stored(event: str, payload: dict[str, Any]) -> None:
    for source in ("github", "shop"):
        found = normalise(delivery(event, payload, source=source), NOW)
        for text in (found.action, found.resource, found.resource_id, found.correlation_id):
            assert isinstance(text, str)
            assert is_clean(text)
            assert len(text) <= 200
        assert found.resource_id
        assert found.correlation_id
        assert datetime(1970, 1, 1, tzinfo=UTC) <= found.timestamp <= NOW + timedelta(days=1)
        assert isinstance(found.previous_state, dict)
        assert isinstance(found.current_state, dict)
