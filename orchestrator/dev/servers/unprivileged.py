"""Gives up root, then becomes the command, as PostgreSQL refuses to run as root: a script of its own.

Within a user namespace of its own the process is `nobody` while its files stay root's. Where a container
forbids namespaces it becomes the real `nobody`, who is given the folder.
"""

import ctypes
import os
import pwd
import stat
import sys
from pathlib import Path

_NEW_USER_NAMESPACE = 0x10000000
_NOBODY = 65534


def _enter_namespace() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER_NAMESPACE) != 0:
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{_NOBODY} 0 1")
        Path("/proc/self/gid_map").write_text(f"{_NOBODY} 0 1")
    except OSError:
        return False
    return True


def _namespaces_are_allowed() -> bool:
    # Tried in a process of its own: there is no way back from a namespace that was entered by half.
    child = os.fork()
    if child == 0:
        os._exit(0 if _enter_namespace() else 1)
    return os.waitpid(child, 0)[1] == 0


def _become_nobody(folder: Path, program: str) -> None:
    user = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    folder.parent.chmod(folder.parent.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    for path, mode in ((folder, os.W_OK | os.X_OK), (Path(program), os.X_OK)):
        if not os.access(path, mode):
            sys.exit(
                "PostgreSQL does not run as root, user namespaces are forbidden here, and `nobody` cannot "
                f"reach {path}: start as an ordinary user, or keep data and programs where others may look"
            )


def _main() -> None:
    folder, *command = sys.argv[1:]
    if os.geteuid() == 0:
        if _namespaces_are_allowed():
            _enter_namespace()
        else:
            _become_nobody(Path(folder), command[0])
    os.execv(command[0], command)  # noqa: S606 (a list of arguments, no shell)


if __name__ == "__main__":
    _main()
