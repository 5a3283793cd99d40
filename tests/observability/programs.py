"""Prometheus' and Alertmanager's programs: those on PATH, or Debian's packages, fetched once without root."""

import fcntl
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_PACKAGES = ("prometheus", "prometheus-alertmanager")
# Debian calls the second by the package's name.
_NAMES = {
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "amtool": ("amtool",),
}
# Where its Alertmanager looks for its template, which is not in the program: only root may write there.
_SHARED = b"/usr/share/prometheus/alertmanager"
_FETCH_SECONDS = 120.0
_HOW_TO_GET_THEM = (
    "Prometheus, promtool, Alertmanager and amtool are needed: put them on PATH "
    "(https://prometheus.io/download/, or `sudo apt-get install prometheus prometheus-alertmanager`)"
)


@dataclass(frozen=True)
class Programs:
    """Where they are."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path

    @property
    def alertmanager_folder(self) -> Path | None:
        """Where Alertmanager has to be started, if it is Debian's and was fetched."""
        shared = _place() / "root" / _SHARED.decode().lstrip("/")
        return shared if self.alertmanager.is_relative_to(_place()) else None


def programs() -> Programs:
    """Where they are; without them the test is skipped, and says how to get them."""
    found = _found()
    if isinstance(found, str):
        pytest.skip(f"{_HOW_TO_GET_THEM}; they could not be fetched: {found}")
    return found


@cache
def _found() -> Programs | str:
    """Them, or why there are none."""
    return _in(os.environ.get("PATH", "")) or _in(str(_cached())) or _fetched()


def _in(path: str) -> Programs | None:
    found = {
        name: next((where for each in names if (where := shutil.which(each, path=path))), None)
        for name, names in _NAMES.items()
    }
    places = {name: Path(where) for name, where in found.items() if where}
    return Programs(**places) if len(places) == len(_NAMES) else None


def _cached() -> Path:
    return _place() / "root" / "usr" / "bin"


def _place() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "omninode" / "prometheus"


def _fetched() -> Programs | str:
    """Fetch them, unless another process has just done so."""
    missing = [name for name in ("apt-get", "dpkg") if not shutil.which(name)]
    if missing:
        return f"there is no {missing[0]} here"
    _place().mkdir(parents=True, exist_ok=True)
    with (_place() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _in(str(_cached())) or _fetch()
        except subprocess.TimeoutExpired:
            return f"apt-get download took longer than {_FETCH_SECONDS:g} s"
        except subprocess.CalledProcessError as error:
            return f"{' '.join(error.cmd[:2])} said {error.stderr.strip()!r} (is there a network?)"


def _fetch() -> Programs | str:
    # Unpacked beside its place and moved there when it is whole: no half of it is ever used.
    draft = _place() / f"draft-{secrets.token_hex(8)}"
    try:
        with TemporaryDirectory(prefix="omninode-test-") as folder:
            _run("apt-get", "download", *_PACKAGES, folder=folder)
            for package in Path(folder).glob("*.deb"):
                _run("dpkg", "-x", str(package), str(draft), folder=folder)
        _look_in_working_folder(draft / "usr" / "bin" / "prometheus-alertmanager")
        shutil.rmtree(_place() / "root", ignore_errors=True)
        draft.rename(_place() / "root")
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return _in(str(_cached())) or "Debian's packages have other programs than these"


def _look_in_working_folder(program: Path) -> None:
    """Name the folder it is started in, in as many letters, instead of the one that only root may write."""
    content = program.read_bytes()
    program.write_bytes(content.replace(_SHARED, b".".ljust(len(_SHARED), b"/")))


def _run(*command: str, folder: str) -> None:
    subprocess.run(
        command,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=_FETCH_SECONDS,
        stdin=subprocess.DEVNULL,
    )
