"""Virtual environments beside the project's own: what the lock has, and what one command needs as well."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LOCK = ROOT / "requirements.lock"


def prepare(environment: Path, needs: Path, *, with_project: bool = True) -> Path:
    """The environment's folder of programs; it is made when it is missing or its requirements have changed.

    `needs` is a file of requirements; `with_project` installs this checkout, editable.

    Raises:
        CalledProcessError: a package could not be installed, and pip has said why.
    """
    programs, mark = environment / "bin", environment / ".made-from"
    made_from = _fingerprint(needs)
    if mark.exists() and mark.read_text() == made_from:
        return programs
    _run(sys.executable, "-m", "venv", str(environment))
    pip = (str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--require-hashes", "--requirement", str(_LOCK))
    _run(*pip, "--requirement", str(needs))
    if with_project:
        _run(*pip, "--no-deps", "--editable", str(ROOT))
    mark.write_text(made_from)
    return programs


def _fingerprint(needs: Path) -> str:
    content = b"".join(path.read_bytes() for path in (_LOCK, needs, ROOT / "pyproject.toml"))
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def _run(*command: str) -> None:
    # What a command prints on standard output is its report alone.
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
