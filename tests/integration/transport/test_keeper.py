"""The lease thread renews whatever else fails, and says what does."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from celery import Celery
from redis import ConnectionPool, Redis
from structlog.testing import capture_logs

from orchestrator.queues import serving
from orchestrator.transport.attendance import Attendance
from orchestrator.transport.exchange import Wish
from orchestrator.transport.keeper import Keeper
from orchestrator.transport.ledger import Batch, Ledger
from orchestrator.worker.children import PreforkPool
from orchestrator.worker.serving import Serving
from tests.integration.transport import places
from tests.integration.transport.places import KEYS, list_of, run
from tests.processes import wait_until

_A = list_of("a")
_LEASE_SECONDS = 2.0
_WORKERS = f"{places.PREFIX}omninode:1:workers"
_ABOUT: dict[str, Any] = {"node": "shop@host", "host": "host", "pid": 1, "pool": "solo", "concurrency": 1}


def test_leases_are_renewed_while_a_settlement_is_refused(client: Redis) -> None:
    with capture_logs() as logs, _keeping(client) as keeper:
        ended = _lease_of(client, "w-0002")
        client.set(places.OUTBOX, "no stream")
        keeper.ledger.claims["w-0001"].bury({"reason": "rejected"})

        wait_until(lambda: _lease_of(client, "w-0002") > ended + 1000, what="two renewals")

        assert "w-0001" in keeper.ledger.leased()
        client.delete(places.OUTBOX)
        wait_until(lambda: not keeper.ledger.has_news, what="the settlement")
        assert client.xlen(places.OUTBOX) == 1
    refused = [entry for entry in logs if entry["event"] == "script_refused"]
    assert [entry["log_level"] for entry in refused] == ["warning"]


def test_a_worker_says_under_which_name_it_holds_its_claims_until_it_closes(client: Redis) -> None:
    with _keeping(client) as keeper:
        keeper.introduce("shop@host")
        name = f"{places.PREFIX}omninode:1:holder:{keeper.ledger.nonce}"

        wait_until(lambda: client.get(name) == b"shop@host", what="its name")

        lifetime: Any = client.ttl(name)
        assert 86_000 < lifetime <= 86_400
    assert not client.exists(name)


def test_a_worker_says_what_it_serves_at_once_where_that_changes_until_it_closes(client: Redis) -> None:
    served = {"queues": ["a"]}
    with _keeping(client) as keeper:
        keeper.introduce("shop@host", lambda: _ABOUT | served)
        wait_until(lambda: _served(client) == {"shop@host": ("a",)}, what="its record")

        served = {"queues": ["a", "b"]}
        wait_until(lambda: _served(client) == {"shop@host": ("a", "b")}, 2.0, "the other queue")

        lifetime: Any = client.ttl(_WORKERS)
        assert 86_000 < lifetime <= 86_400
    assert not client.exists(_WORKERS)


def test_leases_are_renewed_though_a_worker_cannot_say_what_it_serves(client: Redis) -> None:
    def serves() -> dict[str, Any]:
        raise AttributeError("a pool that has stopped")

    with capture_logs(), _keeping(client) as keeper:
        ended = _lease_of(client, "w-0002")
        keeper.introduce("shop@host", serves)

        wait_until(lambda: _lease_of(client, "w-0002") > ended + 1000, what="two renewals")


def test_a_worker_that_stops_serves_no_queue_any_more_whatever_its_pool_still_runs(client: Redis) -> None:
    pool = SimpleNamespace(num_processes=2)
    consumer = SimpleNamespace(hostname="shop@host", pool=pool)
    says = Serving(consumer, SimpleNamespace(claimed=("b", "a"), closed=False))
    with _keeping(client) as keeper:
        keeper.introduce("shop@host", says)
        wait_until(lambda: _served(client) == {"shop@host": ("a", "b")}, what="its record")

        says.end()

        wait_until(lambda: _served(client) == {"shop@host": ()}, what="the end of its service")


def test_a_pool_that_has_stopped_has_as_many_processes_as_it_may() -> None:
    # Celery's own, which asks what is gone.
    pool = PreforkPool(limit=3, app=Celery("stopped", set_as_current=False))
    consumer = SimpleNamespace(hostname="shop@host", pool=pool)

    assert Serving(consumer, SimpleNamespace(claimed=(), closed=True))()["concurrency"] == 3


def test_a_worker_of_the_same_name_that_ends_leaves_the_others_record_alone(client: Redis) -> None:
    with _keeping(client) as keeper:
        keeper.introduce("shop@host", lambda: _ABOUT | {"queues": ["a"]})
        wait_until(lambda: _served(client), what="its record")
        other = Attendance(client, "another", places.PREFIX)
        other.attend("shop@host", dict)

        other.leave()

        assert _served(client) == {"shop@host": ("a",)}


def test_records_of_workers_that_were_killed_are_forgotten_by_the_next_one_after_a_day(client: Redis) -> None:
    now = time.time()
    for node, ago in (("long ago", 100_000), ("lately", 60)):
        client.hset(_WORKERS, node, json.dumps({"at": now - ago} | _ABOUT | {"queues": []}))
    client.hset(_WORKERS, "odd", "no record")

    with _keeping(client) as keeper:
        keeper.introduce("shop@host", lambda: _ABOUT | {"queues": ["a"]})
        wait_until(lambda: _served(client), what="its record")

        assert client.hgetall(_WORKERS).keys() == {b"lately", b"shop@host"}


def test_leases_that_cannot_be_renewed_are_a_warning(client: Redis) -> None:
    with capture_logs() as logs, _keeping(client):
        client.delete(places.LEASES)
        client.set(places.LEASES, "no leases")

        wait_until(lambda: _warnings(logs) == {"script_refused", "leases_not_renewed"}, what="the warnings")

        client.delete(places.LEASES)


def _served(client: Redis) -> dict[str, tuple[str, ...]]:
    return {worker.node: worker.queues for worker in serving.workers(client, places.PREFIX)}


def _warnings(logs: Any) -> set[str]:
    return {entry["event"] for entry in logs if entry["log_level"] == "warning"}


def _lease_of(client: Redis, claim_id: str) -> float:
    score: Any = client.zscore(places.LEASES, claim_id)
    return float(score)


@contextmanager
def _keeping(client: Redis) -> Iterator[Keeper]:
    """A keeper at work, with two claims."""
    own_client = Redis(connection_pool=ConnectionPool(**client.connection_pool.connection_kwargs))
    keeper = Keeper(Ledger(_LEASE_SECONDS, 8), own_client, KEYS)
    client.lpush(_A, "one", "two")
    wish = Wish(messages=2, free=2, prefix="w-", queues=("a",))
    run(client, "exchange", KEYS.exchange((_A,)), wish.arguments(_LEASE_SECONDS, Batch()))
    for number in (1, 2):
        keeper.ledger.hold(f"w-000{number}", "a", b"", 0)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.close()
