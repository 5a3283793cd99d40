"""Letters are put away and taken out again, with an account of who did it; a kill leaves no half of it."""

import pytest

from orchestrator.index import closing, operations, stats
from orchestrator.index.closing import Closed
from orchestrator.index.filters import Filter
from orchestrator.index.states import STATES
from orchestrator.index.writing import write
from tests.integration.index.deaths import Database, death, set_state


@pytest.fixture
def one_of_each(database: Database) -> Database:
    """A letter in each state, with that for its id."""
    write(database, [death(state) for state in STATES], max_replays=5)
    for state in STATES:
        set_state(database, state, state)
    return database


def states(database: Database) -> dict[str, str]:
    return dict(database.execute("SELECT id, state FROM dead_letters").fetchall())


@pytest.mark.parametrize(
    ("close", "state", "of", "event"),
    [
        (closing.archive, "archived", ("open", "parked"), "archived"),
        (closing.park, "parked", ("open",), "parked"),
        (closing.reopen, "open", ("parked", "resolved", "archived"), "reopened"),
    ],
)
def test_only_letters_in_states_that_make_sense_are_changed_and_the_others_counted(
    one_of_each: Database, close: object, state: str, of: tuple[str, ...], event: str
) -> None:
    assert callable(close)
    done = close(one_of_each, Filter(), "ada@laptop", "tidying")

    assert (done.changed, done.skipped) == (len(of), {each: 1 for each in STATES if each not in of})
    assert states(one_of_each) == {each: state if each in of else each for each in STATES}
    history = one_of_each.execute(
        "SELECT letter_id, operation_id FROM dead_letter_history WHERE event = %s", (event,)
    ).fetchall()
    assert sorted(history) == sorted((each, done.operation_id) for each in of)
    (operation,) = operations.recent(one_of_each, 10)
    assert (operation.who, operation.why, operation.letters) == ("ada@laptop", "tidying", len(of))
    assert operation.finished_at is not None


def test_where_nothing_is_to_be_changed_nothing_is_noted(one_of_each: Database) -> None:
    done = closing.archive(one_of_each, Filter(states=("replaying",)), "ada@laptop", "")

    assert done == Closed(None, 0, {"replaying": 1})
    assert operations.recent(one_of_each, 10) == []


def test_what_was_done_before_a_kill_is_whole_and_noted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "BATCH", 2)
    write(database, [death(name) for name in "abcde"], max_replays=5)

    def end(done: int, _matched: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        closing.close(database, "archive", Filter(), "ada@laptop", "tidying", end)

    assert sorted(states(database).values()) == ["archived"] * 4 + ["open"]
    noted = database.execute("SELECT count(*) FROM dead_letter_history WHERE event = 'archived'").fetchone()
    (operation,) = operations.recent(database, 10)
    assert (noted, operation.letters, operation.finished_at) == ((4,), 4, None)
    assert closing.archive(database, Filter(), "ada@laptop", "tidying").changed == 1


def test_figures_count_what_is_not_settled_and_totals_everything(one_of_each: Database) -> None:
    figures, totals = stats.figures(one_of_each), stats.totals(one_of_each)

    assert (figures.open, figures.replaying, figures.parked, figures.new_in_last_minute) == (1, 1, 1, 0)
    assert figures.oldest_open_seconds > 0
    assert totals.by_state == dict.fromkeys(STATES, 1)
    assert (totals.by_reason, totals.by_queue) == ({"exception": 3}, {"bills": 3})
    assert (sum(totals.per_minute), totals.overflow) == (0, 0)


def test_figures_of_an_empty_index_are_nought(database: Database) -> None:
    assert stats.figures(database) == stats.Figures(0, 0, 0, 0, 0.0)
