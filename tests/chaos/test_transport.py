"""Messages of every kind under faults of every kind: OmniNode loses none, and the harness sees who does."""

import sys
from secrets import randbelow

import pytest

from tests.chaos.transport.trial import run


@pytest.mark.timeout(400)
def test_every_message_ends_once_and_as_its_kind_says_whatever_is_killed() -> None:
    done = run(randbelow(1_000_000), 300)

    sys.stdout.writelines(f"{line}\n" for line in done.lines())
    assert done.violations == []
    assert done.became_quiet


@pytest.mark.timeout(200)
def test_without_faults_every_task_starts_and_finishes_as_often_as_its_kind_says() -> None:
    done = run(randbelow(1_000_000), 60, calm=True)

    sys.stdout.writelines(f"{line}\n" for line in done.lines())
    assert done.violations == []
    assert done.finished_more_than_once == 0
    assert done.became_quiet


@pytest.mark.timeout(300)
def test_the_same_harness_sees_what_stock_celery_loses() -> None:
    done = run(1, 120, stock=True, quiet_seconds=15)

    sys.stdout.writelines(f"{line}\n" for line in done.lines())
    seen = {each.what for each in done.violations}
    # Bytes that are no JSON vanish, and a hard limit is told twice: in each run, without any fault.
    assert {"lost", "settled twice: letters"} <= seen
