"""A chord never hangs and a chain never stops half-way, whatever becomes of its parts and their processes."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, chain, chord

from tests.acceptance import canvas_tasks
from tests.acceptance.shared_place import wait_until_empty
from tests.processes import Worker, start_worker, wait_until

_ENVIRONMENT = {
    "OMNINODE_IMPORTS": "tests.acceptance.canvas_tasks,tests.acceptance.row_tasks",
    "OMNINODE_MAX_DELIVERIES": "2",
}

# Makes the signature of a task: its name, its arguments, its options.
Sign = Callable[..., Any]


@pytest.fixture(scope="module")
def sign(app: Celery) -> Sign:
    def signature(name: str, *args: Any, **options: Any) -> Any:
        return app.signature(name, args=args, options=options)

    return signature


@pytest.fixture(scope="module", autouse=True)
def worker(server: Any) -> Iterator[Worker]:
    with start_worker("--queues", "celery", environment=_ENVIRONMENT) as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_is_left(server: Any) -> Iterator[None]:
    yield
    wait_until_empty(server, "celery")


def _of_two(sign: Sign, member: Any) -> Any:
    """A chord of this member and a good one."""
    body = sign("canvas.total", link_error=[sign("canvas.told")])
    return chord([sign("canvas.add", 1, 1), member], body).apply_async()


@pytest.mark.parametrize("member", ["soft", "exits", "memory", "unserialisable", "requeued", "interrupted"])
def test_whatever_a_member_dies_of_the_body_fails_and_its_errback_is_called_once(
    sign: Sign, server: Any, member: str
) -> None:
    sent = _of_two(sign, sign(f"rows.{member}"))

    wait_until(lambda: sent.state == "FAILURE", 40.0, "the body's failure")
    wait_until_empty(server, "celery")
    assert server.hget(canvas_tasks.ERRBACKS, sent.id) == "1"


def test_a_chord_whose_member_has_expired_fails(sign: Sign) -> None:
    sent = _of_two(sign, sign("canvas.add", 2, 2, expires=-5))

    wait_until(lambda: sent.state == "FAILURE", 40.0, "the body's failure")


def test_a_chord_whose_member_is_revoked_fails(app: Celery, sign: Sign) -> None:
    sent = _of_two(sign, sign("canvas.add", 2, 2, countdown=2))
    app.control.revoke(sent.parent.results[1].id)

    wait_until(lambda: sent.state == "FAILURE", 40.0, "the body's failure")


def test_a_chord_whose_member_is_terminated_fails(app: Celery, sign: Sign, server: Any) -> None:
    sent = _of_two(sign, sign("rows.slow", 60))
    member = sent.parent.results[1].id
    wait_until(lambda: server.hget("rows:starts", member), what="the start")
    app.control.revoke(member, terminate=True, signal="SIGKILL")

    wait_until(lambda: sent.state == "FAILURE", 40.0, "the body's failure")


def test_a_chord_of_many_with_one_lost_member_fails(sign: Sign) -> None:
    members = [sign("canvas.add", number, 1) for number in range(50)]
    sent = chord([*members, sign("canvas.killed")], sign("canvas.total")).apply_async()

    wait_until(lambda: sent.state == "FAILURE", 40.0, "the body's failure")


def test_a_failing_chord_ends_the_chain_that_it_is_in(sign: Sign, server: Any) -> None:
    header = [sign("canvas.add", 1), sign("canvas.killed")]
    middle = chord(header, sign("canvas.total"))
    sent = chain(sign("canvas.add", 1, 1), middle, sign("canvas.note", "never")).apply_async()

    wait_until(lambda: sent.state == "FAILURE", 40.0, "the failure of the chain's end")
    assert server.exists("canvas:notes:never") == 0


def test_a_chain_goes_on_when_its_process_dies_after_publishing_the_next_step(
    sign: Sign, server: Any
) -> None:
    steps = chain(sign("canvas.add", 1, 1), sign("canvas.survivor", "chain"), sign("canvas.add", 10))

    assert steps.apply_async().get(timeout=60) == 12
    wait_until_empty(server, "celery")
    assert server.lrange("canvas:notes:chain", 0, -1) in (["2"], ["2", "2"])


def test_a_link_is_called_when_its_process_dies_after_publishing_it(sign: Sign, server: Any) -> None:
    link = sign("canvas.survivor", "link", task_id=str(uuid4()))
    sent = sign("canvas.add", 1, 1, link=[link]).apply_async()

    assert sent.get(timeout=60) == 2
    wait_until_empty(server, "celery")
    assert server.lrange("canvas:notes:link", 0, -1) in (["2"], ["2", "2"])


def test_a_chord_goes_on_when_its_process_dies_after_publishing_the_body(sign: Sign, server: Any) -> None:
    header = [sign("canvas.add", 1, 1), sign("canvas.add", 2, 2)]
    sent = chord(header, sign("canvas.survivor", "chord")).apply_async()

    assert sent.get(timeout=60) == [2, 4]
    wait_until_empty(server, "celery")
    assert server.lrange("canvas:notes:chord", 0, -1) in (["[2, 4]"], ["[2, 4]"] * 2)


def test_a_chord_goes_on_when_its_process_dies_before_publishing_the_body(sign: Sign) -> None:
    header = [sign("canvas.add", 1, 1), sign("canvas.add", 2, 2)]
    # Celery lets another process publish the body when this one had time enough for it.
    body = sign("canvas.orphan", retry=False)

    assert chord(header, body).apply_async().get(timeout=60) == 6
