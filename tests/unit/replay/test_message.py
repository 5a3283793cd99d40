"""The message of a replay: what died, except what is named here."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.deadletter.death import Death, from_outbox
from orchestrator.deadletter.foreign import read as read_foreign
from orchestrator.errors import InvalidEdit, NotReplayable
from orchestrator.replay.edit import Edit
from orchestrator.replay.message import Rebuilt, rebuild

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PAST, FUTURE = "2026-06-01T11:59:59+00:00", "2026-06-01T12:00:01+00:00"
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_RENEWED = {"retries", "omninode-enqueued-at", "omninode-letter", "omninode-replays"}
_FRESH = {"delivery_tag", "delivery_info"}
_OLD_BODY = {"task": "shop.pay", "id": "task-1", "args": [1], "kwargs": {}, "retries": 0, "expires": None}


def _died(
    headers: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
    body: bytes = b"[[1], {}, {}]",
    **rest: Any,
) -> Death:
    envelope = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": "shop.pay", "id": "task-1"} | (headers or {}),
        "properties": {"body_encoding": "base64", "delivery_tag": "t", "delivery_info": {}}
        | (properties or {}),
    }
    return from_outbox({"id": "letter-1"}, json.dumps(envelope | rest).encode())


def _foreign(value: bytes, headers: dict[str, str] | None = None) -> Death:
    return read_foreign("shop.dlq/0/0", "shop", value, headers or {}, NOW)


def _replay(death: Death, edit: Edit | None = None) -> Rebuilt:
    return rebuild(death, 1, "shop", NOW, edit)


def _body(rebuilt: Rebuilt) -> Any:
    return json.loads(base64.b64decode(rebuilt.envelope["body"]))


@given(
    headers=st.dictionaries(st.text(max_size=8), _JSON, max_size=4),
    properties=st.dictionaries(st.text(max_size=8), _JSON, max_size=3),
    body=st.binary(max_size=30),
)
def test_a_replay_is_what_died_but_for_its_delivery_and_its_retries(
    headers: dict[str, Any], properties: dict[str, Any], body: bytes
) -> None:
    properties = {name: value for name, value in properties.items() if name != "body_encoding"}
    headers = headers | {"retries": 3, "task": "shop.pay", "id": "task-1"}
    death = _died(headers, properties, body)

    made = _replay(death).envelope

    assert base64.b64decode(made["body"]) == body
    assert (made["content-type"], made["content-encoding"]) == ("application/json", "utf-8")
    kept = {name: value for name, value in made["headers"].items() if name not in _RENEWED}
    assert kept == {name: value for name, value in headers.items() if name not in _RENEWED}
    assert made["headers"]["retries"] == 0
    assert (made["headers"]["omninode-letter"], made["headers"]["omninode-replays"]) == ("letter-1", 1)
    assert made["headers"]["omninode-enqueued-at"] == NOW.timestamp()
    assert made["properties"]["delivery_info"] == {"exchange": "", "routing_key": "shop"}
    old = {name: value for name, value in death.properties.items() if name not in _FRESH}
    assert {name: made["properties"][name] for name in old} == old


def test_the_same_replay_has_the_same_tag_and_the_next_one_another() -> None:
    tags = [
        rebuild(_died(), number, "shop", NOW).envelope["properties"]["delivery_tag"] for number in (1, 1, 2)
    ]

    assert tags[0] == tags[1] != tags[2]


def test_what_its_first_life_left_in_its_headers_is_gone() -> None:
    marks = {
        "omninode-failures": [[PAST, "E", "", ""]],
        "omninode-unsent": 2,
        "omninode-held": PAST,
        "omninode-aside": {"id": "1", "since": 0.5, "breaker": "bank"},
    }

    made = _replay(_died(marks)).envelope["headers"]

    assert not made.keys() & marks.keys()


def test_times_that_have_passed_are_taken_off_and_told() -> None:
    made = _replay(_died({"eta": PAST, "expires": PAST, "omninode-deadline": NOW.timestamp() - 1}))

    assert made.envelope["headers"]["eta"] is None
    assert made.envelope["headers"]["expires"] is None
    assert "omninode-deadline" not in made.envelope["headers"]
    assert made.changed == {"eta", "expires", "omninode-deadline"}


def test_a_deadline_that_nobody_asked_for_counts_anew() -> None:
    running = {"omninode-deadline": NOW.timestamp() + 60, "omninode-deadline-default": True}
    for headers in (running, {"omninode-deadline-left": 5.0}):
        made = _replay(_died(headers))

        assert not [name for name in made.envelope["headers"] if name.startswith("omninode-deadline")]
        assert made.changed == frozenset()


def test_a_deadline_to_come_that_was_asked_for_stays() -> None:
    made = _replay(_died({"omninode-deadline": NOW.timestamp() + 60}))

    assert made.envelope["headers"]["omninode-deadline"] == NOW.timestamp() + 60


def test_times_to_come_stay() -> None:
    made = _replay(_died({"eta": FUTURE, "expires": FUTURE}))

    assert (made.envelope["headers"]["eta"], made.envelope["headers"]["expires"]) == (FUTURE, FUTURE)
    assert made.changed == frozenset()


def test_a_time_that_utc_cannot_express_is_a_time_all_the_same() -> None:
    first = _replay(_died({"eta": "0001-01-01T00:00:00+10:00"}))
    last = _replay(_died({"eta": "9999-12-31T23:59:59-10:00"}))

    assert (first.changed, first.wait_ms) == (frozenset({"eta"}), 0)
    assert last.changed == set()
    assert last.wait_ms > 0


def test_a_message_that_cannot_be_written_is_not_replayable_rather_than_claimed() -> None:
    nested: Any = []
    for _ in range(20_000):
        nested = [nested]

    with pytest.raises(NotReplayable, match="its headers cannot be written as JSON"):
        _replay(replace(_died(), value_is="body", headers={"task": "shop.pay", "id": "1", "deep": nested}))


def test_an_endless_priority_is_none() -> None:
    assert _replay(_died(properties={"priority": float("inf")})).envelope["properties"]["priority"] == 0


def test_its_priority_and_its_correlation_id_stay() -> None:
    made = _replay(_died(properties={"priority": 6, "correlation_id": "c"})).envelope["properties"]

    assert (made["priority"], made["correlation_id"]) == (6, "c")


def test_a_member_of_a_chord_says_that_its_body_is_lost() -> None:
    body = json.dumps([[], {}, {"chord": {"task": "shop.sum"}}]).encode()

    assert _replay(_died(body=body)).lost == {"the body of its chord"}


def test_an_envelope_without_properties_is_repaired() -> None:
    whole = {"body": "WzEsIHt9LCB7fV0=", "headers": {"task": "shop.pay", "id": "task-1"}}
    whole["body"] = base64.b64encode(b"[[1], {}, {}]").decode()
    death = from_outbox({"id": "letter-1"}, json.dumps(whole).encode())

    made = _replay(death)

    assert _body(made) == [[1], {}, {}]
    assert made.envelope["content-type"] == "application/json"
    assert made.envelope["headers"]["id"] == made.envelope["properties"]["correlation_id"] == "task-1"
    assert made.envelope["properties"]["body_encoding"] == "base64"


def test_a_body_that_is_in_no_base64_is_taken_as_it_is() -> None:
    whole = {"body": "[[1], {}, {}]", "headers": {"task": "shop.pay", "id": "task-1"}, "properties": {}}

    assert _body(_replay(from_outbox({"id": "letter-1"}, json.dumps(whole).encode()))) == [[1], {}, {}]


def test_what_else_stood_in_the_envelope_stays() -> None:
    assert _replay(_died(extra={"a": 1})).envelope["extra"] == {"a": 1}


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\x00", b"[]", b"{}", b'"text"', b'{"headers": {"id": "1"}}', b"[" * 100_000]
)
def test_bytes_that_name_no_task_are_not_replayable_without_an_edit(raw: bytes) -> None:
    death = from_outbox({"id": "letter-1"}, raw)

    with pytest.raises(NotReplayable, match="names no task: replay it with --edit"):
        _replay(death)
    made = _replay(death, Edit(args=[5], task="shop.pay"))

    assert _body(made)[:2] == [[5], {}]
    assert made.envelope["headers"]["task"] == "shop.pay"
    assert (
        made.envelope["headers"]["id"] == _replay(death, Edit([], task="shop.pay")).envelope["headers"]["id"]
    )


def test_a_message_without_a_body_is_not_replayable_without_an_edit() -> None:
    raw = json.dumps({"headers": {"task": "shop.pay", "id": "task-1"}, "properties": {}}).encode()

    with pytest.raises(NotReplayable, match="no arguments of a task"):
        _replay(from_outbox({"id": "letter-1"}, raw))


def test_a_value_that_is_lost_is_said_so() -> None:
    lost = Death(
        **{**vars(_died()), "value": None, "value_is": "reference"},
    )

    with pytest.raises(NotReplayable, match="kept nowhere any more"):
        _replay(lost)


def test_a_whole_message_that_was_kept_apart_is_like_any_other() -> None:
    whole = json.dumps(
        {
            "body": base64.b64encode(b"[[1], {}, {}]").decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"task": "shop.pay", "id": "task-1", "group": "g"},
            "properties": {"body_encoding": "base64", "priority": 3},
        }
    ).encode()
    kept = Death(
        **{**vars(_died()), "value": whole, "value_is": "reference", "headers": {}, "properties": {}}
    )

    made = _replay(kept).envelope

    assert (made["headers"]["group"], made["properties"]["priority"]) == ("g", 3)


class TestFirstProtocol:
    def died(self, **changes: Any) -> Death:
        raw = json.dumps(_OLD_BODY | changes).encode()
        whole = {
            "body": base64.b64encode(raw).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {},
            "properties": {"body_encoding": "base64"},
        }
        return from_outbox({"id": "letter-1"}, json.dumps(whole).encode())

    def test_its_bytes_stay_where_nothing_in_them_is_stale(self) -> None:
        made = _replay(self.died())

        assert (made.task, _body(made)) == ("shop.pay", _OLD_BODY)
        assert made.envelope["headers"] == {
            "omninode-letter": "letter-1",
            "omninode-replays": 1,
            "omninode-enqueued-at": NOW.timestamp(),
        }

    def test_its_retries_and_what_has_passed_are_taken_out_of_its_body(self) -> None:
        made = _replay(self.died(retries=3, expires=PAST, eta=FUTURE))

        assert _body(made) == _OLD_BODY | {"eta": FUTURE}
        assert made.changed == {"expires"}

    def test_an_edit_makes_it_a_message_of_today(self) -> None:
        made = _replay(self.died(chord={"task": "shop.sum"}), Edit(kwargs={"to": "ada"}))

        assert _body(made)[:2] == [[1], {"to": "ada"}]
        assert _body(made)[2]["chord"] == {"task": "shop.sum"}
        assert made.envelope["headers"]["task"] == "shop.pay"
        assert made.envelope["headers"]["id"] == "task-1"


class TestForeign:
    def test_headers_of_a_record_become_what_celery_expects(self) -> None:
        headers = {"task": "shop.pay", "id": "7", "retries": "3", "timelimit": "[null, 5]", "eta": "None"}
        headers |= {"ignore_result": "True", "kafka_dlt-exception-fqcn": "E", "group_index": "2"}

        made = _replay(_foreign(b"[[1], {}, {}]", headers)).envelope

        kept = {name: value for name, value in made["headers"].items() if not name.startswith("omninode-")}
        assert kept == {
            "task": "shop.pay",
            "id": "7",
            "retries": 0,
            "timelimit": [None, 5],
            "ignore_result": True,
            "group_index": 2,
        }
        assert base64.b64decode(made["body"]) == b"[[1], {}, {}]"

    def test_a_task_without_an_id_gets_one_that_stays_the_same(self) -> None:
        ids = [
            _replay(_foreign(b"[[1], {}]", {"task": "shop.pay"})).envelope["headers"]["id"] for _ in range(2)
        ]

        assert ids[0] == ids[1] != ""

    def test_a_body_of_the_first_protocol_is_one(self) -> None:
        made = _replay(_foreign(b'{"task": "shop.pay", "id": "7", "args": [1]}'))

        assert (made.task, _body(made)["args"]) == ("shop.pay", [1])

    @pytest.mark.parametrize("value", [b'{"order": 1}', b"no json", b""])
    def test_a_record_that_names_no_task_is_not_replayable(self, value: bytes) -> None:
        with pytest.raises(NotReplayable, match="names no task"):
            _replay(_foreign(value))

    @pytest.mark.parametrize("value", [b'{"order": 1}', b"no json", b"[1, 2]"])
    def test_a_value_that_is_no_arguments_is_not_replayable(self, value: bytes) -> None:
        with pytest.raises(NotReplayable, match="no arguments of a task"):
            _replay(_foreign(value, {"task": "shop.pay", "id": "7"}))


class TestEdit:
    def test_only_what_is_named_changes(self) -> None:
        body = json.dumps([[1], {"a": 2}, {"callbacks": [{"task": "shop.next"}]}]).encode()

        made = _replay(_died(body=body), Edit(args=[9]))

        assert _body(made)[:2] == [[9], {"a": 2}]
        assert _body(made)[2]["callbacks"] == [{"task": "shop.next"}]
        assert made.envelope["headers"]["argsrepr"] == "[9]"

    def test_its_breaker_is_worked_out_anew_and_stays_where_nothing_was_edited(self) -> None:
        death = _died({"omninode-breaker": "model:gpt"})

        assert "omninode-breaker" not in _replay(death, Edit(args=[9])).envelope["headers"]
        assert _replay(death).envelope["headers"]["omninode-breaker"] == "model:gpt"

    @pytest.mark.parametrize("edit", [Edit(kwargs={"to": "ada"}), Edit(task="shop.send")])
    def test_arguments_that_cannot_be_read_are_not_replaced_by_none(self, edit: Edit) -> None:
        with pytest.raises(NotReplayable, match="its arguments cannot be read, and the edit names no args"):
            _replay(_died(body=b"pickled"), edit)

    def test_a_body_that_cannot_be_read_loses_what_was_linked_to_it(self) -> None:
        made = _replay(_died(body=b"{no json"), Edit(args=[9]))

        assert _body(made)[:2] == [[9], {}]
        assert made.lost == {"what was linked to it"}

    @pytest.mark.parametrize(
        ("spelled", "message"),
        [
            ([], "an edit is an object such as"),
            ({}, "an edit is an object such as"),
            ({"arg": []}, "no key 'arg'"),
            ({"args": {}}, "args of an edit must be an array"),
            ({"kwargs": []}, "kwargs of an edit must be an object"),
            ({"task": ""}, "task of an edit must be a task's name"),
            ({"args": None}, "changes nothing"),
        ],
    )
    def test_what_is_no_edit_is_refused(self, spelled: Any, message: str) -> None:
        with pytest.raises(InvalidEdit, match=message):
            Edit.from_json(spelled)

    def test_a_task_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(InvalidEdit, match=r"no task is called 'shop.pay'.*OMNINODE_IMPORTS"):
            rebuild(_died(), 1, "shop", NOW, Edit(args=[1]), {})
