"""What failures have in common: the class of the exception, and where it was raised."""

import hashlib
import re
from functools import lru_cache
from pathlib import PurePath

# As Python writes the frames of a traceback; the bounds keep a text without one from being searched for long.
_FRAME = re.compile(r'^ *File "([^"\n]{1,500})", line \d+, in ([^\n]{1,200})$', re.MULTILINE)
_CLASS = re.compile(r"^([^\W\d][\w.]{0,200})(?::|$)", re.MULTILINE)
# As Python writes it between the traceback of a cause, and that of what it has caused.
CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_INNERMOST = 3
_SHOWN = 16


def fingerprint(reason: str, task: str, exception: str, traceback: str) -> str:
    """16 hexadecimal digits: the same for failures of one class in one place, whatever the line and the text.

    The innermost three frames count, each by its function and the last two parts of its file's path, because
    the rest differs by host. A failure without frames is known by its reason and task. Of what a deadline has
    ended the task counts, and what it failed of before, if it did.
    """
    kinds = [exception]
    if reason == "deadline_exceeded":
        traceback, *_ = traceback.rpartition(CAUSED)
        kinds += [task, _class_in(traceback)]
    frames = [f"{_place(file)}:{function}" for file, function in _FRAME.findall(traceback)[-_INNERMOST:]]
    parts = [*kinds, *frames] if frames else [*kinds, reason, task]
    return hashlib.sha256("\n".join(parts).encode(errors="backslashreplace")).hexdigest()[:_SHOWN]


def _class_in(traceback: str) -> str:
    """The class of the exception that a traceback ends with: it stands in the first line after the frames."""
    *_, last = ["", *re.split(_FRAME, traceback)]
    found = _CLASS.search(last)
    return found[1] if found else ""


@lru_cache(maxsize=4096)
def _place(file: str) -> str:
    return "/".join(PurePath(file).parts[-2:])
