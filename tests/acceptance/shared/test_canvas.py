"""Celery's canvas on this transport: every form of it ends with its value, and tells its links once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import StampingVisitor, chunks, xmap, xstarmap  # type: ignore[attr-defined]

from tests.acceptance import canvas_tasks
from tests.acceptance.shared_place import letters, wait_until_empty
from tests.processes import Worker, start_worker

_QUEUES = ("celery", "other", "other\x06\x166")
_ENVIRONMENT = {
    "OMNINODE_IMPORTS": "tests.acceptance.canvas_tasks,tests.acceptance.row_tasks",
    "OMNINODE_MAX_DELIVERIES": "2",
}

# Makes the signature of one of canvas_tasks: its name, its arguments, its options.
Sign = Callable[..., Any]


@pytest.fixture(scope="module")
def sign(app: Celery) -> Sign:
    def signature(name: str, *args: Any, **options: Any) -> Any:
        return app.signature(f"canvas.{name}", args=args, options=options)

    return signature


@pytest.fixture(scope="module", autouse=True)
def worker(server: Any) -> Iterator[Worker]:
    with start_worker("--queues", "celery,other", environment=_ENVIRONMENT) as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_is_left(server: Any) -> Iterator[None]:
    yield
    wait_until_empty(server, *_QUEUES)


@pytest.mark.parametrize(
    ("build", "value"),
    [
        pytest.param(lambda s: s("add", 1, 2) | s("add", 3), 6, id="chain"),
        pytest.param(lambda s: group(s("add", 1, 1), s("add", 2, 2)), [2, 4], id="group"),
        pytest.param(
            lambda s: chain(s("add", 1, 1), group(s("add", 1), group(s("add", 2), s("add", 3))), s("total")),
            12,
            id="nested group in a chain",
        ),
        pytest.param(lambda s: chord([s("add", 1, 1), s("add", 2, 2)], s("total")), 6, id="chord"),
        pytest.param(
            lambda s: chain(s("add", 1, 1), chord([s("add", 1), s("add", 2)], s("total")), s("add", 10)),
            17,
            id="chord in a chain",
        ),
        pytest.param(
            lambda s: chord(
                [s("add", 1, 1), chord([s("add", 1, 1), s("add", 2, 2)], s("total"))], s("total")
            ),
            8,
            id="chord in a chord",
        ),
        pytest.param(
            lambda s: chord([s("add", number, number) for number in range(200)], s("total")),
            39_800,
            id="chord of 200 members",
        ),
        pytest.param(
            lambda s: chain(
                s("add", 1, 1), s("double"), chord([s("add", i) for i in range(200)], s("total"))
            ),
            20_700,
            id="chain into a chord of 200 members",
        ),
        pytest.param(lambda s: xmap(s("double"), [1, 2, 3], app=s("double").app), [2, 4, 6], id="map"),
        pytest.param(lambda s: xstarmap(s("add"), [(1, 2), (3, 4)], app=s("add").app), [3, 7], id="starmap"),
        pytest.param(
            lambda s: chunks(s("add"), [(number, 1) for number in range(5)], 3, app=s("add").app).group(),
            [[1, 2, 3], [4, 5]],
            id="chunks",
        ),
        pytest.param(lambda s: s("replaced", 1, 2), 3, id="replaced task"),
        pytest.param(
            lambda s: chain(s("add", 1, 1), s("replaced", 1), s("add", 10)), 13, id="replaced in a chain"
        ),
        pytest.param(
            lambda s: chord([s("replaced", 1, 1), s("add", 2, 2)], s("total")), 6, id="replaced in a chord"
        ),
        pytest.param(
            lambda s: chord([s("replaced_by_chain", 1), s("add", 2, 2)], s("total")),
            8,
            id="member replaced by a chain",
        ),
        pytest.param(
            lambda s: chord([s("replaced_by_chord", 1), s("add", 2, 2)], s("total")),
            9,
            id="member replaced by a chord",
        ),
        pytest.param(
            lambda s: chord([s("joined", 1), s("add", 2, 2)], s("total")), 106, id="member added to a chord"
        ),
    ],
)
def test_a_canvas_ends_with_its_value(sign: Sign, build: Callable[[Sign], Any], value: Any) -> None:
    assert build(sign).apply_async().get(timeout=60) == value


def test_a_group_can_be_joined(sign: Sign) -> None:
    sent: Any = group(sign("add", number, 1) for number in range(20)).apply_async()

    assert sent.join(timeout=60) == list(range(1, 21))


def test_a_link_is_called_once_with_the_result(sign: Sign, server: Any) -> None:
    sign("add", 1, 1, link=[sign("note", "linked")]).apply_async().get(timeout=30)

    wait_until_empty(server, *_QUEUES)
    assert server.lrange("canvas:notes:linked", 0, -1) == ["2"]


@pytest.mark.parametrize("style", ["told", "told_by_message"])
@pytest.mark.parametrize("task", ["rows.exception", "rows.hard", "rows.requeued", "canvas.killed"])
def test_an_errback_is_called_once(app: Celery, sign: Sign, server: Any, task: str, style: str) -> None:
    sent = app.signature(task, options={"link_error": [sign(style)]}).apply_async()

    wait_until_empty(server, *_QUEUES)
    assert server.hget(canvas_tasks.ERRBACKS, sent.id) == "1"
    assert len(letters(server, sent.id)) == 1


def test_a_failing_step_ends_its_chain_and_tells_its_errback_once(
    app: Celery, sign: Sign, server: Any
) -> None:
    steps = chain(sign("add", 1, 1), sign("killed"), sign("note", "never"))
    sent = steps.on_error(sign("told")).apply_async()

    wait_until_empty(server, *_QUEUES)
    assert sent.state == "FAILURE"
    assert server.hget(canvas_tasks.ERRBACKS, sent.parent.id) == "1"
    assert server.exists("canvas:notes:never") == 0


def test_options_of_a_call_arrive(sign: Sign) -> None:
    sent = sign("request").apply_async(
        headers={"tenant": "acme"}, priority=6, queue="other", shadow="another name"
    )

    assert sent.get(timeout=30) == {
        "tenant": "acme",
        "shadow": "another name",
        "queue": "other",
        "priority": 6,
        "stamped": None,
        "stamps": {},
    }


class _Tenant(StampingVisitor):  # type: ignore[misc]
    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return {"tenant": "acme", "stamped_headers": ["tenant"]}


def test_stamps_arrive_at_every_member_of_a_canvas(sign: Sign) -> None:
    canvas = chain(sign("add", 1, 1), group(sign("request"), sign("request")))
    canvas.stamp(_Tenant())

    seen = canvas.apply_async().get(timeout=30)

    assert [(each["stamped"], each["stamps"]) for each in seen] == [(["tenant"], {"tenant": "acme"})] * 2
