"""What the result backend keeps of a chord whose last member's process is told to end."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, states
from celery.app.task import Context
from celery.signals import before_task_publish

from orchestrator import redis
from orchestrator.settings import Settings
from tests.acceptance.shared_place import app_in


@pytest.fixture
def app(environment: Settings) -> Iterator[Celery]:
    with app_in(environment) as made:
        yield made


def test_a_chord_whose_body_could_not_be_sent_before_the_process_ended_keeps_its_parts(
    app: Celery, environment: Settings
) -> None:
    backend: Any = app.backend
    body = app.signature("nobody.body", task_id="body")
    member = Context(id="member", group="g", group_index=0, chord=dict(body))
    backend.set_chord_size("g", 1)

    def end(**_: Any) -> None:
        raise SystemExit(143)

    before_task_publish.connect(end, sender="nobody.body")
    try:
        with pytest.raises(SystemExit):
            backend.on_chord_part_return(member, states.SUCCESS, 1)
    finally:
        before_task_publish.disconnect(end, sender="nobody.body")

    with redis.connect(environment.redis_url) as client:
        assert client.get("celery-taskset-meta-g.s") == "1"
        assert client.zcard("celery-taskset-meta-g.j") == 1
        # Once the dead sender's time is over, whoever looks after the chord sends it.
        client.delete("celery-taskset-meta-g.c")
        backend.on_chord_part_return(member, states.SUCCESS, 1)
        assert client.llen("celery") == 1
        assert client.exists("celery-taskset-meta-g.s") == 0
