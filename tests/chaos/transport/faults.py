"""What is done to a run: each fault is a generator of pauses, and mends at its end what it broke."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from random import Random
from typing import Protocol

from redis.exceptions import RedisError

from tests.chaos.transport.conditions import AWAY_SECONDS, MAX_DELIVERIES
from tests.chaos.transport.fleet import MOST_IN_ALL, MOST_IN_ONE, SHUTDOWN_SECONDS, Fleet, Member
from tests.chaos.transport.servers import Server

FULL_SECONDS = 2.0
DELAYED_SECONDS = 3.0


class Scene(Protocol):
    """What a fault can reach."""

    random: Random
    broker: Server
    fleet: Fleet

    def wire(self, command: str) -> None:
        """Command the proxy between workers and broker."""

    def now(self) -> float:
        """A clock for limits."""


Fault = Callable[[Scene], Iterator[float]]
Deck = Mapping[str, tuple[int, Fault]]


def _worker(scene: Scene) -> Member | None:
    ready = [each for each in scene.fleet.workers() if not each.hit_by and each.is_ready()]
    return scene.random.choice(ready) if ready else None


def _hit(number: signal.Signals, *, group: bool) -> Fault:
    def fault(scene: Scene) -> Iterator[float]:
        if member := _worker(scene):
            member.hit_by = number.name
            member.must_end_by = scene.now() + SHUTDOWN_SECONDS
            member.signal(number, group=group)
        yield 0.0

    return fault


def _freeze(*, then_kill: bool) -> Fault:
    def fault(scene: Scene) -> Iterator[float]:
        group = scene.random.random() < 0.5
        if member := _worker(scene):
            member.signal(signal.SIGSTOP, group=group)
            yield AWAY_SECONDS
            if then_kill:
                member.hit_by = "SIGKILL"
                member.signal(signal.SIGKILL, group=True)
            member.signal(signal.SIGCONT, group=group)

    return fault


def kill_child(scene: Scene) -> Iterator[float]:
    """SIGKILL one process of a pool, as the out-of-memory killer does."""
    children = [pid for member in scene.fleet.workers() for pid in member.children()]
    if children:
        with suppress(ProcessLookupError):
            os.kill(scene.random.choice(children), signal.SIGKILL)
    yield 0.0


def kill_producer(scene: Scene) -> Iterator[float]:
    """SIGKILL a producer in the middle of whatever it does."""
    producers = [each for name, each in scene.fleet.members.items() if name.startswith("producer")]
    if producers:
        member = scene.random.choice(producers)
        member.hit_by = "SIGKILL"
        member.signal(signal.SIGKILL, group=True)
    yield 0.0


def client_kill(scene: Scene) -> Iterator[float]:
    """Have Redis close all connections, or about half of them."""
    with suppress(RedisError):
        clients = scene.broker.client.client_list()
        share = scene.random.choice([0.5, 1.0])
        for client in clients:
            if scene.random.random() < share and int(client["id"]) != scene.broker.client.client_id():
                scene.broker.client.client_kill_filter(_id=client["id"])
    yield 0.0


def cut(scene: Scene) -> Iterator[float]:
    """Cut every connection between workers and broker."""
    scene.wire("cut")
    yield 0.0


def lose_answers(scene: Scene) -> Iterator[float]:
    """Let commands through but no answers, then cut: nobody knows what was done."""
    scene.wire("swallow")
    yield scene.random.uniform(0.05, 0.5)
    scene.wire("cut")


def delay(scene: Scene) -> Iterator[float]:
    """Make the network slow."""
    scene.wire(f"delay {scene.random.uniform(0.02, 0.15):.3f}")
    yield DELAYED_SECONDS
    scene.wire("delay 0")


def hold(scene: Scene) -> Iterator[float]:
    """Let nothing through for longer than a lease, then all of it."""
    scene.wire("hold")
    yield AWAY_SECONDS
    scene.wire("flow")


def redis_kill(scene: Scene) -> Iterator[float]:
    """SIGKILL Redis, and start it again on its append-only file."""
    scene.broker.signal(signal.SIGKILL)
    yield scene.random.uniform(0.0, 1.0)
    scene.broker.start()


def redis_full(scene: Scene) -> Iterator[float]:
    """Have Redis refuse whatever needs memory."""
    scene.broker.client.config_set("maxmemory", "1mb")
    yield FULL_SECONDS
    scene.broker.client.config_set("maxmemory", "0")


def redis_frozen(scene: Scene) -> Iterator[float]:
    """Have Redis answer nobody for longer than a lease."""
    scene.broker.signal(signal.SIGSTOP)
    yield AWAY_SECONDS
    scene.broker.signal(signal.SIGCONT)


def redis_stopped(scene: Scene) -> Iterator[float]:
    """Stop Redis properly, for longer than a lease."""
    scene.broker.signal(signal.SIGTERM)
    yield AWAY_SECONDS
    scene.broker.start()


# How often each is drawn among so many.
DECK: Deck = {
    "worker SIGKILL, group": (3, _hit(signal.SIGKILL, group=True)),
    "worker SIGKILL, main": (3, _hit(signal.SIGKILL, group=False)),
    "worker SIGTERM, main": (2, _hit(signal.SIGTERM, group=False)),
    "worker SIGTERM, group": (1, _hit(signal.SIGTERM, group=True)),
    "worker SIGQUIT, main": (2, _hit(signal.SIGQUIT, group=False)),
    "worker SIGQUIT, group": (1, _hit(signal.SIGQUIT, group=True)),
    "worker frozen longer than a lease": (1, _freeze(then_kill=False)),
    "worker frozen, then SIGKILL": (1, _freeze(then_kill=True)),
    "child SIGKILL": (2, kill_child),
    "producer SIGKILL": (2, kill_producer),
    "CLIENT KILL": (2, client_kill),
    "connections cut": (2, cut),
    "answers lost": (2, lose_answers),
    "network delayed": (1, delay),
    "network held longer than a lease": (1, hold),
    "Redis SIGKILL": (2, redis_kill),
    "Redis full": (1, redis_full),
    "Redis frozen longer than a lease": (1, redis_frozen),
    "Redis stopped longer than a lease": (1, redis_stopped),
}


# They end no process, no connection and no lease of a worker's.
_HARMLESS = frozenset(
    {"producer SIGKILL", "network delayed", "relay SIGKILL", "Kafka SIGKILL", "PostgreSQL SIGKILL"}
)


def explained(faults: Mapping[str, int], *, killers: int) -> int:
    """How many tasks may have finished once more than they should: all that ran at each blow, at most."""
    struck = sum(times * _struck(name) for name, times in faults.items())
    return struck + killers * MAX_DELIVERIES * MOST_IN_ONE


def _struck(fault: str) -> int:
    if fault in _HARMLESS:
        return 0
    if fault.startswith("child"):
        return 1
    return MOST_IN_ONE if fault.startswith("worker") else MOST_IN_ALL


def sequence(random: Random, deck: Deck) -> Iterator[str]:
    """The names of the faults to come, without end: the deck is shuffled anew when it is played."""
    while True:
        names = [name for name, (weight, _) in deck.items() for _ in range(weight)]
        random.shuffle(names)
        yield from names
