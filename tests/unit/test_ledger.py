"""The ledger wakes whoever sends, once what it has noted can be taken."""

from orchestrator.transport.ledger import Batch, Ledger


def test_whoever_is_told_of_a_settlement_finds_it() -> None:
    ledger = Ledger(30.0, 8)
    taken: list[Batch] = []
    ledger.on_note = lambda: taken.append(ledger.take())

    ledger.note_done("first")
    ledger.note("release", "second")
    ledger.note_done("third")

    assert [list(batch.ids()) for batch in taken] == [["first"], ["second"], ["third"]]


def test_of_settlements_that_wait_together_one_is_told() -> None:
    ledger = Ledger(30.0, 8)
    told: list[int] = []
    ledger.on_note = lambda: told.append(len(ledger))

    ledger.note_done("first")
    ledger.note_done("second")
    ledger.take()
    ledger.note_done("third")

    assert told == [1, 1]
