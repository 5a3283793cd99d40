"""Pages of letters: each letter on one of them, whatever comes in meanwhile."""

import pytest

from orchestrator.errors import InvalidFilter, UnknownLetter
from orchestrator.index.filters import Filter
from orchestrator.index.finding import find
from orchestrator.index.naming import resolve
from orchestrator.index.writing import write
from tests.integration.index.deaths import Database, death


def test_what_comes_in_meanwhile_moves_no_letter_to_another_page(database: Database) -> None:
    write(database, [death(str(number), minutes=number) for number in range(5)], max_replays=5)
    first = find(database, Filter(), 2)
    write(database, [death("9", minutes=9)], max_replays=5)

    second = find(database, Filter(), 2, first.next)
    third = find(database, Filter(), 2, second.next)

    pages = [[each.id for each in page.letters] for page in (first, second, third)]
    assert (pages, third.next) == ([["4", "3"], ["2", "1"], ["0"]], "")


def test_letters_that_died_at_the_same_moment_are_on_one_page_each(database: Database) -> None:
    write(database, [death(name) for name in "abcde"], max_replays=5)

    page = find(database, Filter(queues=("bills",)), 2)
    found = [each.id for each in page.letters]
    while page.next:
        page = find(database, Filter(queues=("bills",)), 2, page.next)
        found += [each.id for each in page.letters]

    assert found == ["e", "d", "c", "b", "a"]


@pytest.mark.parametrize(
    "cursor", ["x", "aGFsbG8", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5IGE", "ü", "\ud800", "'"]
)
def test_what_is_no_cursor_is_refused_with_a_sentence(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidFilter, match="this is no cursor: take the one that the page before ends with"):
        find(database, Filter(), 2, cursor)


def test_a_letter_is_known_by_the_first_digits_of_its_id(database: Database) -> None:
    write(database, [death(name) for name in ("abcdef01", "abcdef02", "abcdee00")], max_replays=5)

    assert resolve(database, ["ABCDEE", "abcdef02", "abcdee00"]) == ("abcdee00", "abcdef02")


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("abcdef", r"several letters' ids begin with abcdef: give more .* \(abcdef01, abcdef02\)"),
        ("123456", "no letter's id begins with 123456"),
        ("abcde", "no letter has the id 'abcde': give 6 or more of its first digits"),
        ("%' OR true --", "no letter has the id"),
        ("\0", "no letter has the id"),
    ],
)
def test_an_id_of_no_letter_or_of_several_is_refused_with_a_sentence(
    database: Database, named: str, sentence: str
) -> None:
    write(database, [death(name) for name in ("abcdef01", "abcdef02")], max_replays=5)

    with pytest.raises(UnknownLetter, match=sentence):
        resolve(database, [named])
