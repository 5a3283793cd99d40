"""What a task's process tells of an exception: itself, and its traceback as text, without the frames.

Celery copies the frames, with the position of each instruction in them, and pickles all of that for the main
process, which only reads the text: that costs more than the rest of a failure.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback, Traceback
from celery.app import trace

from orchestrator.retry.again import SetAside, Waiting

# They are no failures: nobody reads where they were raised, and there may be many of them.
_UNTOLD = (SetAside, Waiting)


class Told(ExceptionInfo):  # type: ignore[misc]
    """Celery's account of an exception; whoever asks for `tb` in the process that raised gets the copy."""

    def __init__(self, exc_info: Any = None, internal: bool = False) -> None:  # noqa: FBT001, FBT002 (Celery's)
        kind, exception, raised = exc_info or sys.exc_info()
        self.type: Any = kind
        self._raised: Any = raised
        self.traceback = "" if isinstance(exception, _UNTOLD) else _text(kind, exception, raised)
        self.exception = ExceptionWithTraceback(exception, self.traceback)
        self.internal = internal

    @property
    def tb(self) -> Any:
        """What Celery makes of the traceback, for hooks and signals; None in the main process."""
        return Traceback(self._raised) if self._raised is not None else None

    @property
    def exc_info(self) -> tuple[Any, Any, Any]:
        """The exception as it was raised, for logs."""
        return self.type, self.exception, self._raised

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the frames."""
        return vars(self) | {"_raised": None}


def _text(kind: Any, exception: Any, raised: Any) -> str:
    return "".join(traceback.format_exception(kind, exception, raised))


def register() -> None:
    """Have Celery's tracers tell of exceptions in this way."""
    trace.ExceptionInfo = Told
