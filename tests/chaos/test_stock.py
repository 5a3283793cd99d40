"""Stock Celery under the same harness: it sees who loses messages."""

import sys

import pytest

from tests.chaos.transport.trial import run


@pytest.mark.timeout(300)
def test_the_same_harness_sees_what_stock_celery_loses() -> None:
    done = run(1, 120, stock=True, quiet_seconds=15)

    sys.stdout.writelines(f"{line}\n" for line in done.lines())
    seen = {each.what for each in done.violations}
    # Bytes that are no JSON vanish, and a hard limit is told twice: in each run, without any fault.
    assert {"lost", "settled twice: letters"} <= seen
