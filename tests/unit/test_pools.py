"""What Celery's prefork pool forgets when a child dies, and must not bring back with the next connection."""

from types import SimpleNamespace
from typing import Any

import pytest
from billiard.pool import RUN

from orchestrator.worker.children import Children, PreforkPool


def test_pipes_of_children_that_are_gone_are_not_read_again_after_a_reconnect() -> None:
    living, gone = object(), object()
    read: list[dict[int, Any]] = []
    children: Any = SimpleNamespace(
        _pool=[living],
        _fileno_to_outq={8: gone, 9: living},
        on_timeout_set=None,
        on_timeout_cancel=None,
        register_with_event_loop=lambda loop: read.append(dict(children._fileno_to_outq)),  # noqa: SLF001
    )
    pool = PreforkPool.__new__(PreforkPool)
    pool._pool = children  # noqa: SLF001

    pool.register_with_event_loop(None)

    assert read == [{9: living}]


def test_a_child_for_which_no_pipe_is_free_yet_is_made_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """`next()` finds no free pipe in Celery's pool, and its StopIteration would end the event loop."""
    pool = Children.__new__(Children)
    monkeypatch.setattr(pool, "_state", RUN, raising=False)
    monkeypatch.setattr(pool, "_worker_handler", SimpleNamespace(_state=RUN), raising=False)
    tried: list[bool] = []

    def repopulate() -> None:
        tried.append(True)
        next(iter(()))

    monkeypatch.setattr(pool, "_maintain_pool", repopulate, raising=False)

    pool.maintain_pool()

    assert tried == [True]
