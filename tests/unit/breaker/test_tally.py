"""A tally counts calls that ended well, and tells each of them once."""

from __future__ import annotations

import threading

from orchestrator.breaker.tally import Tally


def test_what_was_taken_is_not_taken_again() -> None:
    tally = Tally(0)
    tally.ok()
    tally.ok()
    tally.slow()

    assert tally.take() == (2, 1)
    assert tally.take() == (0, 0)
    tally.ok()
    assert tally.take() == (1, 0)


def test_no_call_is_lost_between_threads_and_a_reader() -> None:
    tally = Tally(0)
    threads = [threading.Thread(target=lambda: [tally.ok() for _ in range(20_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads):
        taken += tally.take()[0]

    assert taken + tally.take()[0] == 80_000
