"""What a letter says of its exception."""

import pytest
from celery.exceptions import Reject

from orchestrator.deadletter.letter import message_of


class _Mute(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no number"), "no number"),
        (Reject("not wanted", requeue=False), "not wanted"),
        (Reject(OSError("disk full")), "disk full"),
        (Reject(), ""),
        (_Mute(), "<the exception has no text>"),
        (None, ""),
    ],
)
def test_the_message_is_what_the_exception_says_for_a_person(
    error: BaseException | None, message: str
) -> None:
    assert message_of(error) == message
