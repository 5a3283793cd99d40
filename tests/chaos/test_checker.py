"""The verdict of the chaos: each thing that must not be is seen, and nothing else is."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.transport.broker_state import Letter
from tests.chaos.transport.checker import violations
from tests.chaos.transport.conditions import MAX_DELIVERIES, Conditions
from tests.chaos.transport.evidence import Case, Evidence, Sent
from tests.chaos.transport.faults import explained
from tests.chaos.transport.kinds import BY_NAME
from tests.chaos.transport.plan import Message, Part
from tests.chaos.transport.runs import Run

ID = "chaos1-7-1-0"
ONCE = Run(starts=1, finishes=1, first_start=1000.5)


def _bytes(task_id: str = ID, index: int = 7) -> bytes:
    body = base64.b64encode(json.dumps([[index], {}, {}]).encode()).decode()
    return json.dumps({"headers": {"id": task_id, "retries": 0}, "body": body}).encode()


def _case(kind: str, *letters: Letter, state: str | None = None, run: Run = ONCE, result: object = 7) -> Case:
    part = Part(BY_NAME[kind], f"chaos.{kind}", "a", 0, 0.0, None, 7 if kind == "ok" else None)
    sent = Sent(Message(7, kind, (part,)), part, ID, confirmed=True, intended_at=1000.0, raw=None)
    return Case(sent, run, state, result, list(letters), is_left=False)


def _seen(case: Case, **more: object) -> list[str]:
    conditions = Conditions(1, 1, 1.0, stock=False, folder=Path(), results_url="")
    evidence = Evidence(conditions, [case], [], {}, [], b"other" + _bytes() + b"bytes")
    return [each.what for each in violations(replace(evidence, **more))]  # type: ignore[arg-type]


LETTER = Letter("1", "exception", ID, _bytes())


@pytest.mark.parametrize(
    "right",
    [
        _case("ok", state="SUCCESS"),
        _case("exception", LETTER, state="FAILURE"),
        _case("ignore"),
        _case("ok", replace(LETTER, reason="too_many_deliveries"), run=replace(ONCE, starts=MAX_DELIVERIES)),
    ],
)
def test_a_message_that_ended_once_and_as_its_kind_says_is_right(right: Case) -> None:
    assert _seen(right) == []


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (_case("ok"), "lost"),
        (_case("ok", state="SUCCESS", result=8), "wrong result"),
        (_case("ok", state="SUCCESS", run=Run(1, 0, 1000.5)), "success of a task that never finished"),
        (_case("ok", state="SUCCESS", run=replace(ONCE, first_start=999.0)), "started before its time"),
        (_case("ok", LETTER, state="SUCCESS"), "settled twice: letter and success"),
        (_case("exception", LETTER, replace(LETTER, id="2")), "settled twice: letters"),
        (_case("exception", state="FAILURE"), "wrong ending: failed without a letter"),
        (_case("exception", replace(LETTER, reason="rejected")), "wrong ending: letter rejected"),
        (_case("exception", replace(LETTER, raw=None)), "letter without bytes"),
        (_case("exception", replace(LETTER, raw=b"[]")), "letter with bytes that are no message"),
        (_case("exception", replace(LETTER, raw=_bytes("x"))), "letter with the bytes of another message"),
        (
            _case("exception", replace(LETTER, raw=_bytes(index=8))),
            "letter with other arguments than were sent",
        ),
        (_case("exception", replace(LETTER, raw=_bytes() + b" ")), "letter with bytes that no producer sent"),
    ],
)
def test_a_message_that_ended_wrongly_is_seen(wrong: Case, what: str) -> None:
    assert _seen(wrong) == [what]


def test_the_letter_of_a_follower_has_what_came_before_it_and_bytes_of_its_worker() -> None:
    body = base64.b64encode(json.dumps([[6, 7], {}, {}]).encode()).decode()
    raw = json.dumps({"headers": {"id": ID, "retries": 0}, "body": body}).encode()
    case = _case("exception", replace(LETTER, raw=raw))
    follower = replace(case.sent, part=replace(case.sent.part, task="chaos.added"))

    assert _seen(replace(case, sent=follower)) == []
    assert _seen(case) == ["letter with other arguments than were sent"]


def test_a_success_that_was_doubled_is_seen_where_no_fault_explains_it() -> None:
    doubled = _case("ok", state="SUCCESS", run=replace(ONCE, starts=2, finishes=2))

    assert _seen(doubled) == ["finished more often than faults explain"]
    assert _seen(doubled, explained=1) == []


def test_a_fault_explains_no_more_than_what_ran_where_it_struck() -> None:
    assert explained({"producer SIGKILL": 5, "network delayed": 5}, killers=0) == 0
    assert explained({"child SIGKILL": 2}, killers=0) == 2
    assert explained({"worker SIGKILL, main": 2}, killers=0) == 8
    assert explained({"Redis SIGKILL": 1}, killers=0) == 9
    assert explained({}, killers=1) == 20


@pytest.mark.parametrize("run", [Run(2, 1, 1000.5), Run(1, 2, 1000.5)])
def test_without_faults_each_start_and_each_finish_counts(run: Run) -> None:
    calm = Conditions(1, 1, 1.0, stock=False, folder=Path(), results_url="", calm=True)
    what = "other counts than its kind's, without a fault"

    assert _seen(_case("ok", state="SUCCESS"), conditions=calm) == []
    assert what in _seen(_case("ok", state="SUCCESS", run=run), conditions=calm)


def test_what_nobody_sent_and_what_is_left_behind_is_seen() -> None:
    right = _case("ok", state="SUCCESS")

    assert _seen(right, strays=[LETTER]) == ["letter of no message"]
    assert _seen(right, left={"omninode:1:claims": 1}) == ["left in the broker"]
    assert _seen(replace(right, is_left=True)) == ["stuck: still in the broker"]
