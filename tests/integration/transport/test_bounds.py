"""What the model's random steps seldom reach: bounded steps, long lists, orders, and lengths of life."""

from typing import Any

from redis import Redis

from tests.integration.transport import places
from tests.integration.transport.places import KEYS, MARKERS, list_of, run
from tests.integration.transport.workers import Worker

_A, _B = list_of("a"), list_of("b")
_WEEK_SECONDS = 604_800


def test_a_hundred_expired_leases_are_returned_at_a_time(client: Redis) -> None:
    _hear(client)
    client.lpush(_A, *range(150))
    dead, heir = Worker(client, "dead"), Worker(client, "heir")
    dead.exchange(150)
    _end_leases(client)

    heir.exchange()
    assert (client.llen(_A), client.hlen(places.CLAIMS)) == (100, 50)
    heir.exchange()
    assert (client.llen(_A), client.hlen(places.CLAIMS)) == (150, 0)


def test_what_is_returned_is_claimed_again_in_its_order(client: Redis) -> None:
    _hear(client)
    client.lpush(_A, *range(90))
    dead, heir = Worker(client, "dead"), Worker(client, "heir")
    for _ in range(3):
        dead.exchange(20)
    _end_leases(client)

    claimed = heir.exchange(90).messages

    assert [int(raw) for _, raw, _ in claimed] == list(range(90))
    assert [deliveries for *_, deliveries in claimed] == 60 * [1] + 30 * [0]


def test_what_a_closing_worker_gives_back_is_claimed_again_in_its_order(client: Redis) -> None:
    client.lpush(_A, *range(30))
    closing = Worker(client, "closing")
    for _ in range(2):
        closing.exchange(10)

    closing.ledger.release_all()
    closing.exchange()

    assert [int(raw) for _, raw, _ in Worker(client, "next").exchange(30).messages] == list(range(30))


def test_what_an_unanswered_exchange_had_claimed_is_claimed_again_in_its_order(client: Redis) -> None:
    client.lpush(_A, *range(12))
    cut = Worker(client, "cut")
    wish, batch = cut.wish(10, 10), cut.ledger.take()
    cut.send(wish, batch)
    cut.miss(wish, batch)

    claimed = cut.exchange(12).messages

    assert [int(raw) for _, raw, _ in claimed] == list(range(12))
    assert [deliveries for *_, deliveries in claimed] == [0] * 12


def test_two_hundred_due_messages_are_moved_at_a_time_the_earliest_first(client: Redis) -> None:
    run(client, "push", _chunk(), [60, 1, 0, "", 16, 250, *range(250)])
    client.zadd(places.DELAYED, {f"{MARKERS}chunk:{number}": number for number in range(1, 251)})
    worker = Worker(client, "w")

    claimed = [int(raw) for _ in range(2) for _, raw, _ in worker.exchange(200).messages]

    assert claimed == list(range(250))


def test_a_start_that_was_told_over_a_link_that_was_cut_is_told_again(client: Redis) -> None:
    client.lpush(_A, "message")
    worker = Worker(client, "w")
    worker.exchange(1, 0)
    worker.held()[0].start()
    wish, batch = worker.wish(1, 1), worker.ledger.take()

    worker.miss(wish, batch)
    worker.exchange()

    assert client.smembers(places.STARTED) == {b"w-00000001-5-0001"}


def test_what_could_start_at_once_counts_as_begun_at_the_claim(client: Redis) -> None:
    _hear(client)
    client.lpush(_A, "one", "two", "laid by")
    dead, heir = Worker(client, "dead"), Worker(client, "heir")
    dead.exchange(3, 2)
    _end_leases(client)

    claimed = heir.exchange(3).messages

    assert [(raw, deliveries) for _, raw, deliveries in claimed] == [
        (b"one", 1),
        (b"two", 1),
        (b"laid by", 0),
    ]


def test_a_start_that_is_told_too_late_marks_nothing(client: Redis) -> None:
    _hear(client)
    client.lpush(_A, "message")
    worker = Worker(client, "w")
    worker.exchange(1, 0)
    _end_leases(client)
    Worker(client, "heir").exchange()
    worker.held()[0].start()

    worker.exchange()

    assert client.exists(places.STARTED) == 0


def test_a_letter_ends_the_count_of_deliveries(client: Redis) -> None:
    client.lpush(_A, "message")
    worker = Worker(client, "w")
    worker.exchange(1)
    worker.held()[0].reject()
    worker.exchange(1)
    worker.held()[0].bury({"reason": "rejected"})

    worker.exchange()

    assert client.hlen(places.DELIVERIES) == 0


def test_what_its_workers_died_of_keeps_when_it_was_claimed_first(client: Redis) -> None:
    client.lpush(_A, "message", "other")
    for worker in (Worker(client, "dead"), Worker(client, "dies too")):
        assert [raw for _, raw, _ in worker.exchange(1).messages] == [b"message"]
        client.zadd(places.LEASES, {worker.held()[0].id: 1})
        client.delete(places.QUIET)

    answer = Worker(client, "heir").exchange(2)

    assert answer.messages == ((0, b"message", 2), (0, b"other", 0))
    # All of these workers' clocks stand at 5 s.
    assert answer.firsts == {1: 5}


def test_the_counts_of_deliveries_live_for_a_week(client: Redis) -> None:
    client.lpush(_A, "message")
    worker = Worker(client, "w")
    worker.exchange(1)
    worker.held()[0].reject()

    worker.exchange()

    assert 0 < client.ttl(places.DELIVERIES) <= _WEEK_SECONDS


def test_the_marker_of_a_chunk_lives_as_long_as_it_is_told(client: Redis) -> None:
    run(client, "push", _chunk(), [60, 0, 0, "", 16, 1, "message"])

    assert 0 < client.ttl(f"{MARKERS}chunk") <= 60


def test_quiet_lasts_for_one_lease(client: Redis) -> None:
    Worker(client, "w").exchange()

    assert 0 < client.pttl(places.QUIET) <= 600_000


def test_two_hundred_are_claimed_fairly_from_lists_of_thousands(client: Redis) -> None:
    client.lpush(_A, *range(3000))
    client.lpush(_B, *range(3000))

    answer = Worker(client, "w", ("a", "b")).exchange(200)

    assert [sum(index == at for index, *_ in answer.messages) for at in range(2)] == [100, 100]
    assert (client.llen(_A), client.llen(_B), client.hlen(places.CLAIMS)) == (2900, 2900, 200)


def test_a_thousand_are_done_in_one_exchange(client: Redis) -> None:
    client.lpush(_A, *range(1000))
    worker = Worker(client, "w")
    for _ in range(5):
        worker.exchange(200)
    for claim in worker.held():
        claim.done()

    assert worker.exchange().late == 0

    there = places.read(client)
    assert (there.claims, there.leases, there.started, there.lists) == ({}, {}, set(), {})


def _chunk() -> tuple[str, ...]:
    return (f"{MARKERS}chunk", *KEYS.delay(), _A)


def _hear(client: Redis) -> None:
    seconds: int = client.time()[0]
    client.set(places.PULSE, seconds * 1000)


def _end_leases(client: Redis) -> None:
    """Let the leases have ended in the order in which they would have."""
    leases: Any = client.zrange(places.LEASES, 0, -1)
    client.zadd(places.LEASES, {name: at for at, name in enumerate(leases, 1)})
