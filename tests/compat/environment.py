"""The virtual environment of Celery's tests: this project as the lock has it, and what those tests need."""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.compat.places import ENVIRONMENT, ROOT

_LOCK = ROOT / "requirements.lock"
_NEEDS = Path(__file__).with_name("requirements.txt")
_MARK = ENVIRONMENT / ".made-from"


def prepare() -> Path:
    """The environment's folder of programs; it is made when it is missing or its requirements have changed.

    Raises:
        CalledProcessError: a package could not be installed, and pip has said why.
    """
    programs = ENVIRONMENT / "bin"
    made_from = _fingerprint()
    if _MARK.exists() and _MARK.read_text() == made_from:
        return programs
    _run(sys.executable, "-m", "venv", str(ENVIRONMENT))
    pip = (str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--require-hashes", "--requirement", str(_LOCK))
    _run(*pip, "--requirement", str(_NEEDS))
    _run(*pip, "--no-deps", "--editable", str(ROOT))
    _MARK.write_text(made_from)
    return programs


def _fingerprint() -> str:
    content = b"".join(path.read_bytes() for path in (_LOCK, _NEEDS, ROOT / "pyproject.toml"))
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def _run(*command: str) -> None:
    # What this command prints is the report alone.
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
