"""A reader that goes away, as `| head` does, ends a command in silence, as the shell's own commands end."""

import io
import os
import stat
import sys
from typing import Any

# 128 and the number of SIGPIPE: what a shell says of a command that this signal has ended.
CLOSED_PIPE = 141


def watch() -> None:
    """Have standard output, where that is a pipe, end the command once nobody reads it.

    The signal itself is of no use: it would also end a command whose connection to a server breaks. And an
    OSError would be taken for one of a server's.
    """
    output = sys.stdout
    if not isinstance(output, io.TextIOWrapper) or not _is_pipe(output):
        return  # nothing at all, or what a test has put there
    output.flush()
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Pipe(output.fileno(), "wb", closefd=False)),
        encoding=output.encoding,
        errors=output.errors,
        line_buffering=output.line_buffering,
        write_through=output.write_through,
    )


def _is_pipe(output: io.TextIOWrapper) -> bool:
    try:
        mode = os.fstat(output.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class _Pipe(io.FileIO):
    """Ends the command at the first write that nobody reads; what is still buffered then is thrown away."""

    _is_closed = False

    def write(self, data: Any, /) -> int:
        if not self._is_closed:
            try:
                return super().write(data)
            except BrokenPipeError:
                self._is_closed = True
                raise SystemExit(CLOSED_PIPE) from None
        return len(data)
