"""What Celery's prefork pool forgets when a child dies, and must not bring back with the next connection."""

from types import SimpleNamespace
from typing import Any

from orchestrator.worker.pools import PreforkPool


def test_pipes_of_children_that_are_gone_are_not_read_again_after_a_reconnect() -> None:
    living, gone = object(), object()
    read: list[dict[int, Any]] = []
    children: Any = SimpleNamespace(
        _pool=[living],
        _fileno_to_outq={8: gone, 9: living},
        on_timeout_set=None,
        register_with_event_loop=lambda loop: read.append(dict(children._fileno_to_outq)),  # noqa: SLF001
    )
    pool = PreforkPool.__new__(PreforkPool)
    pool._pool = children  # noqa: SLF001

    pool.register_with_event_loop(None)

    assert read == [{9: living}]
