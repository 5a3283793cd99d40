"""What a process that settles claims tells of dead letters."""

import pytest

from orchestrator import events, settings
from orchestrator.transport.claim import Claim
from orchestrator.transport.ledger import Ledger


def test_a_letter_is_told_once_with_the_topic_that_it_goes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_DLQ_SUFFIX", ".dead")
    settings.forget()
    told: list[events.Event] = []
    ledger = Ledger(30.0, 8)
    claim = Claim(ledger, "id", "orders", b"{}", 0, 0.0)
    ledger.claims["id"] = claim
    detach = events.attach(told.append)
    try:
        claim.bury({"task": "shop.charge"})
        claim.bury({"task": "shop.charge"})
    finally:
        detach()
        settings.forget()

    assert told == [events.DeadLettered("shop.charge", "orders.dead", is_settled=True)]
