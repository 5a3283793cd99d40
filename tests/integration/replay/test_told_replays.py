"""Each message that a replay enqueues is told of once, whoever is killed meanwhile."""

from collections import Counter
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from orchestrator import events
from orchestrator.events import Replayed
from orchestrator.replay import order
from orchestrator.replay import run as running
from orchestrator.replay.enqueuing import enqueue
from orchestrator.replay.run import replay
from tests.shop import Shop, death


class Killed(BaseException):
    pass


@pytest.fixture
def told() -> Iterator[Counter[events.Event]]:
    """What this process tells of itself, and how often."""
    heard: Counter[events.Event] = Counter()
    detach = events.attach(lambda event: heard.update([event]))
    yield heard
    detach()


def test_a_replay_is_told_for_each_message_by_its_task(shop: Shop, told: Counter[events.Event]) -> None:
    shop.die(*(death(number) for number in range(3)))

    assert shop.replay().enqueued == 3

    assert told == {Replayed("shop.pay"): 3}


@pytest.mark.parametrize(("step", "pushed"), [("enqueue", 0), ("enqueue", 2), ("confirm", 3)])
def test_a_replay_that_is_resumed_after_a_kill_is_told_once(
    shop: Shop, told: Counter[events.Event], monkeypatch: pytest.MonkeyPatch, step: str, pushed: int
) -> None:
    def push_some_and_die(channel: Any, batch_id: Any, messages: Any = ()) -> None:
        if step == "enqueue" and pushed:
            enqueue(channel, batch_id, list(messages)[:pushed])
        raise Killed

    shop.die(*(death(number) for number in range(3)))
    operation = order.begin(shop.database, shop.order(), "ada", "")
    monkeypatch.setattr(running, step, push_some_and_die)
    with pytest.raises(Killed):
        replay(shop.database, shop.channel, operation, stop=Event())
    assert told == ({Replayed("shop.pay"): pushed} if pushed else {})
    monkeypatch.undo()

    replay(shop.database, shop.channel, operation, stop=Event())
    replay(shop.database, shop.channel, operation, stop=Event())

    assert told == {Replayed("shop.pay"): 3}
