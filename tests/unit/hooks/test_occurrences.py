"""Ids of deliveries that came without one."""

from uuid import UUID

from tasks.hooks.ingest.occurrences import Occurrences
from tests.unit.hooks.deliveries import delivery


def test_equal_lines_of_one_input_are_separate_deliveries() -> None:
    with Occurrences() as occurrences:
        first = occurrences.identify(delivery("push", {"a": 1}))
        second = occurrences.identify(delivery("push", {"a": 1}))
    assert first != second
    assert UUID(first).version == UUID(second).version == 5


def test_the_same_input_again_gives_the_same_ids() -> None:
    deliveries = [delivery("push", {"a": 1}), delivery("push", {"a": 1}), delivery("star", {"a": 1})]
    runs = []
    for _ in range(2):
        with Occurrences() as occurrences:
            runs.append([occurrences.identify(each) for each in deliveries])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 3


def test_the_ids_stay_what_they_are() -> None:
    with Occurrences() as occurrences:
        found = occurrences.identify(delivery("push", {"a": 1}))
    assert found == "7c661d46-4006-5699-9fca-34f9b8d68288"


def test_the_order_of_keys_does_not_matter_and_the_source_does() -> None:
    ids = []
    for each in (
        delivery("push", {"a": 1, "b": 2}),
        delivery("push", {"b": 2, "a": 1}),
        delivery("push", {"a": 1, "b": 2}, source="shop"),
    ):
        with Occurrences() as occurrences:
            ids.append(occurrences.identify(each))
    assert ids[0] == ids[1] != ids[2]
