"""A retry is told to the main process with its cause, and without the frames that Celery would copy."""

import pickle

from orchestrator.retry.again import PutBack
from orchestrator.worker.retries import Told


def _told(*, cause: bool) -> Told:
    try:
        try:
            if cause:
                raise ConnectionError("the other side is away")
        finally:
            raise PutBack(delay_seconds=1.5)
    except PutBack as asked:
        return Told(asked)


def test_its_cause_is_told_as_text() -> None:
    received = pickle.loads(pickle.dumps(_told(cause=True)))  # noqa: S301 (its own)

    assert "ConnectionError: the other side is away" in received.traceback
    assert received.exception.delay_seconds == 1.5


def test_without_a_cause_there_is_nothing_to_tell() -> None:
    assert _told(cause=False).traceback == ""


def test_no_frame_goes_along() -> None:
    assert _told(cause=True).tb is None


def test_a_retry_is_plain_if_only_its_time_was_asked_for() -> None:
    headers = {"retries": 1, "eta": "2030-01-01T00:00:00+00:00"}

    assert PutBack(headers=headers).is_plain
    assert not PutBack(headers=headers | {"expires": "2030-01-01T00:01:00+00:00"}).is_plain
    assert not PutBack(headers=headers, queue="other").is_plain
