"""One run in which everything that a dead letter passes through is killed: from its seed to its report."""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import psycopg
from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from tests.chaos.letters import index
from tests.chaos.letters.stores import KAFKA, POSTGRES, Stores, running_stores
from tests.chaos.transport import checker, evidence
from tests.chaos.transport.faults import DECK, Deck, Fault, Scene
from tests.chaos.transport.report import Report, report
from tests.chaos.transport.rig import Rig, rigged

RELAYS = 2
_AWAY_SECONDS = (0.0, 3.0)
_QUIET_SECONDS = 240.0


@dataclass
class LettersRig(Rig):
    """A rig with relays, a Kafka and a PostgreSQL; quiet only when every letter can be found."""

    stores: Stores = field(kw_only=True)

    def environment(self) -> dict[str, str]:
        """What leads a relay to the run's servers."""
        return self.conditions.environment(self.broker.url) | {
            name: address for name, address in self.stores.environment().items() if name != "REDIS_URL"
        }

    def run(self, quiet_within_seconds: float) -> None:
        """Start the relays first."""
        for number in range(RELAYS):
            command = ["orchestrator.cli", "relay", "--json"]
            self.fleet.start(f"relay-{number}", command, self.environment())
        super().run(quiet_within_seconds)

    def _left(self) -> dict[str, int]:
        left = super()._left()
        if left:
            return left
        try:
            return index.left(self.broker.client, self.stores)
        except (RedisError, psycopg.Error, KafkaException) as error:
            return {f"a server is away: {error}": 1}


def _kill_relay(scene: Scene) -> Iterator[float]:
    relays = [each for name, each in scene.fleet.members.items() if name.startswith("relay")]
    member = scene.random.choice(relays)
    member.hit_by = "SIGKILL"
    member.signal(signal.SIGKILL, group=True)
    yield 0.0


def _kill_store(name: str) -> Fault:
    def fault(scene: Scene) -> Iterator[float]:
        assert isinstance(scene, LettersRig)
        scene.stores.kill(name)
        yield scene.random.uniform(*_AWAY_SECONDS)
        scene.stores.start_again(name)

    return fault


_OF_THE_TRANSPORT = ("worker SIGKILL, group", "worker SIGKILL, main", "child SIGKILL", "Redis SIGKILL")
_DECK: Deck = {
    **{name: (2, DECK[name][1]) for name in _OF_THE_TRANSPORT},
    "relay SIGKILL": (4, _kill_relay),
    "Kafka SIGKILL": (2, _kill_store(KAFKA)),
    "PostgreSQL SIGKILL": (2, _kill_store(POSTGRES)),
}


@dataclass(frozen=True)
class Done:
    """A run, and what was not the same when it had been rebuilt from Kafka: in place, and from nothing."""

    report: Report
    letters: int
    differences: list[str]
    records: int


def run(seed: int, messages: int, per_second: float) -> Done:
    """Do one run; its files are kept when there is something to look for in them."""
    folder = Path(mkdtemp(prefix="omninode-chaos-"))
    _tell(f"seed {seed}, {messages} messages, files in {folder}")
    with running_stores() as stores:
        make = partial(LettersRig, deck=_DECK, stores=stores)
        with rigged(seed, messages, per_second, folder, _tell, stock=False, calm=False, make=make) as rig:
            rig.run(_QUIET_SECONDS)
            letters = index.letters(stores)
            found = evidence.collect(rig, letters)
            done = report(rig, found, checker.violations(found))
            before = index.contents(stores)
            index.rebuild(os.environ | rig.environment())
            differences = index.differences(before, index.contents(stores))
            index.forget(stores)
            index.rebuild(os.environ | rig.environment())
            differences += index.differences(before, index.contents(stores))
            records = index.records(stores)
    if done.violations or differences or not done.became_quiet:
        _tell(f"logs, ledgers and the broker's append-only file: {folder}")
    else:
        rmtree(folder)
    return Done(done, len(letters), differences, records)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
