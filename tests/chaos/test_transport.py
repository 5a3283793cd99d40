"""Messages of every kind under faults of every kind: none is lost, and none ends twice."""

import sys
from secrets import randbelow

import pytest

from tests.chaos.transport.trial import run


@pytest.mark.timeout(400)
def test_every_message_ends_once_and_as_its_kind_says_whatever_is_killed() -> None:
    done = run(randbelow(1_000_000), 200)

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
