"""The steps of producers and operators."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.integration.transport import places
from tests.integration.transport.model import Model
from tests.integration.transport.places import KEYS, list_of, run
from tests.integration.transport.sides import TOGETHER, Sides
from tests.integration.transport.workers import PRIORITIES

HOUR_MS = 3_600_000
_DAY_SECONDS = 86_400

pick = st.integers(0, 20)
target = st.builds(list_of, st.sampled_from(TOGETHER), st.sampled_from(PRIORITIES))
# Nobody claims from it, and sometimes something else is under its name.
OTHER = list_of("other")
BREAKERS = ("openai", "weird : {breaker}\n")
delay_ms = st.sampled_from([HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS])


class Supply(Sides):
    """Messages come, wait for their time, are held back, and are given to and taken from stock Celery."""

    @rule(to=target, count=st.integers(1, 4), same=st.booleans())
    def push(self, *, to: str, count: int, same: bool) -> None:
        messages = [b"the same\n\xff" if same else self.new() for _ in range(count)]
        self.alive.update(messages)
        self.step(lambda: self.client.lpush(to, *messages), lambda model, _: model.push(to, *messages))

    def arrive(self, lists: list[str]) -> None:
        """New messages, as plain producers push them."""
        for to in lists:
            self.push(to=to, count=1, same=False)

    @precondition(lambda self: OTHER not in self.model.lists)
    @rule()
    def take_or_free_the_name_of_a_list(self) -> None:
        there = OTHER in self.model.taken
        self.step(
            lambda: self.client.delete(OTHER) if there else self.client.set(OTHER, "no list"),
            lambda model, _: setattr(model, "taken", model.taken ^ {OTHER}),
        )

    @rule(to=target | st.just(OTHER), delay_ms=delay_ms)
    def delay(self, to: str, delay_ms: int) -> None:
        raw, delay_id = self.new(), f"delay{self.made}"
        self.alive[raw] += 1
        self.step(
            lambda: int(run(self.client, "delay", KEYS.delay(), [delay_ms, delay_id, to, raw])),
            lambda model, now: model.delay(delay_id, now + delay_ms, to, raw),
        )

    @rule(number=st.integers(0, 2), to=target, delay_ms=st.just(0) | delay_ms, count=st.integers(1, 5))
    def push_chunk(self, number: int, to: str, delay_ms: int, count: int) -> None:
        marker = f"{places.MARKERS}{number}"
        messages = [b"%d of chunk %d" % (at, number) for at in range(count)]
        self.alive.update(messages[self.model.markers.get(marker, 0) :])
        self.step(
            lambda: run(
                self.client,
                "push",
                [marker, *KEYS.delay(), to],
                [_DAY_SECONDS, delay_ms, 0, "", 16, count, *messages],
            ),
            lambda model, now: model.push_chunk(marker, delay_ms, to, messages, now),
        )

    @rule(queue=st.sampled_from(TOGETHER))
    def pause_or_resume(self, queue: str) -> None:
        ask = self.client.srem if queue in self.model.paused else self.client.sadd
        self.step(
            lambda: ask(places.PAUSED, queue),
            lambda model, _: setattr(model, "paused", model.paused ^ {queue}),
        )

    @precondition(lambda self: self.model.bodies)
    @rule(pick=pick, stale=st.booleans())
    def eject(self, *, pick: int, stale: bool) -> None:
        delay_id = sorted(self.model.bodies)[pick % len(self.model.bodies)]
        target, raw = self.model.bodies[delay_id]
        if target in self.model.taken:
            # The operator is told of an error.
            return
        seen, plain = (b"stale" if stale else raw), b"plain " + raw
        if not stale:
            self.alive += Counter({plain: 1})
            self.alive -= Counter({raw: 1})
        value = target.encode() + b"\n" + seen
        self.step(
            lambda: run(
                self.client, "eject", [places.DELAYED, places.BODIES, target], [delay_id, value, plain]
            ),
            lambda model, _: model.eject(delay_id, target, seen, plain),
        )

    @rule(pick=pick, lists=st.lists(target, min_size=1, max_size=2), stale=st.booleans())
    def adopt(self, *, pick: int, lists: list[str], stale: bool) -> None:
        self.stock_takes()
        tag, raw = sorted(self.model.unacked.items())[pick % len(self.model.unacked)]
        seen, restored = (b"stale" if stale else raw), b"restored " + raw
        if not stale:
            self.alive += Counter({restored: len(lists)})
            self.alive -= Counter({raw: 1})
        self.step(
            lambda: run(
                self.client,
                "adopt",
                [places.UNACKED, places.UNACKED_INDEX, *lists],
                [tag, seen, restored],
            ),
            lambda model, _: model.adopt(tag, seen, lists, restored),
        )

    @rule(breaker=st.sampled_from(BREAKERS), first=pick, many=st.integers(0, 6), stranger=st.booleans())
    def release(self, *, breaker: str, first: int, many: int, stranger: bool) -> None:
        waiting = sorted(self.model.aside.get(breaker, {}))
        ids = [*waiting[first % (len(waiting) or 1) :][:many], *(["nobody"] if stranger else [])]
        self.step(
            lambda: run(self.client, "release", KEYS.release(breaker), [breaker, *ids]),
            lambda model, now: model.release(breaker, ids, now),
        )

    def stock_takes(self) -> None:
        """A stock worker takes a message and is stopped."""
        raw = self.new()
        tag = f"tag{self.made}"
        self.alive[raw] += 1

        def take() -> None:
            self.client.hset(places.UNACKED, tag, raw)
            self.client.zadd(places.UNACKED_INDEX, {tag: 5})

        def taken(model: Model, _: int) -> None:
            model.unacked[tag], model.unacked_index[tag] = raw, 5

        self.step(take, taken)
