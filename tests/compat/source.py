"""Fetches Celery's integration tests, of the version that is installed, with pip."""

import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.compat.places import CACHE

# Celery itself is not unpacked: beside its tests it would be imported instead of the installed one.
_WANTED = ("t", "pyproject.toml")


def fetch() -> Path:
    """The folder with `t/integration` and pytest's configuration; asks the registry only the first time.

    Raises:
        CalledProcessError: pip could not fetch the source package, and has said why.
    """
    release = f"celery-{version('celery')}"
    folder = CACHE / release
    if folder.exists():
        return folder
    CACHE.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=CACHE, prefix="fetching-") as temporary:
        archive = _download(Path(temporary))
        unpacked = Path(temporary) / "unpacked"
        with tarfile.open(archive) as source:
            source.extractall(unpacked, members=_wanted(source, release), filter="data")
        shutil.move(unpacked / release, folder)
    return folder


def _download(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    what = ["--no-binary", "celery", "--no-deps", "--dest", str(folder), f"celery=={version('celery')}"]
    subprocess.run([*pip, *what], check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    return next(folder.glob("celery-*.tar.gz"))


def _wanted(source: tarfile.TarFile, release: str) -> list[tarfile.TarInfo]:
    tops = tuple(f"{release}/{top}" for top in _WANTED)
    return [each for each in source if each.name in tops or each.name.startswith(f"{tops[0]}/")]
