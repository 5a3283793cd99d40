"""The moments at which scripts are stopped half-way: what is there before, and what they are run with."""

from __future__ import annotations

from redis import Redis

from orchestrator.deadletter.death import LETTER, REPLAYS
from orchestrator.transport.exchange import SETTLE_ONLY, Wish
from orchestrator.transport.ledger import Batch
from tests.integration.transport import places
from tests.integration.transport.model import LEASE_MS
from tests.integration.transport.places import KEYS, MARKERS, list_of, run
from tests.integration.transport.stopping import Stage
from tests.integration.transport.workers import Worker

A, B = list_of("a"), list_of("b")
_HOUR_MS = 3_600_000


def settling(client: Redis) -> Stage:
    """A worker settles in every way that there is, and has begun another task."""
    worker = Worker(client, "settling")
    client.lpush(A, *range(13))
    client.hset(places.DELIVERIES, mapping={places.digest(b"%d" % number): 1 for number in (1, 2, 8, 11, 12)})
    worker.exchange(13, 0)
    held = worker.held()
    held[0].done()
    held[1].done()
    held[2].bury({"reason": "rejected"})
    held[3].release()
    held[4].reject()
    held[5].put_back(counts="waited")
    held[6].put_back(3600, counts="retried")
    held[7].put_back(to=B)
    held[8].put_back(3600, {"properties": {}})
    held[9].start()
    held[12].set_aside("openai", 3600, "aside", {"properties": {}, "is": "set aside"})
    for replayed in held[10:12]:
        replayed.envelope = {"headers": {LETTER: f"letter of {replayed.id}", REPLAYS: 1}}
        replayed.done()
    batch = worker.ledger.take()
    changed, waiting = (
        arguments[-1].encode()
        for name, _, _, arguments in batch.others
        if name == "aside" or (name == "again" and arguments[2])
    )
    forms = [{b"%d" % number} for number in (*range(2, 10), 12)]
    forms[8 - 2].add(changed)
    forms[-1].add(waiting)
    return _exchange(client, worker, SETTLE_ONLY, batch, forms)


def refusing(client: Redis) -> Stage:
    """The same, what is due and what a dead worker held, where something else is under the list's name."""
    worker, dead = Worker(client, "settling"), Worker(client, "dead")
    client.lpush(A, *range(6))
    dead.exchange(1)
    worker.exchange(5)
    client.zadd(places.LEASES, {dead.held()[0].id: 1})
    run(client, "delay", KEYS.delay(), [0, "due", A, "due"])
    client.set(A, "no list")
    held = worker.held()
    held[0].release()
    held[1].reject()
    held[2].put_back()
    held[3].put_back(changed={"properties": {}})
    held[4].put_back(to=B)
    forms = [{raw.encode()} for raw in ("0", "1", "2", "3", "4", "5", "due")]
    return _exchange(client, worker, SETTLE_ONLY, worker.ledger.take(), forms)


def claiming(client: Redis) -> Stage:
    """A sentry claims from two queues, what is due and what a dead worker held among it, and leaves."""
    dead, other = Worker(client, "dead", ("a", "b")), Worker(client, "other", ("a", "b"))
    client.lpush(A, "unstarted", "started")
    dead.exchange(2, 1)
    client.zadd(places.LEASES, {claim.id: at for at, claim in enumerate(dead.held(), 1)})
    run(client, "delay", KEYS.delay(), [0, "due", B, "due"])
    worker = Worker(client, "claiming", ("a", "b"))
    for idle in (worker, *(Worker(client, f"idle{number}", ("a", "b")) for number in range(3))):
        client.sadd(places.PAUSED, "a", "b")
        idle.exchange(1, wait_ms=_HOUR_MS)
    client.delete(places.PAUSED)
    other.exchange()
    client.lpush(A, "one", "two")
    client.lpush(B, "three", "four")
    wish = worker.wish(7, 2, wait_ms=_HOUR_MS)
    forms = [{raw.encode()} for raw in ("unstarted", "started", "due", "one", "two", "three", "four")]
    return _exchange(client, worker, wish, worker.ledger.take(), forms)


def releasing_unknown_claims(client: Redis) -> Stage:
    """A worker gives back what an exchange has claimed of which it never got the answer."""
    worker = Worker(client, "cut")
    client.lpush(A, "one", "two", "three")
    wish, batch = worker.wish(3, 3), worker.ledger.take()
    worker.send(wish, batch)
    worker.miss(wish, batch)
    return _exchange(client, worker, SETTLE_ONLY, worker.ledger.take(), [{b"one"}, {b"two"}, {b"three"}])


