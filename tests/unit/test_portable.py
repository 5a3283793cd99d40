"""An exception that cannot be pickled reaches the main process with its class and its text."""

import pickle
import threading
from email.message import Message
from typing import Any
from urllib.error import HTTPError

import pytest

from orchestrator.deadletter.letter import class_of, message_of
from orchestrator.retry.again import GIVEN_UP
from orchestrator.worker import portable


class Refused(Exception):
    """It is pickled without the second argument, and cannot be made without it."""

    def __init__(self, code: int, account: str) -> None:
        super().__init__(f"{code}: {account} is closed")


class Locked(Refused):
    """It has what nobody can pickle."""

    def __init__(self) -> None:
        super().__init__(423, "ada")
        self.lock = threading.Lock()


def _http_error() -> HTTPError:
    return HTTPError("http://127.0.0.1/", 500, "Internal Server Error", Message(), None)


def _received(error: BaseException) -> Any:
    return pickle.loads(pickle.dumps(portable.portable(error)))  # noqa: S301 (its own)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (_http_error(), "urllib.error.HTTPError", "HTTP Error 500: Internal Server Error"),
        (Refused(402, "ada"), f"{__name__}.Refused", "402: ada is closed"),
        (Locked(), f"{__name__}.Locked", "423: ada is closed"),
    ],
    ids=["of urllib", "with two arguments", "with a lock"],
)
def test_it_is_told_by_its_own_class_and_text(error: Exception, kind: str, text: str) -> None:
    for received in (_received(error), _received(_received(error))):
        assert class_of(received) == kind
        assert message_of(received) == text
        assert repr(received) == f"{type(error).__name__}({text!r})"


def test_it_is_caught_as_what_it_is() -> None:
    assert isinstance(_received(_http_error()), OSError)


def test_one_that_can_be_pickled_is_itself() -> None:
    error = ValueError("there is no such order")

    assert portable.portable(error) is error
    assert portable.original(error) is error


def test_what_was_noted_of_it_goes_along() -> None:
    error = Refused(402, "ada")
    setattr(error, GIVEN_UP, True)

    assert getattr(_received(error), GIVEN_UP) is True


def test_the_process_that_raised_it_still_has_it() -> None:
    error = _http_error()

    assert portable.original(portable.portable(error)) is error
