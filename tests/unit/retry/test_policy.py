from typing import Any

import pytest
from celery import Celery

from orchestrator.errors import InvalidRetryPolicy, ModelRefused, ModelUnavailable, TransientError
from orchestrator.retry.policy import NEVER, RetryPolicy, chosen
from orchestrator.task import Task

_OWN = RetryPolicy(1.0, 30.0, 3)


def _work() -> None:
    pass


def test_an_error_without_a_policy_of_its_own_goes_by_the_task_s() -> None:
    assert chosen({KeyError: NEVER}, ValueError(), _OWN) == _OWN


def test_the_nearest_class_wins_and_what_it_leaves_open_is_the_task_s() -> None:
    policies = {
        Exception: NEVER,
        TransientError: RetryPolicy(base_seconds=5.0),
        OSError: RetryPolicy(2.0, 60.0, 9),
    }

    assert chosen(policies, ModelUnavailable(), _OWN) == RetryPolicy(5.0, 30.0, 3)
    assert chosen(policies, ConnectionResetError(), _OWN) == RetryPolicy(2.0, 60.0, 9)
    assert chosen(policies, ValueError(), _OWN) == RetryPolicy(1.0, 30.0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_seconds": -1.0},
        {"base_seconds": float("nan")},
        {"cap_seconds": float("inf")},
        {"cap_seconds": "30"},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_retries": True},
    ],
)
def test_numbers_that_there_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRetryPolicy, match=next(iter(wrong))):
        RetryPolicy(**wrong)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"retry_policies": [KeyError]}, "t.wrong: retry_policies must be {exception class"),
        ({"retry_policies": {"KeyError": NEVER}}, "'KeyError' is no class of exceptions"),
        ({"retry_policies": {KeyError: 3}}, "KeyError needs a RetryPolicy"),
        ({"retry_policies": {ModelRefused: RetryPolicy(1.0)}}, "a ModelRefused is never tried again"),
        ({"retry_base_seconds": "1"}, "retry_base_seconds must be a number of seconds, 0 or more: '1'"),
        ({"retry_cap_seconds": -5}, "retry_cap_seconds must be a number of seconds, 0 or more: -5"),
        ({"max_retries": -1}, "max_retries must be a whole number, 0 or more, or None for no limit: -1"),
        ({"learn_retries": "yes"}, "learn_retries must be True, False or None"),
    ],
)
def test_a_task_whose_retries_make_no_sense_is_not_registered(options: dict[str, Any], sentence: str) -> None:
    app: Any = Celery("policies", set_as_current=False, task_cls=Task)
    with pytest.raises(InvalidRetryPolicy) as refused:
        app.task(name="t.wrong", shared=False, lazy=False, **options)(_work)

    assert sentence in str(refused.value)


def test_a_task_s_own_policies_are_taken() -> None:
    app: Any = Celery("policies", set_as_current=False, task_cls=Task)
    made = app.task(name="t.right", shared=False, lazy=False, retry_policies={ModelRefused: NEVER})(_work)

    assert made.retry_policies == {ModelRefused: NEVER}
