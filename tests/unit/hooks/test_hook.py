"""What a handler may enqueue."""

import json
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from celery import Celery, chain, group, shared_task

from orchestrator.errors import InvalidArguments
from orchestrator.install import install
from tasks.hooks import Hook


@shared_task(name="tests.hook.add")
def add(left: int, right: int = 0) -> int:
    return left + right


@pytest.fixture(autouse=True)
def app() -> Celery:
    return install(Celery("tests"))


@pytest.fixture
def hook() -> Hook:
    return Hook(cast("Any", None))


def test_a_task_object_is_staged_by_its_name(hook: Hook) -> None:
    task_id = hook.enqueue(add, 1, right=2)
    staged = hook.staged[0]
    assert (staged.id, staged.task) == (task_id, "tests.hook.add")
    assert (json.loads(staged.args), json.loads(staged.kwargs)) == ([1], {"right": 2})


def test_a_task_is_known_by_name_alone(hook: Hook) -> None:
    hook.enqueue("somewhere.else", [1], "two")
    assert hook.staged[0].task == "somewhere.else"


def test_a_signature_brings_its_arguments_and_options(hook: Hook) -> None:
    hook.enqueue(add.s(2).set(queue="models", countdown=5), 1)
    staged = hook.staged[0]
    assert json.loads(staged.args) == [1, 2]
    assert json.loads(staged.options) == {"queue": "models", "countdown": 5}


def test_options_are_kept(hook: Hook) -> None:
    hook.enqueue_with(add, args=[1], kwargs={"right": 2}, countdown=1.5, queue="admin", priority=3)
    assert json.loads(hook.staged[0].options) == {"countdown": 1.5, "queue": "admin", "priority": 3}


def test_tasks_are_staged_in_the_order_they_were_enqueued(hook: Hook) -> None:
    ids = [hook.enqueue(add, number) for number in range(3)]
    assert [staged.id for staged in hook.staged] == ids


@pytest.mark.parametrize(
    "argument", [datetime(2024, 1, 1, tzinfo=UTC), {1, 2}, object(), float("nan"), b"bytes"]
)
def test_an_argument_that_is_no_json_is_refused_at_once(hook: Hook, argument: object) -> None:
    with pytest.raises(InvalidArguments, match=r"tests\.hook\.add must be JSON"):
        hook.enqueue(add, argument)
    assert hook.staged == []


def test_arguments_that_do_not_fit_the_signature_are_refused_at_once(hook: Hook) -> None:
    with pytest.raises(InvalidArguments, match="missing 1 required positional argument"):
        hook.enqueue(add)


@pytest.mark.parametrize("task", [chain(add.s(1), add.s(2)), group(add.s(1)), None, 5, "", " ", print])
def test_what_is_not_one_task_is_refused(hook: Hook, task: Any) -> None:
    with pytest.raises(InvalidArguments, match="a signature of one task or a task's name"):
        hook.enqueue(task)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"countdown": -1}, "'countdown' must be seconds, 0 or more; found -1"),
        ({"countdown": "5"}, "found '5'"),
        ({"countdown": float("inf")}, "found inf"),
        ({"queue": ""}, "'queue' must be a queue's name"),
        ({"priority": 256}, "from 0 to 255"),
        ({"priority": True}, "found True"),
        ({"ignore_result": 1}, "true or false"),
        ({"deadline": 0}, "'deadline' must be seconds, more than 0; found 0"),
        ({"link": "x"}, "do not take the option 'link'; allowed are countdown, deadline, expires"),
        ({"task_id": "mine"}, "do not take the option 'task_id'"),
    ],
)
def test_an_option_that_is_not_allowed_is_refused(hook: Hook, options: Any, sentence: str) -> None:
    with pytest.raises(InvalidArguments, match=sentence):
        hook.enqueue_with(add, args=[1], **options)


def test_a_signature_with_a_callback_is_refused(hook: Hook) -> None:
    with pytest.raises(InvalidArguments, match="do not take the option 'link'"):
        hook.enqueue(add.s(1).set(link=add.s(2)))
