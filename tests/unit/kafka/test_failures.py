"""The failed events that a client keeps: in bounds, and each published again by one caller."""

from datetime import UTC, datetime

from orchestrator.kafka.failures import MOST_BYTES, Failure, Failures
from orchestrator.kafka.message import Message


def _failure(letter_id: str = "", value: bytes = b"x") -> Failure:
    return Failure(Message("t", None, value), "error", 1, letter_id, datetime(2026, 1, 1, tzinfo=UTC))


def test_the_oldest_that_has_a_letter_gives_way() -> None:
    kept = Failures()
    unsaved, saved = _failure(), _failure("first")
    for each in (unsaved, saved, *(_failure(str(n)) for n in range(998))):
        assert kept.add(each)

    assert kept.add(_failure("last"))

    letters = [each["letter_id"] for each in kept.as_dicts()]
    assert (len(letters), letters[0], letters[1], letters[-1]) == (1000, "", "0", "last")
    assert kept.dropped == 1


def test_what_is_kept_nowhere_else_never_gives_way() -> None:
    kept = Failures()
    for _ in range(1000):
        assert kept.add(_failure())

    assert not kept.add(_failure())
    assert (len(kept), kept.dropped) == (1000, 0)


def test_an_event_that_fits_nowhere_drives_no_other_one_out() -> None:
    kept = Failures()
    kept.add(_failure("small"))

    assert not kept.add(_failure("large", b"x" * (MOST_BYTES + 1)))
    assert [each["letter_id"] for each in kept.as_dicts()] == ["small"]
    assert kept.dropped == 1


def test_what_one_caller_has_taken_another_one_does_not_get() -> None:
    kept = Failures()
    kept.add(_failure())

    (taken,) = kept.take()
    assert kept.take() == []
    kept.give_back(taken)
    assert kept.take() == [taken]
    kept.remove(taken)
    assert len(kept) == 0


def test_secrets_are_masked_in_what_is_shown() -> None:
    shown = _failure(value=b'{"password": "hush"}').as_dict()
    keyed = Failure(
        Message("t", b"token=hush-hush", b"x"), "", 1, "", datetime(2026, 1, 1, tzinfo=UTC)
    ).as_dict()

    assert "hush" not in shown["preview"]
    assert "hush" not in keyed["key"]
    assert shown["failed_at"] == "2026-01-01T00:00:00.000+00:00"
