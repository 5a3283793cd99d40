"""A broker on the server and its model: every step is taken in both, which then hold the same."""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant
from redis import Redis

from orchestrator.transport.exchange import Answer, Wish
from orchestrator.transport.ledger import Batch
from tests.integration.transport import places
from tests.integration.transport.model import Model
from tests.integration.transport.workers import Worker

TOGETHER, ALONE = ("a", "b"), ("a",)
WORKERS = (*(5 * [TOGETHER]), ALONE)


class Sides(RuleBasedStateMachine):
    """Both sides. Whatever the model says, `alive` are the messages that must be somewhere."""

    client: ClassVar[Redis]

    def __init__(self) -> None:
        super().__init__()
        self.client.flushdb()
        self.client.set(places.PULSE, self.now())
        self.actual = places.read(self.client)
        self.model = Model(pulse=self.actual.pulse)
        self.workers = [Worker(self.client, f"w{at}", queues) for at, queues in enumerate(WORKERS)]
        self.alive: Counter[bytes] = Counter()
        self.buried = self.resolved = 0
        self.made = 0

    @invariant()
    def every_message_is_in_one_place_or_settled(self) -> None:
        assert self.actual.messages() == self.alive
        assert self.actual.is_whole

    @invariant()
    def there_is_one_letter_for_each_burial(self) -> None:
        assert len(self.actual.letters) == self.buried

    @invariant()
    def there_is_one_outcome_for_each_replay_that_is_done(self) -> None:
        assert len(self.actual.outcomes) == self.resolved

    @invariant()
    def redis_knows_of_every_start(self) -> None:
        for worker in self.workers:
            if not worker.ledger.has_news:
                begun = {claim.id for claim in worker.held() if claim.started}
                assert begun & self.actual.claims.keys() <= self.actual.started

    def exchanged(self, worker: Worker, wish: Wish, *, lost: str) -> None:
        batch = worker.ledger.take()
        if lost == "the request":
            worker.miss(wish, batch)
            return
        self.account(batch)
        lists = worker.lists(wish.queues) if wish.messages else ()
        answer = self.step(
            lambda: worker.send(wish, batch), lambda model, now: model.exchange(wish, batch, lists, now)
        )
        if lost == "the answer":
            worker.miss(wish, batch)
        else:
            worker.hear(wish, batch, answer)

    def account(self, batch: Batch) -> None:
        """Count what these settlements end, by what the server holds now."""
        claims = dict(self.actual.claims)
        done = [("done", claim_id, "", ()) for ids in batch.done.values() for claim_id in ids]
        for name, claim_id, _, arguments in (*done, *batch.others):
            refused = name == "again" and arguments[0] == "0" and arguments[1] in self.actual.taken
            if claim_id not in claims or refused:
                continue
            _, raw = claims.pop(claim_id)
            changed = name in ("again", "aside") and arguments[-1].encode()
            if changed or name in ("done", "bury", "resolve"):
                self.alive -= Counter({raw: 1})
            if changed:
                self.alive[changed] += 1
            self.buried += name == "bury"
            self.resolved += name == "resolve"

    def step(self, take: Callable[[], Any], expect: Callable[[Model, int], Any]) -> Any:
        """Take a step on both sides; the model is told each millisecond that it may have been."""
        earliest = self.now()
        answer = take()
        latest = self.now()
        self.actual = places.read(self.client)
        for now in range(earliest, latest + 1):
            model = copy.deepcopy(self.model)
            expected = expect(model, now)
            if vars(model) == vars(self.actual) and _agree(expected, answer):
                break
        else:
            assert vars(self.actual) == vars(model)
            assert answer == expected
        self.model = model
        return answer

    def end(
        self, place: str, of: Callable[[Model], dict[str, int]], first: int, many: int, past: int
    ) -> None:
        """Let some of the times in a sorted set, `of` the model, lie in the past."""
        names = sorted(of(self.model))
        names = names[first % len(names) :][:many] if names else []
        ended: dict[Any, Any] = {name: past + (2 * at) % 3 for at, name in enumerate(names)}
        if ended:
            self.step(lambda: self.client.zadd(place, ended), lambda model, _: of(model).update(ended))

    def now(self) -> int:
        seconds, microseconds = self.client.time()
        return seconds * 1000 + microseconds // 1000

    def new(self) -> bytes:
        self.made += 1
        return b"message %d" % self.made


def _agree(expected: Any, answer: Any) -> bool:
    if isinstance(expected, Answer) and isinstance(answer, Answer):
        if abs(expected.due_ms - answer.due_ms) > 1:
            return False
        answer = replace(answer, due_ms=expected.due_ms)
    return not isinstance(expected, int | list | set | Answer) or bool(expected == answer)
