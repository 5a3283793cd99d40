"""Where everything of a broker is: read from the real server, and written by the model."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from orchestrator import keys
from orchestrator.tally.fields import SINCE
from orchestrator.transport import scripts
from orchestrator.transport.keys import Keys

PREFIX = "shop:"
KEYS = Keys(PREFIX)
CLAIMS, LEASES, STARTED, DELAYED, BODIES, DELIVERIES, OUTBOX, CHANGES, PAUSED, PULSE, QUIET = KEYS.places
OUTCOMES = keys.outcomes(PREFIX)
TOTALS = keys.metrics("totals", PREFIX)
ASIDES, ASIDE_MESSAGES, ASIDE = keys.asides(PREFIX), keys.aside_messages(PREFIX), keys.aside("", PREFIX)
MARKERS = keys.batch("", PREFIX)
UNACKED, UNACKED_INDEX = f"{PREFIX}unacked", f"{PREFIX}unacked_index"
_SENTRIES, _RESERVES = keys.sentries("", PREFIX), keys.reserves("", PREFIX)
# A list of the tests is named `shop:list:…`.
_LISTS = f"{PREFIX}list:"

Message = tuple[str, bytes]


@dataclass
class Places:
    """All keys of a broker, as plain Python; the end of a list is claimed next, as in Redis.

    `letters` and `outcomes` are the streams' entries without their ids; `waiting` holds, by key, until when
    each idle worker counts as one; `aside` holds, by breaker, until when each id waits; `wakes` are the
    keys that wake a reserve; `taken` are names of lists under which something else is; `counts` has what was
    counted, by field. Times are in milliseconds.
    """

    lists: dict[str, list[bytes]] = field(default_factory=dict)
    claims: dict[str, Message] = field(default_factory=dict)
    leases: dict[str, int] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    delayed: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, Message] = field(default_factory=dict)
    deliveries: dict[str, int] = field(default_factory=dict)
    letters: list[dict[str, bytes]] = field(default_factory=list)
    outcomes: list[dict[str, bytes]] = field(default_factory=list)
    changes: int = 0
    paused: set[str] = field(default_factory=set)
    pulse: int = 0
    quiet: int = 0
    waiting: dict[str, dict[str, int]] = field(default_factory=dict)
    wakes: set[str] = field(default_factory=set)
    markers: dict[str, int] = field(default_factory=dict)
    aside: dict[str, dict[str, int]] = field(default_factory=dict)
    aside_messages: dict[str, Message] = field(default_factory=dict)
    asides: set[str] = field(default_factory=set)
    unacked: dict[str, bytes] = field(default_factory=dict)
    unacked_index: dict[str, int] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)

    def messages(self) -> Counter[bytes]:
        """How often each message is there, wherever it is."""
        found = [raw for messages in self.lists.values() for raw in messages]
        held = (*self.claims.values(), *self.bodies.values(), *self.aside_messages.values())
        found += [raw for _, raw in held]
        return Counter([*found, *self.unacked.values()])

    @property
    def is_whole(self) -> bool:
        """Whether every claim has its lease, and every waiting message its time, and the other way round."""
        return (
            self.claims.keys() == self.leases.keys()
            and self.started <= self.claims.keys()
            and self.bodies.keys() == self.delayed.keys()
            and self.aside_messages.keys() == {each for waiting in self.aside.values() for each in waiting}
            and self.aside.keys() == self.asides
        )


def read(client: Redis) -> Places:
    """Everything that is on the server; `client` answers with bytes."""
    found: Any = client.keys("*")
    names = [name.decode() for name in found]
    lists = [name for name in names if name.startswith(_LISTS)]
    taken = _no_lists(client, lists)
    lists = [name for name in lists if name not in taken]
    waiting = [name for name in names if name.startswith((_SENTRIES, _RESERVES))]
    wakes = {name for name in waiting if name.count(":") > _RESERVES.count(":")}
    waiting = [name for name in waiting if name not in wakes]
    markers = [name for name in names if name.startswith(MARKERS)]
    breakers = [name for name in names if name.startswith(ASIDE)]
    with client.pipeline(transaction=True) as ask:
        for name in (CLAIMS, BODIES, ASIDE_MESSAGES, DELIVERIES, UNACKED, TOTALS):
            ask.hgetall(name)
        for name in (LEASES, DELAYED, UNACKED_INDEX, *breakers, *waiting):
            ask.zrange(name, 0, -1, withscores=True)
        for name in (STARTED, PAUSED, ASIDES):
            ask.smembers(name)
        for name in (OUTBOX, OUTCOMES):
            ask.xrange(name)
        for name in (CHANGES, PULSE):
            ask.get(name)
        ask.pexpiretime(QUIET)
        for name in lists:
            ask.lrange(name, 0, -1)
        for name in markers:
            ask.get(name)
        answers: Any = iter(ask.execute())
    claims, bodies, aside_messages, deliveries, unacked, counts = (_texts(next(answers)) for _ in range(6))
    leases, delayed, unacked_index = (_scores(next(answers)) for _ in range(3))
    aside = {name.removeprefix(ASIDE): _scores(next(answers)) for name in breakers}
    roles = {name: _scores(next(answers)) for name in waiting}
    started, paused, asides = ({each.decode() for each in next(answers)} for _ in range(3))
    letters, outcomes = ([_texts(fields) for _, fields in next(answers)] for _ in range(2))
    changes, pulse, quiet = (int(next(answers) or 0) for _ in range(3))
    return Places(
        lists={name: next(answers) for name in lists},
        claims={name: _split(value) for name, value in claims.items()},
        leases=leases,
        started=started,
        delayed=delayed,
        bodies={name: _split(value) for name, value in bodies.items()},
        deliveries={name: int(value) for name, value in deliveries.items()},
        letters=letters,
        outcomes=outcomes,
        changes=changes,
        paused=paused,
        pulse=pulse,
        quiet=max(quiet, 0),
        waiting=roles,
        aside=aside,
        aside_messages={name: _split(value) for name, value in aside_messages.items()},
        asides=asides,
        wakes=wakes,
        markers={name: int(next(answers)) for name in markers},
        unacked=unacked,
        unacked_index=unacked_index,
        taken=taken,
        counts={name: int(value) for name, value in counts.items() if name != SINCE},
    )


def run(client: Redis, name: str, names: Any, arguments: Any) -> Any:
    """Run the real script as workers do: by its SHA-1."""
    script = scripts.load(name)
    client.script_load(script.text)
    return client.evalsha(script.sha, len(names), *names, *arguments)


def list_of(queue: str, priority: int = 0) -> str:
    """The list of a queue and priority."""
    return _LISTS + queue + (f"\x06\x16{priority}" if priority else "")


def digest(raw: bytes) -> str:
    """By which deliveries are counted."""
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()


def _no_lists(client: Redis, names: list[str]) -> set[str]:
    with client.pipeline(transaction=False) as ask:
        for name in names:
            ask.type(name)
        kinds = ask.execute()
    return {name for name, kind in zip(names, kinds, strict=True) if kind != b"list"}


def _texts(found: Any) -> dict[str, bytes]:
    return {name.decode(): value for name, value in found.items()}


def _scores(found: Any) -> dict[str, int]:
    return {name.decode(): int(score) for name, score in found}


def _split(value: bytes) -> Message:
    target, raw = value.split(b"\n", 1)
    return target.decode(), raw
