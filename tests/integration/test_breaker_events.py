"""Each transition of a breaker is one event of Celery's, however many workers could send it."""

from collections.abc import Iterator
from contextlib import ExitStack
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from orchestrator import keys, redis, settings
from orchestrator.breaker.report import Report
from orchestrator.breaker.store import Store
from orchestrator.install import install
from orchestrator.policy import Policy
from orchestrator.worker.announcing import Announcer
from tests.listening import listening
from tests.processes import wait_until

POLICY = Policy(failure_threshold=2, open_seconds=600, open_cap_seconds=600)


@pytest.fixture
def store(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    settings.use(settings.load())
    with redis.connect(redis_url) as client:
        yield Store(client)
    settings.forget()


@pytest.fixture
def app(store: Store) -> Celery:
    return install(Celery("events", set_as_current=False))


@pytest.fixture
def heard(app: Celery) -> Iterator[list[dict[str, Any]]]:
    """What a program hears that listens to events."""
    with listening(app) as events:
        yield events


@pytest.fixture
def workers(app: Celery) -> Iterator[list[Announcer]]:
    """Two of them: one whose task events are switched off, as without -E, and one whose are on."""
    with ExitStack() as stack:
        made = []
        for groups in (["worker"], None):
            connection = stack.enter_context(app.connection_for_write())
            announcer = Announcer()
            announcer.introduce(
                stack.enter_context(app.events.Dispatcher(connection, groups=groups, enabled=True))
            )
            made.append(announcer)
        yield made


def test_each_transition_is_one_event_whichever_worker_sends_it(
    store: Store, workers: list[Announcer], heard: list[dict[str, Any]]
) -> None:
    for number in range(10):
        store.control(f"b{number}", "isolate", who="ada@laptop", why="it moves")
    store.report("shop", POLICY, Report(0, failed=2, error="token=s3cret refused"))
    both = [Thread(target=each.announce) for each in workers]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    store.control("shop", "close", who="ada@laptop", why="well again")
    for each in workers:
        each.announce()

    wait_until(lambda: len(heard) >= 12, what="the events")
    told = {each["name"]: each for each in heard}
    assert sorted(each["name"] for each in heard) == sorted([f"b{n}" for n in range(10)] + ["shop"] * 2)
    assert {each["type"] for each in heard} == {"breaker-transition"}
    assert (told["b7"]["before"], told["b7"]["after"], told["b7"]["who"]) == (
        "auto",
        "isolated",
        "ada@laptop",
    )
    assert (told["shop"]["after"], told["shop"]["epoch"], told["shop"]["why"]) == (
        "closed",
        2,
        "by hand: well again",
    )
    (opened,) = [each for each in heard if each["after"] == "open"]
    assert (opened["why"], opened["error"]) == ("2 failures in a row", "token=**** refused")


def test_what_happened_long_before_a_worker_lived_is_no_event(
    store: Store, workers: list[Announcer], heard: list[dict[str, Any]], redis_url: str
) -> None:
    with redis.connect(redis_url) as client:
        seconds = int(client.time()[0])
        entry = {"name": "old", "from": "closed", "to": "open", "epoch": 1, "why": "", "who": "", "error": ""}
        old = entry | {"at": (seconds - 61) * 1000}
        client.xadd(keys.breaker_history(), old, id=f"{(seconds - 61) * 1000}-1")
    store.control("new", "open", who="ada", why="")
    store.register("new", Policy(probes=2))
    store.register("new", Policy(probes=3))

    workers[0].announce()
    store.control("new", "close", who="ada", why="")
    workers[0].announce()

    wait_until(lambda: len(heard) >= 2, what="the events")
    assert [(each["name"], each["after"]) for each in heard] == [("new", "open"), ("new", "closed")]


def test_a_worker_that_sends_no_events_leaves_them_to_the_others(
    store: Store, workers: list[Announcer], heard: list[dict[str, Any]]
) -> None:
    silent, other = workers
    silent.introduce(SimpleNamespace(enabled=False, groups=None))
    store.control("shop", "open", who="ada", why="")

    silent.announce()
    other.announce()

    wait_until(lambda: heard, what="the event")
    assert [each["name"] for each in heard] == ["shop"]


def test_an_announcer_wakes_when_something_happens(store: Store, workers: list[Announcer]) -> None:
    woken = Event()

    def wait() -> None:
        workers[0].wait()
        workers[0].wait()
        woken.set()

    store.control("shop", "open", who="ada", why="")
    thread = Thread(target=wait, daemon=True)
    thread.start()
    with redis.connect(settings.current().redis_url) as client:
        wait_until(lambda: _is_waited_for(client), what="the wait")
    store.control("shop", "close", who="ada", why="")

    assert woken.wait(4)


def _is_waited_for(client: Any) -> bool:
    number = client.client_info()["db"]
    return any(
        "b" in each["flags"] and each["db"] == str(number) and each["cmd"].startswith("xread")
        for each in client.client_list()
    )
