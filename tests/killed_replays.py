"""Kills a replay at random points, and resumes it, until all of its letters are enqueued."""

import multiprocessing
import random
import signal
from collections import Counter
from dataclasses import dataclass
from multiprocessing import synchronize
from multiprocessing.context import ForkServerContext
from threading import Event
from uuid import UUID

from orchestrator import postgres
from orchestrator.replay import order, reading, reconciling
from orchestrator.replay.broker import channel
from orchestrator.replay.run import replay
from orchestrator.settings import Settings
from tests.processes import let_pass
from tests.shop import Shop, death

# Small batches, so that a kill hits every step of one.
_BATCH = 10


@dataclass(frozen=True)
class Outcome:
    """How often each letter was enqueued, how many kills there were, and how many hit a replay under way."""

    enqueued: Counter[str]
    kills: int
    hits: int


def kill_replays(shop: Shop, letters: int, kills: int, seed: int) -> Outcome:
    """Replay so many letters with so many kills; a relay that reconciles is killed beside it."""
    shop.die(*(death(number) for number in range(letters)))
    operation = order.begin(shop.database, shop.order(), "ada", "")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    chance = random.Random(seed)
    hits = 0
    for _ in range(kills):
        hits += _start_and_kill(context, shop.settings, operation.id, chance)
    last = context.Process(target=_replay, args=(shop.settings, operation.id))
    last.start()
    last.join(60)
    assert last.exitcode == 0
    return Outcome(Counter(shop.tasks()), kills, hits)


def _start_and_kill(
    context: ForkServerContext, chosen: Settings, operation_id: UUID, chance: random.Random
) -> int:
    ready = context.Event()
    replaying = context.Process(target=_replay, args=(chosen, operation_id, ready))
    relaying = context.Process(target=_reconcile, args=(chosen,))
    replaying.start()
    relaying.start()
    assert ready.wait(20)
    let_pass(chance.uniform(0, 0.06))
    was_under_way = replaying.is_alive()
    for process in (replaying, relaying):
        process.kill()
        process.join(10)
        assert process.exitcode in {0, -signal.SIGKILL}
    return was_under_way


def _replay(chosen: Settings, operation_id: UUID, ready: synchronize.Event | None = None) -> None:
    reading.IDS = _BATCH
    with postgres.connect(chosen.database_url) as connection, channel(chosen, "") as opened:
        if ready:
            ready.set()
        replay(connection, opened, order.named(connection, operation_id), stop=Event())


def _reconcile(chosen: Settings) -> None:
    reconciling._AFTER_SECONDS = 0.0  # noqa: SLF001 (nobody waits a minute here)
    while True:
        reconciling.reconcile(chosen)
