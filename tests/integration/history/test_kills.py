"""Processes that fold are killed at any moment, while counts go on: each count is in the history once."""

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import psycopg
from redis import Redis

from monitoring.history.folding import fold
from orchestrator import keys
from orchestrator.settings import Settings
from orchestrator.tally import script
from tests.integration.history.places import PAID, by_tier, listed, told
from tests.processes import wait_until

_KILLS = 15
_COUNT = """metrics_count(metrics_counted_in(ARGV[1], redis.call('TIME')), ARGV[2], ARGV[2], 1)"""


def test_every_count_is_folded_once_however_many_are_killed_over_it(
    environment: Settings, client: Redis, database: psycopg.Connection[Any]
) -> None:
    chance, counted = random.Random(8), 0
    add = client.register_script(f"{script.counting()}\n{_COUNT}")
    for _ in range(_KILLS):
        folding = _fork(lambda: fold(environment, now=True))
        until = time.monotonic() + chance.uniform(0.01, 0.15)
        while time.monotonic() < until:
            add(args=[keys.metrics(""), PAID])
            counted += 1
        os.kill(folding, signal.SIGKILL)
        os.waitpid(folding, 0)

    # As soon as the server has noticed that the last one is gone.
    wait_until(lambda: fold(environment, now=True).is_alone, what="the last fold")

    assert by_tier(database) == dict.fromkeys(("minute", "hour", "day"), counted)
    assert told(client) == told(client, "totals") == {PAID: str(counted)}
    assert listed(client, "windows") == []


def _fork(step: Callable[[], object]) -> int:
    """A child that does this again and again, until it is killed."""
    child = os.fork()
    while child == 0:
        try:
            step()
        except BaseException:
            # It must not go on as the test.
            os._exit(1)
    return child
