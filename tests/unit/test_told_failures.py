"""A failure is told to the main process with its traceback as text, and without a copy of every frame."""

import pickle
import traceback
from typing import Any

from billiard.einfo import ExceptionInfo

from orchestrator.worker.failures import Told


def _raised(kind: Any) -> Any:
    try:
        raise ValueError("there is no such order")
    except ValueError:
        return kind()


def test_its_text_is_that_of_celerys_account() -> None:
    told, stock = _raised(Told), _raised(ExceptionInfo)

    assert told.traceback == stock.traceback
    assert str(told) == told.traceback
    assert told.type is ValueError


def test_a_hook_can_ask_for_the_frames() -> None:
    told = _raised(Told)

    assert "in _raised" in "".join(traceback.format_tb(told.tb))


def test_no_frame_goes_to_the_main_process() -> None:
    received = pickle.loads(pickle.dumps(_raised(Told)))  # noqa: S301 (its own)

    assert received.tb is None
    assert received.exc_info[2] is None
    assert "ValueError: there is no such order" in received.traceback
    assert repr(received.exception) == "ValueError('there is no such order')"
