"""What the Makefile promises: every target can be made, and `make help` names it."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PHONY = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
TARGETS = _PHONY[1].split() if _PHONY else []


def _make(*arguments: str) -> str:
    done = subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_lists_every_target_with_a_sentence() -> None:
    listed = re.findall(r"^  make (\w+) +\S.+$", _make("help"), re.MULTILINE)

    assert listed == TARGETS
    assert set(TARGETS) >= {"demo", "dev", "test", "check", "bench", "chaos"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_can_be_made(target: str) -> None:
    assert _make("--dry-run", target).strip()


def test_bench_runs_only_what_can_be_run_by_itself() -> None:
    benchmarks = sorted((ROOT / "bench").glob("*.py"))

    assert "for file in bench/*.py;" in _make("--dry-run", "bench")
    assert [each.name for each in benchmarks if "\nif __name__ == " not in each.read_text()] == []
