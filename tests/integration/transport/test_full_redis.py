"""A Redis that is full refuses producers, and lets workers settle and drain."""

from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError

from orchestrator.dev.processes.interrupts import Interrupts
from orchestrator.dev.report import silent
from orchestrator.dev.servers import redis
from orchestrator.dev.supervisor import supervising
from tests.integration.transport import places, stages
from tests.integration.transport.places import KEYS, MARKERS, list_of, run
from tests.integration.transport.stopping import Build
from tests.integration.transport.workers import Worker

_A = list_of("a")
_HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """A server of this module's own: others would be refused as well."""
    with supervising(None, silent, "a test", Interrupts()) as supervisor:
        yield supervisor.start({redis.NAME: redis.start(supervisor.site)})[redis.NAME]


@pytest.fixture
def client(own_server: str) -> Iterator[Redis]:
    with Redis.from_url(own_server) as made:
        made.config_set("maxmemory", 0)
        made.flushdb()
        yield made


def test_a_worker_settles_in_every_way(client: Redis) -> None:
    settling = stages.settling(client)
    _fill(client)

    settling.repeat()

    there = places.read(client)
    assert len(there.letters) == 1
    assert len(there.outcomes) == 2
    assert len(there.delayed) == 2
    assert sorted(there.claims) == ["settling-00000001-5-0010"]
    assert list(there.aside_messages) == ["aside"]
    assert settling.copies() == [1] * 9


def test_a_worker_claims(client: Redis) -> None:
    client.lpush(_A, "one", "two")
    _fill(client)

    assert [raw for _, raw, _ in Worker(client, "w").exchange(2).messages] == [b"one", b"two"]


def test_what_a_dead_worker_held_and_what_is_due_is_delivered(client: Redis) -> None:
    claiming = stages.claiming(client)
    client.delete(places.QUIET)
    _fill(client)

    claiming.repeat()
    Worker(client, "other", ("a", "b")).exchange(7)

    claimed = {raw for _, raw in places.read(client).claims.values()}
    assert claimed == {b"unstarted", b"started", b"due", b"one", b"two", b"three", b"four"}


def test_leases_are_renewed(client: Redis) -> None:
    client.lpush(_A, "one")
    worker = Worker(client, "w")
    worker.exchange(1)
    client.zincrby(places.LEASES, -1000, worker.held()[0].id)
    before = places.read(client).leases
    _fill(client)

    worker.keeper.renew()

    after = places.read(client).leases
    assert after.keys() == before.keys()
    assert after["w-00000001-5-0001"] >= before["w-00000001-5-0001"] + 1000


def test_a_plain_producer_is_refused(client: Redis) -> None:
    _fill(client)

    with pytest.raises(OutOfMemoryError):
        client.lpush(_A, "message")

    assert places.read(client).messages() == {}


def test_a_producer_of_a_message_for_later_is_refused(client: Redis) -> None:
    _fill(client)

    with pytest.raises(OutOfMemoryError):
        run(client, "delay", KEYS.delay(), [_HOUR_MS, "id", _A, "message"])

    assert places.read(client) == places.Places()


@pytest.mark.parametrize("delay_ms", [0, _HOUR_MS])
def test_a_producer_of_many_is_refused_and_pushes_all_of_them_later(client: Redis, delay_ms: int) -> None:
    names, arguments = (f"{MARKERS}chunk", *KEYS.delay(), _A), [86_400, delay_ms, 0, "", 16, 2, "one", "two"]
    _fill(client)

    with pytest.raises(OutOfMemoryError):
        run(client, "push", names, arguments)

    assert places.read(client) == places.Places()
    client.config_set("maxmemory", 0)
    assert run(client, "push", names, arguments) == 2
    assert places.read(client).messages() == {b"one": 1, b"two": 1}


@pytest.mark.parametrize("stage", [stages.ejecting, stages.adopting])
def test_an_operators_move_is_refused_and_changes_nothing(client: Redis, stage: Build) -> None:
    moving = stage(client)
    before = places.read(client)
    _fill(client)

    with pytest.raises(OutOfMemoryError):
        moving.repeat()

    assert places.read(client) == before


def test_what_waits_for_a_breaker_is_released(client: Redis) -> None:
    releasing = stages.releasing(client)
    _fill(client)

    releasing.repeat()

    assert len(places.read(client).lists[_A]) == 2
    assert releasing.copies() == [1] * 3


def test_a_purge_goes_through(client: Redis) -> None:
    purging = stages.purging(client)
    _fill(client)

    purging.repeat()

    assert len(places.read(client).delayed) == 2


def _fill(client: Redis) -> None:
    client.config_set("maxmemory", 1)
