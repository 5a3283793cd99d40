"""What is accepted as a delivery, and what is said of what is not."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InvalidHook
from tests.unit.hooks.deliveries import delivery_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=10,
)


def test_a_whole_delivery_is_taken_as_it_is() -> None:
    found = delivery_of({"event": "issues", "payload": {"a": 1}, "source": "shop", "delivery_id": "d-7"})
    assert (found.id, found.source, found.event, found.payload) == ("d-7", "shop", "issues", {"a": 1})


def test_source_and_id_may_be_left_away_or_null() -> None:
    found = delivery_of({"event": "push", "payload": {}, "source": None, "delivery_id": None})
    assert (found.id, found.source) == ("made-up", "github")


@pytest.mark.parametrize(
    ("ingested", "sentence"),
    [
        ([], "an object; found a list"),
        ("text", "an object; found the text 'text'"),
        (None, "an object; found null"),
        ({"payload": {}}, "`event` is missing"),
        ({"event": "push"}, "`payload` is missing"),
        ({"event": 5, "payload": {}}, "`event` must be a text of 1 to 200 characters; found 5"),
        ({"event": " ", "payload": {}}, "`event` must be a text of 1 to 200 characters; found the text ' '"),
        ({"event": "e" * 201, "payload": {}}, "found a text of 201 characters"),
        ({"event": "push", "payload": []}, "`payload` must be an object; found a list"),
        ({"event": "push", "payload": None}, "`payload` must be an object; found null"),
        (
            {"event": "push", "payload": {"a": float("nan")}},
            "cannot be written as JSON: Out of range float values",
        ),
        ({"event": "push", "payload": {"a": float("inf")}}, "Out of range float values"),
        ({"event": "push", "payload": {"a": {1, 2}}}, "Object of type set is not JSON serializable"),
        ({"event": "push", "payload": {}, "source": False}, "`source` must be a text"),
        ({"event": "push", "payload": {}, "delivery_id": ""}, "`delivery_id` must be a text"),
        ({"event": "push", "payload": {}, "delivery_id": 12}, "`delivery_id` must be a text"),
        ({"event": "push", "payload": {}, "delivery_id": "a\0b"}, "without NUL and lone surrogates"),
        ({"event": "push", "payload": {}, "delivery_id": "a\ud800"}, "found the text 'a\\ud800'"),
        ({"event": "push", "payload": {}, "delivery_id": "x" * 201}, "found a text of 201 characters"),
    ],
)
def test_what_is_no_delivery_is_refused_with_a_sentence(ingested: object, sentence: str) -> None:
    with pytest.raises(InvalidHook) as refused:
        delivery_of(ingested)
    assert sentence in str(refused.value)


def test_a_payload_above_the_limit_is_refused_and_one_at_the_limit_is_not() -> None:
    payload = {"a": "x" * 92}
    assert delivery_of({"event": "push", "payload": payload}, limit=100).payload == payload
    with pytest.raises(InvalidHook, match=r"at most 99 bytes .*OMNINODE_HOOK_MAX_BYTES.*found 100"):
        delivery_of({"event": "push", "payload": payload}, limit=99)


def test_a_payload_that_is_nested_too_deeply_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(InvalidHook, match="at most 200 levels"):
        delivery_of({"event": "push", "payload": deep})


def test_a_payload_of_200_levels_is_taken() -> None:
    deep: dict[str, Any] = {}
    for _ in range(199):
        deep = {"a": deep}
    assert delivery_of({"event": "push", "payload": deep}).payload == deep


def test_nul_and_lone_surrogates_stay_in_the_payload_and_leave_the_names() -> None:
    found = delivery_of({"event": "a\0b", "payload": {"t": "\0\ud800"}})
    assert found.event == "a\ufffdb"
    assert found.payload_json == '{"t":"\\u0000\\ud800"}'


@given(JSON)
def test_whatever_is_ingested_is_taken_or_refused(ingested: object) -> None:
    for candidate in (ingested, {"event": "e", "payload": ingested}, {"event": ingested, "payload": {}}):
        with suppress(InvalidHook):
            found = delivery_of(candidate)
            assert json.loads(found.payload_json) == found.payload
