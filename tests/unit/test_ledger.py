"""The ledger wakes whoever sends, once what it has noted can be taken."""

from orchestrator.transport.ledger import Batch, Ledger, claimed_by


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


def test_a_claim_says_who_asked_for_it_and_when() -> None:
    ledger = Ledger(30.0, 8, clock=lambda: 1764100000.9)

    prefix = ledger.next_prefix()

    assert claimed_by(f"{prefix}0007") == (ledger.nonce, 1764100000)


def test_the_claim_of_an_older_release_does_not_say_when() -> None:
    assert claimed_by("0123456789abcdef-00000001-0007") == ("0123456789abcdef", None)
