"""Whatever is added by whoever in whatever order, Redis holds the same as the sum in Python, once."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from redis import Redis

from monitoring.recording.labels import label
from monitoring.recording.recorder import Recorder
from monitoring.recording.sums import Key, Sums, together
from monitoring.rollup import encoding, scripts
from monitoring.rollup.batches import Batches
from orchestrator import keys
from orchestrator.tally import fields
from tests.integration.rollup.conftest import forget

TOTALS = keys.metrics("totals")
NAMES = some.sampled_from(["shop", "mail", 'say "hi"', "two\nlines", "日本", "x" * 10_000])
MS = some.one_of(
    some.floats(0, 1e4), some.sampled_from([0.0, 1e-9, 0.001, 2.0**20 * 1000, 1e300]), some.integers(0, 10**7)
)
CALLS = some.tuples(some.just("call"), NAMES, NAMES, MS, some.booleans())
WAITS = some.tuples(some.just("wait"), NAMES, NAMES, MS)
EVENTS = some.tuples(some.just("event"), some.sampled_from(["timeout", "retry", "dead_letter"]), NAMES)
RECORDED = some.lists(some.one_of(CALLS, WAITS, EVENTS), max_size=8)


def _recorded(records: list[tuple[Any, ...]]) -> Sums:
    recorder = Recorder(lambda: 24, on_first=lambda: None)
    for what, *about in records:
        match what:
            case "call":
                recorder.record(*about)
            case "wait":
                recorder.record_wait(*about)
            case "event":
                recorder.record_event(*about)
    return recorder.take()


def _stored(client: Redis, key: str = TOTALS) -> Sums:
    found: Any = client.hgetall(key)
    return encoding.read(found)


def _minutes(client: Redis) -> Sums:
    minutes: Any = client.zrange(keys.metrics("minutes"), 0, -1)
    return together(_stored(client, keys.metrics(f"minute:{minute}")) for minute in minutes)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.tuples(some.integers(0, 2), RECORDED), max_size=5))
def test_redis_holds_the_sum_of_what_processes_add(
    client: Redis, added: list[tuple[int, list[tuple[Any, ...]]]]
) -> None:
    forget(client)
    processes, all_of_it = [Batches() for _ in range(3)], []
    for number, records in added:
        sums = _recorded(records)
        all_of_it.append(sums)
        processes[number].put(sums)
        processes[number].send(client, "")

    assert _stored(client) == _minutes(client) == together(all_of_it)


@settings(max_examples=40)
@given(RECORDED)
def test_a_hash_is_read_as_it_was_written(records: list[tuple[Any, ...]]) -> None:
    sums = _recorded(records)

    assert encoding.read(encoding.stored(sums)) == sums


def test_what_settlements_count_is_read_as_events_too_and_stored_as_itself() -> None:
    hashed = {
        fields.field("outcome", "shop.pay", "a", "retried", ""): "2",
        fields.field("outcome", "shop.pay", "a", "dead_lettered", "rejected"): "3",
        fields.field("event", "retry_attempt", "kafka_client"): "5",
        "id": "7.7",
        "nobody's": "x",
        fields.field("call", "shop", "order", "success"): "no durations",
    }

    sums = encoding.read(hashed)

    assert sums.events == {
        ("retry_attempt", "kafka_client"): 5,
        ("retry_attempt", "shop.pay"): 2,
        ("dead_letter_message", "a.dlq"): 3,
    }
    assert sums.calls == {}
    assert encoding.read(encoding.stored(sums)) == sums


def test_a_batch_that_is_sent_twice_is_added_once(client: Redis) -> None:
    row = encoding.Row(fields.field("event", "replay", "shop"), "instead", "count", "2")
    add: Any = client.register_script(scripts.add())

    said = [add(keys=[keys.metrics(""), "a process"], args=[number, 60, *row]) for number in (1, 1, 2, 1)]

    client.delete("a process")
    assert said == [1, 0, 1, 0]
    assert _stored(client).events == {("replay", "shop"): 4}


def test_what_cannot_be_added_to_is_not_tried_for_ever(client: Redis) -> None:
    client.hset(TOTALS, fields.field("event", "replay", "shop"), "somebody's text")
    batches = Batches()
    batches.put(Sums(events={("replay", "shop"): 1}))

    refused = ""
    try:
        batches.send(client, "")
    except Exception as error:
        refused = str(error)
    batches.put(Sums(events={("replay", "mail"): 1}))
    batches.send(client, "")

    assert "not an integer" in refused
    assert _stored(client).events == {("replay", "mail"): 1}


def test_a_hash_has_a_bounded_number_of_fields_and_says_how_much_was_too_much(client: Redis) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for number in range(10_000):
            pipeline.hset(TOTALS, fields.field("event", "replay", f"task {number}"), 1)
        pipeline.execute()
    batches = Batches()
    batches.put(_recorded([("call", "new", "order", 1.0, True), ("event", "retry", "new")]))
    batches.put(Sums(events={("replay", "task 7"): 1}))

    batches.send(client, "")

    sums = _stored(client)
    assert list(sums.calls) == [Key("other", "other", "success")]
    assert sums.events["retry_attempt", "other"] == 1
    assert sums.events["replay", "task 7"] == 2
    assert client.hget(TOTALS, encoding.OVERFLOWED) == "2"
    assert Key("new", "order", "success") in _minutes(client).calls


def test_names_are_bounded_in_length_and_half_characters_do_no_harm(client: Redis) -> None:
    batches = Batches()
    batches.put(_recorded([("call", "half \ud800", "y" * 10_000, 1.0, True)]))

    batches.send(client, "")

    assert list(_stored(client).calls) == [Key("half \\ud800", label("operation", "y" * 10_000), "success")]
