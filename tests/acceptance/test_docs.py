"""What a reader types is what works: every shell and Python block of the pages is run as it stands."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.pages import ROOT, Block, blocks, run, running
from tests.processes import wait_until

READY = "Ctrl-C"
PATH = 'export PATH="$PWD/.venv/bin:$PATH"\n'


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A temporary folder of our own, so that only our stacks are found there.

    Tests are only collected, and make says what it would run.
    """
    folder = tmp_path_factory.mktemp("stacks")
    return {"TMPDIR": str(folder), "PYTEST_ADDOPTS": "--collect-only -q", "MAKEFLAGS": "n"}


@pytest.fixture(scope="module")
def readme(alone: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The README, read to its end: what was started last stays up; yields how many of its blocks have run."""
    log_file = tmp_path_factory.mktemp("readme") / "log"
    have_run = 0
    with ExitStack() as background:
        for block in blocks("README.md"):
            if block.info == "sh background":
                background.close()
                background.enter_context(running(block.body.strip(), alone, log_file, READY))
            elif block.info == "sh":
                run(block, alone)
            elif block.info == "python":
                run(_led(block, _exports(alone)), alone)
            have_run += 1
        yield have_run


@pytest.fixture(scope="module")
def exports(readme: int, alone: dict[str, str]) -> str:
    """The lines that lead a shell to the stack that is up."""
    return _exports(alone)


def _exports(alone: dict[str, str]) -> str:
    return run(Block("sh", f"{PATH}omninode stack status --export"), alone)


def _led(block: Block, exports: str) -> Block:
    """The block, in a shell that leads to a stack."""
    if block.info == "sh":
        return Block("sh", PATH + exports + block.body)
    return Block("sh", f"{exports}.venv/bin/python - <<'PYTHON'\n{block.body}\nPYTHON\n")


def test_every_block_of_the_readme_runs_in_its_order(readme: int) -> None:
    assert readme == len(blocks("README.md"))


@pytest.mark.parametrize("number", range(len(blocks("docs/how-to.md"))))
def test_a_block_of_the_how_to_runs(exports: str, alone: dict[str, str], number: int) -> None:
    run(_led(blocks("docs/how-to.md")[number], exports), alone)


def test_the_hook_that_an_application_of_the_how_to_sends_is_received(
    exports: str, alone: dict[str, str]
) -> None:
    (block,) = [each for each in blocks("docs/how-to.md") if "hooks.process" in each.body]
    run(_led(block, exports), alone)

    with psycopg.connect(run(Block("sh", f'{exports}printf %s "$DATABASE_URL"'), alone)) as database:
        query = "SELECT event FROM hook_events WHERE delivery_id = 'from an application'"
        wait_until(lambda: database.execute(query).fetchall() == [("push",)], what="the hook")


def test_an_entry_of_the_how_to_in_a_module_that_is_imported_is_in_the_schedule_of_beat_beside_ours(
    tmp_path: Path,
) -> None:
    (block,) = [each for each in blocks("docs/how-to.md") if "beat_schedule" in each.body]
    (tmp_path / "nightly.py").write_text(block.body)
    # What beat itself does before it begins.
    scheduled = (
        "from celery.beat import Scheduler; from orchestrator.celery import app;"
        "app.loader.init_worker(); print(*Scheduler(app).schedule)"
    )

    names = run(Block("python", scheduled), {"OMNINODE_IMPORTS": "nightly", "PYTHONPATH": str(tmp_path)})

    assert {"replay-what-lost-workers-left", "omninode-sweep"} <= set(names.split())


def test_the_readme_shows_the_example_application_as_it_is() -> None:
    shown = [block.body for block in blocks("README.md") if block.info == "python"]

    assert (ROOT / "examples/app.py").read_text() in shown


def test_the_two_commands_of_the_readme_run_the_demo_and_every_test() -> None:
    """The demo has a test of its own that runs it, and this is one of all tests: neither is run again."""
    two = [block for block in blocks("README.md") if block.info == "sh"][:2]

    demo, tests = (run(block, {"MAKEFLAGS": "n", "MAKELEVEL": "0"}).splitlines()[-1] for block in two)

    assert demo == ".venv/bin/omninode demo"
    assert tests == ".venv/bin/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder"


def test_the_test_command_of_the_readme_is_the_one_that_is_run_elsewhere() -> None:
    commands = [block.body.strip() for block in blocks("README.md") if block.info == "sh"]
    ci = (ROOT / ".ci/run").read_text().splitlines()

    assert "make test" in commands
    assert ci[-2:] == ["make check", "make test"]


def test_every_file_that_a_page_points_to_exists() -> None:
    pages = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/how-to.md", "docs/explanation.md")
    for page in (*pages, "docs/reference/patterns.md"):
        targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text())
        missing = [target for target in targets if not ((ROOT / page).parent / target).exists()]
        assert missing == [], page
