"""Letters are found by what happened, and by nothing else: whatever is typed is a value."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from orchestrator.index import access
from orchestrator.index.filters import COLUMNS, Filter
from orchestrator.index.finding import Letter, count, count_some, find
from orchestrator.index.writing import write
from tests.integration.index.deaths import NOON, death
from tests.servers import fresh_database

INJECTION = "'; DROP TABLE dead_letters; -- $(reboot) `id` %s {} \\ \" *"
FOUND: dict[str, dict[str, Any]] = {
    "a": {"queue": "mails", "task": "app.send", "message": "connection refused by host-1"},
    "b": {"queue": "mails", "reason": "expired", "message": "request 17 timed out"},
    "c": {"exception": "app.Refused", "fingerprint": "feedfeedfeedfeed", "message": "refused a connection"},
    "d": {"correlation_id": "order-7", "task_id": "t-9", "message": "keine Verbindung für Zoë"},
    "e": {"queue": INJECTION, "task": INJECTION, "exception": INJECTION, "correlation_id": INJECTION},
}


@pytest.fixture(scope="module")
def index(stack: Any, template: str) -> Iterator[psycopg.Connection[Any]]:
    """Five letters, a minute apart, of which b is parked and c resolved."""
    with (
        fresh_database(stack.database_url, template) as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        letters = [death(name, minutes=number, **about) for number, (name, about) in enumerate(FOUND.items())]
        write(connection, letters, max_replays=5)
        for state, name in (("parked", "b"), ("resolved", "c")):
            connection.execute("UPDATE dead_letters SET state = %s WHERE id = %s", (state, name))
        yield connection


def ids(index: psycopg.Connection[Any], **fields: Any) -> str:
    return "".join(letter.id for letter in find(index, Filter(**fields), 100).letters)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, "edcba"),
        ({"ids": ("a", "d", "z")}, "da"),
        ({"queues": ("mails",)}, "ba"),
        ({"queues": ("mails", "bills", "mails")}, "dcba"),
        ({"queues": ("mail",)}, ""),
        ({"tasks": ("app.send",)}, "a"),
        ({"reasons": ("expired",)}, "b"),
        ({"exceptions": ("app.Refused",)}, "c"),
        ({"fingerprints": ("feedfeedfeedfeed",)}, "c"),
        ({"correlation_ids": ("order-7",)}, "d"),
        ({"task_ids": ("t-9",)}, "d"),
        ({"states": ("parked", "resolved")}, "cb"),
        ({"queues": ("mails",), "states": ("open",)}, "a"),
        ({"queues": ("mails",), "exceptions": ("app.Refused",)}, ""),
        ({"queues": ("mails",), "reasons": ("expired", "exception")}, "ba"),
        ({"since": NOON + timedelta(minutes=2)}, "edc"),
        ({"until": NOON + timedelta(minutes=2)}, "ba"),
        ({"since": NOON + timedelta(minutes=1), "until": NOON + timedelta(minutes=2)}, "b"),
        ({"text": "Connection"}, "ca"),
        ({"text": '"connection refused"'}, "a"),
        ({"text": "zoë or 17"}, "db"),
        ({"text": "connection -host-1"}, "c"),
        ({"text": "connection", "states": ("open",)}, "a"),
        ({"text": "!!! & | ("}, ""),
        ({"queues": (INJECTION,)}, "e"),
        ({"tasks": (INJECTION,)}, "e"),
        ({"exceptions": (INJECTION,)}, "e"),
        ({"correlation_ids": (INJECTION,)}, "e"),
        ({"queues": ("a\0b",)}, ""),
        ({"queues": ("\ud800", "mails")}, "ba"),
        ({"ids": ("\0",)}, ""),
        ({"text": "connection\0"}, ""),
    ],
)
def test_a_filter_finds_what_meets_every_condition(
    index: psycopg.Connection[Any], fields: dict[str, Any], found: str
) -> None:
    assert ids(index, **fields) == found
    assert count(index, Filter(**fields)) == len(found)
    assert count_some(index, Filter(**fields), 2) == min(len(found), 2)


@given(st.sampled_from(sorted(COLUMNS)), st.lists(st.text(), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_any_text_in_any_field_is_a_value(
    index: psycopg.Connection[Any], field: str, values: list[str]
) -> None:
    fields: dict[str, Any] = {field: tuple(values)}

    found = find(index, Filter(**fields), 100).letters

    assert [each.id for each in found] == [
        each.id for each in find(index, Filter(), 100).letters if getattr(each, COLUMNS[field]) in values
    ]


@given(st.text(max_size=200) | st.text(alphabet="()&|!:*<->'\"\\ ab-", max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_words_are_words(index: psycopg.Connection[Any], text: str) -> None:
    found = find(index, Filter(text=text), 100).letters

    assert len(found) <= len(FOUND)


VALUES: dict[str, tuple[str, ...]] = {
    "queues": ("q0", "q1", "q2"),
    "tasks": ("t0", "t1", "t2"),
    "reasons": ("r0", "r1"),
    "exceptions": ("e0", "e1", "e2"),
    "states": ("open", "parked", "resolved"),
}
FILTERS = st.builds(
    Filter,
    **{field: st.lists(st.sampled_from(values), max_size=2).map(tuple) for field, values in VALUES.items()},
    text=st.sampled_from(["", "", "odd", "even", "odd even", "-odd"]),
    since=st.sampled_from([None, None, NOON + timedelta(minutes=3)]),
    until=st.sampled_from([None, None, NOON + timedelta(minutes=9)]),
)


@pytest.fixture(scope="module")
def mixed(stack: Any, template: str) -> Iterator[psycopg.Connection[Any]]:
    """Sixty letters of mixed values, five of which died at the same moment each time."""
    with (
        fresh_database(stack.database_url, template) as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        letters = [
            death(
                f"{number:03}",
                minutes=number // 5,
                queue=f"q{number % 3}",
                task=f"t{number // 2 % 3}",
                reason=f"r{number // 30}",
                exception=f"e{number * 7 % 11 % 3}",
                message="odd" if number % 2 else "even",
            )
            for number in range(60)
        ]
        write(connection, letters, max_replays=5)
        connection.execute("UPDATE dead_letters SET state = 'parked' WHERE id::integer % 4 = 1")
        connection.execute("UPDATE dead_letters SET state = 'resolved' WHERE id::integer % 4 = 2")
        yield connection


@given(FILTERS, st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_pages_of_any_filter_are_what_plain_sql_finds(
    mixed: psycopg.Connection[Any], filter_: Filter, most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access, "_NEWEST", 4)
        paged: list[Letter] = []
        page = find(mixed, filter_, most)
        while True:
            paged += page.letters
            if not page.next:
                break
            page = find(mixed, filter_, most, page.next)

    condition, parameters = filter_.where()
    query = sql.SQL("SELECT id FROM dead_letters WHERE {} ORDER BY died_at DESC, id DESC")
    plain = mixed.execute(query.format(condition), parameters).fetchall()
    assert [each.id for each in paged] == [row[0] for row in plain]
