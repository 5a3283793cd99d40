"""The real scripts, on the real server, do what a plain-Python model of a broker does, whatever the order."""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from redis import Redis

from orchestrator.transport.exchange import SETTLE_ONLY
from tests.integration.transport import places
from tests.integration.transport.model import LEASE_MS, Model
from tests.integration.transport.places import KEYS, run
from tests.integration.transport.sides import WORKERS
from tests.integration.transport.supply import HOUR_MS, Supply, delay_ms, pick, target

_SETTLEMENTS = (
    "done",
    "bury",
    "release",
    "reject",
    "again",
    "later",
    "changed",
    "changed later",
    "elsewhere",
)
_LOST = ("nothing", "nothing", "nothing", "the request", "the answer")

_worker = st.integers(0, len(WORKERS) - 1)
_past_ms = st.integers(1, 4)


class Broker(Supply):
    """Workers claim, settle, renew and wait; time passes when it is told to."""

    @rule(
        at=_worker,
        messages=st.integers(1, 8),
        free=st.integers(0, 8),
        wait_ms=st.sampled_from([0, 50, 5000, 2 * HOUR_MS]),
        turn=st.integers(0, 2),
        lost=st.sampled_from(_LOST),
    )
    def exchange(self, *, at: int, messages: int, free: int, wait_ms: int, turn: int, lost: str) -> None:
        worker = self.workers[at]
        self.exchanged(worker, worker.wish(messages, free, wait_ms=wait_ms, turn=turn), lost=lost)

    @rule(at=_worker, lost=st.sampled_from(_LOST))
    def only_settle(self, at: int, lost: str) -> None:
        self.exchanged(self.workers[at], SETTLE_ONLY, lost=lost)

    @precondition(lambda self: self.held())
    @rule(pick=pick, name=st.sampled_from(_SETTLEMENTS), other=target, delay_ms=delay_ms)
    def settle(self, pick: int, name: str, other: str, delay_ms: int) -> None:
        held = self.held()
        claim = held[pick % len(held)]
        changed: dict[str, Any] = {"properties": {}, "changed": self.new().decode()}
        match name:
            case "done" | "release" | "reject":
                getattr(claim, name)()
            case "bury":
                claim.bury({"reason": "rejected", "claim": claim.id})
            case "again":
                claim.put_back()
            case "later":
                claim.put_back(delay_ms / 1000)
            case "changed":
                claim.put_back(changed=changed)
            case "changed later":
                claim.put_back(delay_ms / 1000, changed)
            case "elsewhere":
                claim.put_back(to=other)

    @precondition(lambda self: any(not claim.started for claim in self.held()))
    @rule(pick=pick)
    def start(self, pick: int) -> None:
        waiting = [claim for claim in self.held() if not claim.started]
        waiting[pick % len(waiting)].start()

    @rule(at=_worker)
    def renew(self, at: int) -> None:
        worker = self.workers[at]
        leased, held = worker.ledger.leased(), set(worker.ledger.claims)

        def renewed() -> set[str]:
            worker.keeper.renew()
            return held - set(worker.ledger.claims)

        self.step(renewed, lambda model, now: held & set(model.renew(leased, now)))

    @rule(at=_worker, sentry=st.booleans())
    def watch(self, *, at: int, sentry: bool) -> None:
        worker = self.workers[at]
        queues, lists = (worker.queues, worker.lists()) if sentry else ((), ())
        names = KEYS.watch(worker.ledger.nonce, worker.lists(), sentry=sentry)

        def watched() -> list[int]:
            waiting, changes, woken = run(self.client, "watch", names, queues)
            return [waiting, int(changes) if sentry else 0, woken]

        def expected(model: Model, _: int) -> list[int]:
            waiting, changes, woken = model.watch(lists, queues, names[1])
            return [waiting, changes if sentry else 0, woken]

        self.step(watched, expected)

    @precondition(lambda self: self.model.leases)
    @rule(first=pick, count=st.integers(1, 6), past=_past_ms)
    def leases_end(self, first: int, count: int, past: int) -> None:
        self.end(places.LEASES, self.model.leases, first, count, past)

    @precondition(lambda self: self.model.delayed)
    @rule(first=pick, count=st.integers(1, 6), past=_past_ms)
    def delays_end(self, first: int, count: int, past: int) -> None:
        self.end(places.DELAYED, self.model.delayed, first, count, past)

    def end(self, place: str, times: dict[str, int], first: int, count: int, past: int) -> None:
        """Of some that follow one another, the times come to lie in the past; some at the same moment."""
        names = sorted(times)[first % len(times) :][:count]
        ended = {name: past + (2 * at) % 3 for at, name in enumerate(names)}
        here = "leases" if place == places.LEASES else "delayed"
        self.step(lambda: self.client.zadd(place, ended), lambda model, _: getattr(model, here).update(ended))

    @precondition(lambda self: self.model.waiting)
    @rule(pick=pick, past=_past_ms)
    def idle_worker_is_gone(self, pick: int, past: int) -> None:
        everybody = [(name, token) for name, tokens in sorted(self.model.waiting.items()) for token in tokens]
        name, token = everybody[pick % len(everybody)]
        self.step(
            lambda: self.client.zadd(name, {token: past}),
            lambda model, _: model.waiting[name].update({token: past}),
        )

    @rule(leases=st.sampled_from([-0.7, -0.3, -0.05, 0.7]))
    def pulse_was(self, leases: float) -> None:
        heard = int(self.now() + leases * LEASE_MS)
        self.step(
            lambda: self.client.set(places.PULSE, heard), lambda model, _: setattr(model, "pulse", heard)
        )

    @precondition(lambda self: self.model.quiet)
    @rule()
    def quiet_ends(self) -> None:
        self.step(lambda: self.client.delete(places.QUIET), lambda model, _: setattr(model, "quiet", 0))


def test_the_scripts_do_what_the_model_does(client: Redis) -> None:
    class Here(Broker):
        pass

    Here.client = client
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=100,
            stateful_step_count=60,
            deadline=None,
            # Shrinking may take five minutes: add Phase.shrink where a failure is to be understood.
            phases=[Phase.reuse, Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
