"""Which breaker a task names for its arguments."""

from typing import Any

import pytest
from celery import Celery

from orchestrator import stamp
from orchestrator.task import Task


def _task(breaker: Any) -> Any:
    app = Celery("stamps", set_as_current=False, task_cls=Task)

    @app.task(name="stamps.task", shared=False, breaker=breaker)
    def run(*_: Any, **__: Any) -> None:
        """Nothing is run here."""

    return run


def test_a_name_is_the_same_for_all_arguments() -> None:
    assert stamp.dependency(_task("bank"), (1,), {}) == "bank"


def test_a_function_sees_the_arguments_and_not_the_task() -> None:
    named = _task(lambda bank, *, branch: f"{bank}:{branch}")

    assert stamp.dependency(named, ("a",), {"branch": "b"}) == "a:b"


@pytest.mark.parametrize("breaker", [None, "", " ", "x" * 201, "\ud800", lambda: None, lambda: "", lambda: 7])
def test_what_is_no_name_is_none(breaker: Any) -> None:
    assert stamp.dependency(_task(breaker), (), {}) == ""


def test_a_function_that_raises_names_none() -> None:
    assert stamp.dependency(_task(lambda bank: bank), ("a", "b"), {}) == ""
