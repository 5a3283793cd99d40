"""Finds what a real Apache Kafka needs: Java 17 or later, and Maven."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

OLDEST = 17
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Java:
    """A Java runtime: `banner` is what `java -version` says."""

    program: Path
    banner: str

    @property
    def release(self) -> int:
        """8, 11, 17, 25 …; 0 when it does not say."""
        found = _VERSION.search(self.banner)
        return int(found[1]) if found else 0

    @property
    def fingerprint(self) -> str:
        """The exact build, from this place: what one has cached is of no use to another."""
        return sha256(f"{self.program}\n{self.banner}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Tools:
    """What was found. `missing` says what was not, as a person would."""

    java: Java | None
    maven: Path | None

    @property
    def missing(self) -> str:
        """The names of what is missing, or nothing."""
        names = [] if self.java else [f"Java {OLDEST} or later"]
        names += [] if self.maven else ["Maven"]
        return " and ".join(names)


def find_tools() -> Tools:
    """Look at JAVA_HOME, then on PATH."""
    found = (java for program in _programs() if (java := _ask(program)) and java.release >= OLDEST)
    maven = shutil.which("mvn")
    return Tools(next(found, None), Path(maven) if maven else None)


def _programs() -> Iterator[Path]:
    home = os.environ.get("JAVA_HOME")
    if home and (program := Path(home) / "bin" / "java").is_file():
        yield program
    if on_path := shutil.which("java"):
        yield Path(on_path).resolve()


def _ask(program: Path) -> Java | None:
    try:
        # A Mac without Java has a `java` too: it says where to get one, and fails.
        answer = subprocess.run(
            [str(program), "-version"], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Java(program, answer.stderr + answer.stdout)
