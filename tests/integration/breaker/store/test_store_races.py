"""Many who ask and tell at the same time come to one state: no report is lost, no probe is one too many."""

import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from redis import Redis

from orchestrator import keys
from orchestrator.breaker.report import Report
from orchestrator.breaker.store import Store
from orchestrator.policy import Policy

_THREADS = 8
_POLICY = Policy(failure_threshold=100, failure_rate=None, open_jitter=0, probes=3, open_seconds=0.001)


class Probes:
    """The tokens under way by their epoch, and the most of one epoch that there were at a time."""

    def __init__(self) -> None:
        self._under_way: dict[int, set[str]] = defaultdict(set)
        self._lock = threading.Lock()
        self.most = 0
        self.all = 0

    def begin(self, epoch: int, token: str) -> None:
        with self._lock:
            self._under_way[epoch].add(token)
            self.most = max(self.most, len(self._under_way[epoch]))
            self.all += 1

    def end(self, epoch: int, token: str) -> None:
        with self._lock:
            self._under_way[epoch].discard(token)


def _at_once(redis_url: str, work: Callable[[Store, int], None]) -> None:
    def alone(number: int) -> None:
        with Redis.from_url(redis_url, decode_responses=True) as client:
            store = Store(client, "p:")
            together.wait(20)
            work(store, number)

    together = threading.Barrier(_THREADS)
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(alone, range(_THREADS)))


def test_no_failure_is_lost_of_those_that_are_told_at_the_same_time(redis_url: str, store: Store) -> None:
    def work(mine: Store, number: int) -> None:
        for _ in range(12 if number else 15):
            mine.report("api", _POLICY, Report(0, failed=1))

    _at_once(redis_url, work)
    details = store.details("api")
    assert details
    assert details.failures == 99
    assert store.report("api", _POLICY, Report(0, failed=1)).circuit == "open"
    assert [each.why for each in store.history("api", 9)] == ["100 failures in a row"]


def test_never_more_probe_at_the_same_time_than_may(redis_url: str, store: Store, client: Redis) -> None:
    probes = Probes()

    def work(mine: Store, number: int) -> None:
        for turn in range(40):
            token = f"{number}-{turn}"
            permitted, state = mine.admit("api", _POLICY, token)
            if permitted and state.circuit == "half_open":
                probes.begin(state.epoch, token)
                mine.read(["api"])
                probes.end(state.epoch, token)
                # Ends well, badly, without a word, or as one whose process has died.
                failed, ok = int(turn % 5 == 1), int(turn % 5 in {0, 2})
                if turn % 5 < 4:
                    mine.report("api", _POLICY, Report(state.epoch, token, ok=ok, failed=failed))
            elif state.circuit == "closed":
                mine.report("api", _POLICY, Report(state.epoch, failed=100))

    store.report("api", _POLICY, Report(0, failed=100))
    assert client.hget(keys.breaker("api", "p:"), "circuit") == "open"
    _at_once(redis_url, work)
    assert 2 <= probes.most <= 3
    assert probes.all >= 3
