"""The exchange as Python sees it: what is asked of the script, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator import logger
from orchestrator.transport.ledger import Batch, Ledger

_LOG = logger.get(__name__)

NOT_WAITING, SENTRY, RESERVE = 0, 1, 2


@dataclass(frozen=True)
class Wish:
    """What a worker wants of one exchange.

    `messages` are wanted, `free` of them can start at once; the other fields say how it waits when there is
    nothing: under which token ('' for not at all), in which role it waited, and for how many milliseconds.
    """

    messages: int = 0
    free: int = 0
    prefix: str = ""
    queues: tuple[str, ...] = ()
    token: str = ""
    role: int = NOT_WAITING
    wait_ms: int = 0

    def arguments(self, lease_seconds: float, batch: Batch) -> list[Any]:
        """The script's ARGV."""
        head = [
            self.messages,
            self.free,
            int(lease_seconds * 1000),
            self.prefix,
            len(self.queues),
            self.token,
            self.role,
            self.wait_ms,
            len(batch.done),
            len(batch.started),
        ]
        done: list[Any] = []
        for counted, ids in batch.done.items():
            done += [counted, len(ids), *ids]
        others: list[Any] = []
        for name, claim_id, counted, arguments in batch.others:
            others += [name, claim_id, counted, len(arguments), *arguments]
        return [*head, *self.queues, *done, *batch.started, *others]


SETTLE_ONLY = Wish()


@dataclass(frozen=True)
class Answer:
    """What came of an exchange: how many settlements came too late, when to look again, and the messages.

    `refusing` names the lists that took no message back, or gave none, because they are no lists. `firsts`
    says by its number of a message that was delivered before when it was claimed first, in Unix seconds.
    """

    late: int
    due_ms: int
    role: int
    changes: bytes
    messages: tuple[tuple[int, bytes, int], ...]
    refusing: tuple[str, ...] = ()
    firsts: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, reply: Sequence[Any]) -> Answer:
        """Read the script's reply; a message is (index of its list, raw, earlier deliveries)."""
        late, due_ms, role, changes, flat, refusing, firsts = reply
        messages = tuple(zip(flat[::3], flat[1::3], flat[2::3], strict=True))
        lists = tuple(name.decode(errors="backslashreplace") for name in refusing)
        moments = dict(zip(firsts[::2], firsts[1::2], strict=True))
        return cls(int(late), int(due_ms), int(role), changes, messages, lists, moments)


def warn_of_refusing(ledger: Ledger, answer: Answer) -> None:
    """Say once of each list that it is none: its messages wait until somebody removes what is there."""
    for name in answer.refusing:
        if name not in ledger.refusing:
            ledger.refusing.add(name)
            _LOG.warning("queue_is_no_list", key=name, todo="rename or delete what is under this key")


def forget_unknown(ledger: Ledger, wish: Wish) -> None:
    """An exchange whose reply never came may have claimed: have those messages released."""
    if wish.prefix:
        ledger.note("unknown", wish.prefix, str(wish.messages))
