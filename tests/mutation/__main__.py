"""The command: `python -m tests.mutation`, or `make mutation`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click

from tests import environments
from tests.environments import ROOT
from tests.mutation.score import Score

_CACHE = ROOT / ".mutation"
_STAGE = _CACHE / "project"
_NEEDS = Path(__file__).with_name("requirements.txt")
# What the tests of the rules need of the checkout; the rules and the tests are named in pyproject.toml.
_STAGED = ("orchestrator", "tests/unit/breaker", "pyproject.toml")
_LONGEST_SECONDS = 20 * 60


@click.command(epilog="Exits with 1 when fewer than nine of ten changes make a test fail.")
@click.option("--at-once", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, at_once: int, as_json: bool) -> None:
    """Change the rules of the circuit breakers one by one, and see whether a test notices.

    It takes about two minutes, and the first time one more: what it needs is fetched once, into .mutation.
    """
    try:
        programs = environments.prepare(_CACHE / "venv", _NEEDS, with_project=False)
        _stage()
        score = _measure(programs / "mutmut", at_once)
    except KeyboardInterrupt:
        sys.exit(130)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        click.echo(f"mutation: {error}", err=True)
        sys.exit(1)
    click.echo(json.dumps(score.record(), indent=2) if as_json else score.text())
    sys.exit(not score.is_enough)


def _stage() -> None:
    """Copy what is changed and run: mutants must not get into the checkout."""
    shutil.rmtree(_STAGE, ignore_errors=True)
    for name in _STAGED:
        source, target = ROOT / name, _STAGE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)


def _measure(mutmut: Path, at_once: int) -> Score:
    def ask(*arguments: str) -> str:
        command = [str(mutmut), *arguments]
        return subprocess.check_output(command, cwd=_STAGE, stdin=subprocess.DEVNULL, text=True)

    with (_CACHE / "run.log").open("w") as log:
        subprocess.run(
            [mutmut, "run", "--max-children", str(at_once)],
            cwd=_STAGE,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=_LONGEST_SECONDS,
            check=True,
        )
    ask("export-cicd-stats")
    counts = json.loads((_STAGE / "mutants" / "mutmut-cicd-stats.json").read_text())
    unnoticed = [line.partition(":")[0].strip() for line in ask("results").splitlines() if "survived" in line]
    return Score.of(counts, {name: ask("show", name) for name in unnoticed})


if __name__ == "__main__":
    main(prog_name="python -m tests.mutation")
