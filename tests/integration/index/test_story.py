"""The story of a letter has each of its deaths and what was done about it."""

from dataclasses import replace

from orchestrator.index import closing
from orchestrator.index.filters import Filter
from orchestrator.index.story import of_task, story
from orchestrator.index.writing import write
from tests.integration.index.deaths import Database, death


def test_a_story_has_every_death_with_its_bytes_and_who_did_what(database: Database) -> None:
    first, again = death("a"), replace(death("b", letter="a", replay=1, minutes=5), value=b"\x00\xff")
    write(database, [first, again], max_replays=5)
    closing.park(database, Filter(ids=("a",)), "ada@laptop", "until Monday")

    found = story(database, "a")

    assert found is not None
    assert found.deaths == [first, again]
    assert (found.letter.id, found.letter.state, found.letter.message) == ("a", "parked", "b is no number")
    assert [(each.event, each.operation and each.operation.who) for each in found.history] == [
        ("died", None),
        ("failed again", None),
        ("parked", "ada@laptop"),
    ]
    operation = found.history[2].operation
    assert operation is not None
    assert (operation.action, operation.why, operation.letters) == ("park", "until Monday", 1)
    assert operation.filter == {"ids": ["a"]}


def test_a_message_that_was_too_large_for_a_record_is_in_the_story(database: Database) -> None:
    database.execute("INSERT INTO dead_letter_values (id, value) VALUES ('a', '{}')")
    write(database, [replace(death("a"), value=None, value_is="reference")], max_replays=5)

    found = story(database, "a")

    assert found is not None
    assert (found.deaths[0].value_is, found.deaths[0].value) == ("reference", b"{}")


def test_there_is_no_story_of_an_unknown_letter(database: Database) -> None:
    assert story(database, "a") is None


def test_letters_of_a_task_are_found_by_its_id(database: Database) -> None:
    letters = [replace(death(name, minutes=number), task_id="t") for number, name in enumerate("ab")]
    write(database, [*letters, death("c")], max_replays=5)

    assert [each.id for each in of_task(database, "t")] == ["b", "a"]
