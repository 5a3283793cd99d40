"""The command: `python -m tests.compat`, or `make compat`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import ParseError

import click

from orchestrator.errors import StackError
from tests import environments
from tests.compat import report, source
from tests.compat.places import ENVIRONMENT, NEEDS, RESULTS
from tests.compat.results import Results
from tests.compat.suite import FILES, OMNINODE, STOCK, Run, execute
from tests.compat.verdict import compare

_XML = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog="Exits with 1 when a test that passes on stock Celery does not pass on OmniNode.")
@click.option("--only", multiple=True, type=click.Choice(FILES), help="This file; may be given again.")
@click.option("-k", "expression", default="", metavar="EXPR", help="The tests that pytest's -k chooses.")
@click.option(
    "--omninode-only", is_flag=True, help="Do not run stock; without --baseline every test has to pass."
)
@click.option("--stock-only", is_flag=True, help="Run stock alone, for a --baseline.")
@click.option(
    "--baseline", type=_XML, help="What an earlier run left as stock.xml, instead of running stock."
)
@click.option(
    "--results",
    default=RESULTS,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where stock.xml, omninode.xml and the logs go.  [default: .compat/results]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(
    *,
    only: Sequence[str],
    expression: str,
    omninode_only: bool,
    stock_only: bool,
    baseline: Path | None,
    results: Path,
    as_json: bool,
) -> None:
    """Run Celery's own integration tests on stock Celery and on OmniNode, and compare.

    All of them take about 40 minutes. The tests and their environment are fetched once, into .compat.
    """
    if stock_only and (omninode_only or baseline):
        raise click.UsageError("--stock-only excludes --omninode-only and --baseline")
    files = [file for file in FILES if not only or file in only]
    wanted = [STOCK] if stock_only else [OMNINODE] if omninode_only or baseline else [STOCK, OMNINODE]
    try:
        known = {STOCK: Results.read(baseline)} if baseline else {}
        measured = _run(wanted, files, expression, results)
    except KeyboardInterrupt:
        sys.exit(130)
    except (StackError, ParseError, subprocess.CalledProcessError) as error:
        click.echo(f"compat: {error}", err=True)
        sys.exit(1)
    sides = known | measured
    verdict = None
    if OMNINODE in sides:
        verdict = compare(sides.get(STOCK), sides[OMNINODE], files, chosen=bool(expression))
    if as_json:
        click.echo(json.dumps(report.record(sides, files, verdict), indent=2))
    else:
        click.echo(report.text(sides, files, verdict))
    sys.exit(bool(verdict and verdict.worse))


def _run(sides: Sequence[str], files: Sequence[str], expression: str, folder: Path) -> dict[str, Results]:
    place, programs = source.fetch(), environments.prepare(ENVIRONMENT, NEEDS)
    measured = {side: Results() for side in sides}
    for file in files:
        for side, found in measured.items():
            run = Run(side, file, expression, place, programs, folder.resolve())
            execute(run, partial(_tell, side))
            found.add(file, run.report, run.log)
            found.write(folder / f"{side}.xml")
    return measured


def _tell(side: str, line: str) -> None:
    click.echo(f"{side:<8} | {line}", err=True)


if __name__ == "__main__":
    main(prog_name="python -m tests.compat")
