"""The real scripts, on the real server, do what a plain-Python model of a broker does, whatever the order."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from redis import Redis

from orchestrator.deadletter.death import LETTER, REPLAYS
from orchestrator.transport.exchange import RESERVE, SETTLE_ONLY
from tests.integration.transport import places
from tests.integration.transport.model import LEASE_MS, Model
from tests.integration.transport.places import KEYS, list_of, run
from tests.integration.transport.sides import WORKERS
from tests.integration.transport.supply import BREAKERS, HOUR_MS, OTHER, Supply, pick, target
from tests.integration.transport.workers import Worker

# A step does much, and there are few kinds of steps: hypothesis leaves whole kinds out of many of its runs.
_OUTCOMES = (
    *("start", "start", "done", "done", "done as a replay", "bury", "release", "reject"),
    *("again", "later", "changed", "changed later", "elsewhere", "to other", "changed to other"),
    *("aside", "aside", "aside under a taken id"),
)
_LOST = ("nothing", "nothing", "nothing", "the request", "the answer")

_worker = st.integers(0, len(WORKERS) - 1)
_outcomes = st.lists(st.tuples(pick, st.sampled_from(_OUTCOMES)), max_size=4)
_arrivals = st.lists(target, max_size=4)
_past_ms = st.integers(1, 4)


class Broker(Supply):
    """Workers claim, settle, renew and wait; time passes when it is told to."""

    @rule(
        at=_worker,
        arrivals=_arrivals,
        outcomes=_outcomes,
        claims=st.tuples(st.integers(0, 8), st.integers(0, 4)),
        wait_ms=st.sampled_from([0, 50, 2 * HOUR_MS]),
        turn=st.integers(0, 1),
        lost=st.sampled_from(_LOST),
    )
    def exchange(
        self,
        *,
        at: int,
        arrivals: list[str],
        outcomes: list[tuple[int, str]],
        claims: tuple[int, int],
        wait_ms: int,
        turn: int,
        lost: str,
    ) -> None:
        worker, (messages, free) = self.workers[at], claims
        self.arrive(arrivals)
        self.note(worker, outcomes)
        wish = worker.wish(messages, free, wait_ms=wait_ms, turn=turn) if messages else SETTLE_ONLY
        self.exchanged(worker, wish, lost=lost)

    @rule(wait_ms=st.sampled_from([50, 2 * HOUR_MS]), arrivals=_arrivals, outcomes=_outcomes)
    def everybody_exchanges(self, wait_ms: int, arrivals: list[str], outcomes: list[tuple[int, str]]) -> None:
        self.arrive(arrivals)
        for worker in self.workers:
            self.note(worker, outcomes)
            self.exchanged(worker, worker.wish(3, 2, wait_ms=wait_ms), lost="nothing")
            self.watch(worker)

    @rule(at=_worker, outcomes=_outcomes)
    def only_note(self, at: int, outcomes: list[tuple[int, str]]) -> None:
        self.note(self.workers[at], outcomes)

    @rule(at=_worker)
    def renew(self, at: int) -> None:
        worker = self.workers[at]
        leased, held = worker.ledger.leased(), set(worker.ledger.claims)

        def renewed() -> set[str]:
            worker.keeper.renew()
            return held - set(worker.ledger.claims)

        self.step(renewed, lambda model, now: held & set(model.renew(leased, now)))

    @rule(at=_worker, of=target, place=st.integers(1, 6), outcome=_outcomes, is_late=st.booleans())
    def take(self, at: int, of: str, place: int, outcome: list[tuple[int, str]], *, is_late: bool) -> None:
        """A message is taken from where it was seen; somebody may have claimed or taken it since."""
        there = self.model.lists.get(of, [])
        raw = there[-min(place, len(there))] if there else b"gone"
        if is_late:
            self.exchanged(self.workers[0], self.workers[0].wish(1, 1), lost="nothing")
        worker = self.workers[at]
        claim_id, begun = f"{worker.ledger.next_prefix()}0001", (place, raw)

        def taken() -> list[int]:
            answer: list[int] = run(self.client, "take", KEYS.take(of), [LEASE_MS, claim_id, *begun])
            if answer[0]:
                worker.ledger.hold(claim_id, "a", raw, answer[1])
            return answer

        self.step(taken, lambda model, now: model.take(claim_id, of, place, raw, now))
        self.note(worker, outcome)

    @rule(
        of=st.sampled_from(["leases", "leases", "delayed", "idle"]),
        first=pick,
        many=st.integers(1, 6),
        past=_past_ms,
    )
    def times_end(self, of: str, first: int, many: int, past: int) -> None:
        """Of some that follow one another, the times come to lie in the past; some at the same moment."""
        if of == "leases":
            self.end(places.LEASES, lambda model: model.leases, first, many, past)
        elif of == "delayed":
            self.end(places.DELAYED, lambda model: model.delayed, first, many, past)
        elif self.model.waiting:
            group = sorted(self.model.waiting)[first % len(self.model.waiting)]
            self.end(group, lambda model: model.waiting[group], first, many, past)

    @rule(leases=st.sampled_from([-0.7, -0.3, -0.3, -0.05, 0.7]))
    def pulse_was(self, leases: float) -> None:
        heard = int(self.now() + leases * LEASE_MS)
        self.step(
            lambda: self.client.set(places.PULSE, heard), lambda model, _: setattr(model, "pulse", heard)
        )

    @rule()
    def quiet_ends(self) -> None:
        self.step(lambda: self.client.delete(places.QUIET), lambda model, _: setattr(model, "quiet", 0))

    def note(self, worker: Worker, outcomes: list[tuple[int, str]]) -> None:
        """Some of its claims begin or end; Redis is told in the next exchange."""
        for number, outcome in outcomes:
            if held := worker.held():
                claim = held[number % len(held)]
                if outcome == "done as a replay":
                    claim.envelope = {"headers": {LETTER: f"letter of {claim.id}", REPLAYS: 2}}
                self.settle(claim, outcome.removesuffix(" as a replay"))

    def settle(self, claim: Any, outcome: str) -> None:
        """A claimed message's task begins, or it ends in one of the ways that there are."""
        changed: dict[str, Any] = {"properties": {}, "changed": self.new().decode()}
        match outcome:
            case "start" | "done" | "release" | "reject":
                getattr(claim, outcome)()
            case "bury":
                claim.bury({"reason": "rejected", "claim": claim.id})
            case "again":
                claim.put_back()
            case "later":
                claim.put_back(HOUR_MS / 1000)
            case "changed":
                claim.put_back(changed=changed)
            case "changed later":
                claim.put_back(2 * HOUR_MS / 1000, changed)
            case "elsewhere" | "to other":
                claim.put_back(to=OTHER if "other" in outcome else list_of("b", 3))
            case "changed to other":
                claim.put_back(changed=changed, to=OTHER)
            case _:
                # Under one id that several have, or under one of its own.
                aside_id = "aside" if "taken" in outcome else f"aside{self.made}"
                claim.set_aside(BREAKERS[self.made % 2], HOUR_MS / 1000, aside_id, changed)

    def watch(self, worker: Worker) -> None:
        """What it would watch now, in the role in which it waits."""
        sentry = worker.role != RESERVE
        queues, lists = (worker.queues, worker.lists()) if sentry else ((), ())
        names = KEYS.watch(worker.ledger.nonce, worker.lists(), sentry=sentry)

        def watched() -> list[int]:
            waiting, changes, woken = run(self.client, "watch", names, queues)
            return [waiting, int(changes) if sentry else 0, woken]

        def expected(model: Model, _: int) -> list[int]:
            waiting, changes, woken = model.watch(lists, queues, names[1])
            return [waiting, changes if sentry else 0, woken]

        self.step(watched, expected)


def test_the_scripts_do_what_the_model_does(client: Redis) -> None:
    class Here(Broker):
        pass

    Here.client = client
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=50,
            stateful_step_count=50,
            deadline=None,
            # Shrinking may take five minutes: add Phase.shrink where a failure is to be understood.
            phases=[Phase.reuse, Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
