"""The folder of one stack: temporary or kept, locked while the stack lives, and where to find all of them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from orchestrator.dev import ports, state
from orchestrator.dev.processes.children import Children
from orchestrator.dev.state import State
from orchestrator.errors import StackError

_PORTS = "ports.json"
# A stack that was told to stop, or whose supervisor was killed, is gone within this time.
_STOPPING_SECONDS = 6.0
# Whoever asks whether a folder is locked locks it for a moment.
_LOOKING_SECONDS = 0.3
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Folder:
    """Where a stack's data (`path/<server>`) and logs (`path/logs`) are."""

    path: Path
    kept: bool

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.path / "logs"

    def choose_ports(self, server: str, count: int, *, anew: bool) -> list[int]:
        """Ports for a server: those of the last time where they are free and not to be chosen anew."""
        before = self._remembered().get(server, [])
        if not anew and len(before) == count and ports.are_free(before):
            return before
        chosen = ports.free(count)
        (self.path / _PORTS).write_text(json.dumps(self._remembered() | {server: chosen}) + "\n")
        return chosen

    def _remembered(self) -> dict[str, list[int]]:
        try:
            remembered: dict[str, list[int]] = json.loads((self.path / _PORTS).read_text())
        except (OSError, ValueError):
            return {}
        return remembered


def take(children: Children, directory: Path | None) -> Folder:
    """Lock the given folder, or make a temporary one, for the stack of these children.

    Raises:
        StackError: another stack has the folder, or it cannot be made or written.
    """
    path = directory.resolve() if directory else _stacks() / f"{_prefix()}{secrets.token_hex(8)}"
    try:
        return _take(children, path, kept=directory is not None)
    except OSError as error:
        raise StackError(f"the folder {path} cannot be used: {error.strerror}") from error


def _take(children: Children, path: Path, *, kept: bool) -> Folder:
    if kept:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()) and not (path / state.LOCK).exists():
            raise StackError(f"{path} holds other things than a stack: name a new folder, or an empty one")
    else:
        children.guard.tell(remove=str(path))
        path.mkdir(mode=0o700)
    children.share_lock(_lock(path))
    folder = Folder(path, kept)
    if kept:
        _announce(children, path)
    shutil.rmtree(folder.logs, ignore_errors=True)
    folder.logs.mkdir()
    children.logs = folder.logs
    return folder


def find() -> list[State]:
    """Every stack of this user that lives; what others have left behind is removed."""
    found = []
    for path in sorted(_stacks().glob(f"{_prefix()}*")):
        known = state.read(path)
        if path.lstat().st_uid != os.getuid() or known is None:
            continue
        if state.is_locked(path):
            found.append(known)
        elif path.is_symlink():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)
    return found


def _lock(path: Path) -> int:
    began = time.monotonic()
    while (descriptor := state.lock(path)) is None:
        owner = state.read(path)
        waited = time.monotonic() - began
        if owner and owner.is_orphaned:
            raise StackError(
                f"processes of a killed stack still use {path}: `omninode stack stop --dir {path}` ends them"
            )
        if waited > (_LOOKING_SECONDS if owner and owner.supervisor_lives else _STOPPING_SECONDS):
            who = f"`{owner.who}` (process {owner.supervisor_pid})" if owner else "another stack"
            raise StackError(
                f"{who} runs in {path}: choose another folder, or `omninode stack stop --dir {path}`"
            )
        time.sleep(_POLL_SECONDS)
    return descriptor


def _announce(children: Children, path: Path) -> None:
    """Leave a link among the temporary stacks, so that a stack in a kept folder is found without its path."""
    link = _stacks() / f"{_prefix()}{sha256(bytes(path)).hexdigest()[:16]}"
    children.guard.tell(remove=str(path / state.STATE))
    children.guard.tell(remove=str(link))
    link.unlink(missing_ok=True)
    link.symlink_to(path)


def _stacks() -> Path:
    return Path(tempfile.gettempdir())


def _prefix() -> str:
    return f"omninode-{os.getuid()}-"
