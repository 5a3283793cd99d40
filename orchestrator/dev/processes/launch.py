"""Tells the guard of this process, then becomes the command: a script of the standard library alone.

The guard hears the end of its stream only when this process too has let go of it, so that there is no moment
in which a process of the stack lives that the guard does not know.
"""

import json
import os
import signal
import sys


def _main() -> None:
    link, ward, *command = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    message = {"ward": {"pid": os.getpid(), **json.loads(ward)}}
    os.write(int(link), json.dumps(message).encode() + b"\n")
    os.close(int(link))
    try:
        os.execvp(command[0], command)  # noqa: S606 (a list of arguments, no shell)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _main()