def renewing(client: Redis) -> Stage:
    """A worker renews its leases after a long silence."""
    worker = Worker(client, "renewing")
    client.lpush(A, "one", "two")
    worker.exchange(2)
    client.delete(places.PULSE)
    arguments = [LEASE_MS, *worker.ledger.leased()]
    return Stage(client, "renew", KEYS.renew(), arguments, [{b"one"}, {b"two"}], worker.keeper.renew)


def delaying(client: Redis) -> Stage:
    """A producer sends a message with an eta; when it is refused, it tries again under another id."""
    client.lpush(A, "other")
    arguments = [_HOUR_MS, "first", A, "message"]

    def repeat() -> None:
        run(client, "delay", KEYS.delay(), [_HOUR_MS, "second", A, "message"])

    return Stage(client, "delay", KEYS.delay(), arguments, [{b"other"}], repeat, {b"message"})


def pushing(client: Redis) -> Stage:
    """A producer pushes a chunk, a part of which was pushed before."""
    return _chunk(client, 0)


def pushing_for_later(client: Redis) -> Stage:
    """The same, with an eta."""
    return _chunk(client, _HOUR_MS)


def releasing(client: Redis) -> Stage:
    """The mover lets go what waits for a breaker; of one id there is no message, and one list is none."""
    worker = Worker(client, "setting")
    client.lpush(A, "first", "second", "refused")
    worker.exchange(3)
    for number, claim in enumerate(worker.held()):
        claim.set_aside("openai", 3600 + number, claim.raw.decode(), {"properties": {}, "is": claim.id})
    forms = [{arguments[-1].encode()} for _, _, _, arguments in worker.ledger._others]  # noqa: SLF001
    worker.exchange()
    client.hset(places.ASIDE_MESSAGES, "refused", f"{B}\n{forms[2].copy().pop().decode()}")
    client.set(B, "no list")
    names, arguments = KEYS.release("openai"), ["openai", "first", "nobody", "second", "refused"]
    return Stage(client, "release", names, arguments, forms, lambda: run(client, "release", names, arguments))


def ejecting(client: Redis) -> Stage:
    """An operator makes a plain message of a delayed one."""
    run(client, "delay", KEYS.delay(), [_HOUR_MS, "id", A, "held"])
    names = (places.DELAYED, places.BODIES, A)
    arguments = ["id", f"{A}\nheld", "plain"]
    forms = [{b"held", b"plain"}]
    return Stage(client, "eject", names, arguments, forms, lambda: run(client, "eject", names, arguments))


def adopting(client: Redis) -> Stage:
    """An operator gives back what a stock worker holds."""
    client.hset(places.UNACKED, "tag", "taken")
    client.zadd(places.UNACKED_INDEX, {"tag": 1})
    names = (places.UNACKED, places.UNACKED_INDEX, A)
    arguments = ["tag", "taken", "restored"]
    forms = [{b"taken", b"restored"}]
    return Stage(client, "adopt", names, arguments, forms, lambda: run(client, "adopt", names, arguments))


def taking(client: Redis) -> Stage:
    """A sweep takes a message out of the middle of a list that nobody claims from."""
    client.lpush(A, "one", "two", "three")
    names, arguments = KEYS.take(A), [LEASE_MS, "sweep-00000001-5-0001", 2, "two"]
    forms = [{b"one"}, {b"two"}, {b"three"}]
    return Stage(client, "take", names, arguments, forms, lambda: run(client, "take", names, arguments))


def purging(client: Redis) -> Stage:
    """An operator deletes what waits for one queue; another one's is left alone."""
    for target in (A, B):
        for number in range(2):
            run(client, "delay", KEYS.delay(), [_HOUR_MS, f"{target}{number}", target, f"{target}{number}"])
    names, arguments = (places.DELAYED, places.BODIES), [0, 200, A]
    forms = [{f"{B}{number}".encode()} for number in range(2)]
    return Stage(client, "purge", names, arguments, forms, lambda: run(client, "purge", names, arguments))


def _exchange(client: Redis, worker: Worker, wish: Wish, batch: Batch, forms: list[set[bytes]]) -> Stage:
    def repeat() -> None:
        worker.miss(wish, batch)
        worker.exchange()

    lists = worker.lists(wish.queues) if wish.messages else ()
    return Stage(
        client, "exchange", KEYS.exchange(lists), wish.arguments(LEASE_MS / 1000, batch), forms, repeat
    )


def _chunk(client: Redis, delay_ms: int) -> Stage:
    names = (f"{MARKERS}chunk", *KEYS.delay(), A)
    run(client, "push", names, [86_400, delay_ms, 0, "", 16, 1, "one"])
    arguments = [86_400, delay_ms, 0, "", 16, 3, "one", "two", "three"]

    def repeat() -> None:
        run(client, "push", names, arguments)

    return Stage(client, "push", names, arguments, [{b"one"}], repeat, {b"two", b"three"})
