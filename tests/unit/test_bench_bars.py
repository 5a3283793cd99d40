"""How the benchmark of the transport judges what it has measured."""

from pathlib import Path

import pytest

from bench.load import table
from bench.load.board import Board
from bench.load.celery_worker import Contender
from bench.load.figures import Bar, Figure, Reading
from bench.load.rounds import Results

OURS, PEER = Contender("ours", "a"), Contender("peer", "b")
FIGURE = Figure("drain", "drain", (Reading("drain", OURS),), Reading("drain", PEER), Bar("≥", 3))


@pytest.mark.parametrize(("ours", "verdict"), [([299.0, 1.0, 900.0], "missed"), ([300.0, 1.0, 900.0], "met")])
def test_the_ratio_of_the_medians_is_held_against_the_bar(ours: list[float], verdict: str) -> None:
    results = _results(ours, [100.0, 90.0, 1000.0])

    assert table.judge(FIGURE, results).verdict == verdict


def test_a_bar_of_its_own_unit_does_not_ask_the_peer() -> None:
    figure = Figure("drain", "drain", FIGURE.ours, FIGURE.peer, Bar("≤", 0.5, times_peer=False))

    assert table.judge(figure, _results([0.5], [0.0])).verdict == "met"


def test_the_best_of_several_readings_of_ours_counts() -> None:
    figure = Figure("peers", "peers", (*FIGURE.ours, Reading("solo", OURS)), FIGURE.peer, Bar(">", 1))
    results = _results([50.0], [100.0])
    results.values["solo", OURS] = [{"rate": 101.0}]

    assert table.judge(figure, results).verdict == "met"


def test_a_measurement_that_failed_is_a_missed_bar_with_its_reason() -> None:
    results = _results([900.0], [100.0])
    results.failed["drain", OURS] = "only 99 of 100 within 30 s"

    row = table.judge(FIGURE, results)

    assert row.verdict == "missed"
    assert "only 99 of 100" in table.text([row], "title")


def test_a_peer_that_is_not_installed_is_skipped_with_a_sentence() -> None:
    results = _results([900.0], [100.0])
    results.skipped["drain", PEER] = "peer is not installed"

    row = table.judge(FIGURE, results)

    assert row.verdict == "skipped"
    assert "peer is not installed" in table.text([row], "title")


def test_a_board_tells_what_is_missing_and_what_ran_twice(tmp_path: Path) -> None:
    board, of_another_process = Board(tmp_path / "board", 3), Board(tmp_path / "board", 3)

    for row in (0, 2, 2):
        of_another_process.run(row)

    assert (board.done(), board.excess(), board.done(runs=2)) == (2, 1, 1)


def _results(ours: list[float], peer: list[float]) -> Results:
    results = Results()
    for who, rates in ((OURS, ours), (PEER, peer)):
        results.values["drain", who] = [{"rate": rate} for rate in rates]
    return results
