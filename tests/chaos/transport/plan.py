"""A seed → the messages of a run, the same ones in every process that asks."""

from dataclasses import dataclass
from random import Random

from tests.chaos.transport.conditions import PRIORITIES
from tests.chaos.transport.kinds import BY_NAME, KINDS, SUCCESS, Kind

# One message in so many ends every worker that runs it.
KILLER_EVERY = 1500
_FOLLOWERS = frozenset({"chaos.added", "chaos.total"})
_ODD_MEMBERS = {"chord_failing": "exception", "chord_killed": "exit_always", "chord_ignoring": "ignore"}


@dataclass(frozen=True)
class Part:
    """One task message: what it does, where it goes, and what it returns where that is known."""

    kind: Kind
    task: str
    queue: str
    priority: int
    seconds: float
    countdown: float | None
    value: int | None = None

    @property
    def is_follower(self) -> bool:
        """Whether a worker sends it, with the result of what came before as its first argument."""
        return self.task in _FOLLOWERS


@dataclass(frozen=True)
class Message:
    """What a producer sends in one call: one part, or all those of a chord or chain (a chord's body last)."""

    index: int
    kind: str
    parts: tuple[Part, ...]

    def ids(self, run: str, attempt: int) -> list[str]:
        """The parts' task ids at this attempt to send it."""
        return [f"{run}-{self.index}-{attempt}-{number}" for number in range(len(self.parts))]


def draw(seed: int, messages: int, *, stock: bool, calm: bool = False) -> list[Message]:
    """At least so many messages, every kind among each hundred or so; in a calm run none ends workers."""
    random = Random(seed)
    drawn: list[Message] = []
    left = messages
    next_killer = 0
    while left > 0:
        deck = [kind for kind in KINDS if not (stock and kind.why_not_stock) for _ in range(kind.weight)]
        random.shuffle(deck)
        if not stock and not calm and len(drawn) >= next_killer:
            deck.insert(len(deck) // 4, BY_NAME["kills_worker"])
            next_killer += KILLER_EVERY
        for kind in deck:
            if left > 0:
                drawn.append(Message(len(drawn), kind.name, tuple(_parts(kind, len(drawn), random))))
                left -= len(drawn[-1].parts)
    return drawn


def _parts(kind: Kind, index: int, random: Random) -> list[Part]:
    if kind.name == "chain":
        first = _part(BY_NAME["ok"], random, index)
        return [first, *(_part(kind, random, index + step, "added") for step in (1, 2))]
    if kind.name.startswith("chord"):
        return _chord(kind, index, random)
    return [_part(kind, random, index)]


def _chord(kind: Kind, index: int, random: Random) -> list[Part]:
    members = [_part(BY_NAME["ok"], random, index) for _ in range(random.randint(2, 4))]
    total = index * len(members)
    if kind.name in _ODD_MEMBERS:
        members.append(_part(BY_NAME[_ODD_MEMBERS[kind.name]], random, index))
        random.shuffle(members)
    return [*members, _part(kind, random, total, "total")]


def _part(kind: Kind, random: Random, value: int, task: str = "") -> Part:
    return Part(
        kind=kind,
        task=f"chaos.{task or kind.name}",
        queue=random.choice(kind.queues),
        priority=random.choice(PRIORITIES),
        seconds=round(random.uniform(*kind.seconds), 3),
        countdown=round(random.uniform(*kind.countdown), 3) if kind.countdown else None,
        value=value if SUCCESS in kind.ends else None,
    )
