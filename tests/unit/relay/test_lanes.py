"""Topics that take nothing for a while, and what waits for them."""

from confluent_kafka import KafkaError

from orchestrator.relay.entry import Entry
from orchestrator.relay.kafka.lanes import Lanes
from orchestrator.relay.kafka.verdict import Verdict, judge
from orchestrator.relay.overflow.refuge import closed_seconds


def test_a_topic_is_left_in_peace_longer_each_time_and_at_once_open_when_it_takes_one() -> None:
    lanes = Lanes()
    pauses, now = [], 0.0
    for _ in range(8):
        lanes.of("a").postpone("no leader", now)
        pauses.append(round(lanes.of("a").opens_at - now, 3))
        now = lanes.of("a").opens_at

    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    lanes.took("a")
    assert (lanes.shut(0.0), lanes.errors()) == ([], {})


def test_the_failures_of_one_batch_count_once() -> None:
    lanes = Lanes()
    for _ in range(100):
        lanes.of("a").postpone("no leader", 5.0)

    assert lanes.of("a").opens_at == 5.2


def test_a_topic_that_refuses_is_asked_again_after_seconds_then_minutes() -> None:
    assert [closed_seconds(refusals) for refusals in (0, 1, 2, 3, 6, 7, 10_000)] == [
        5.0,
        5.0,
        10.0,
        20.0,
        160.0,
        300.0,
        300.0,
    ]


def test_what_waits_is_due_when_its_topic_is_open_the_oldest_first() -> None:
    lanes = Lanes()
    first, second, third = _entry("1-0"), _entry("1-1"), _entry("2-0", "b")
    lanes.of("a").add(second)
    lanes.of("b").add(third)
    lanes.of("a").add(first)
    lanes.of("b").postpone("no leader", 0.0)

    assert lanes.due(0.1, ()) == [first, second]
    assert lanes.due(0.2, ()) == [third]
    assert list(lanes.waiting()) == []


def test_what_is_to_be_alone_goes_first_and_one_at_a_time() -> None:
    lanes = Lanes()
    odd, other, usual = _entry("1-0"), _entry("1-1"), _entry("0-1")
    odd.alone = other.alone = True
    for entry in (usual, odd, other):
        lanes.of("a").add(entry)

    assert lanes.due(0.0, {"a"}) == []
    assert lanes.due(0.0, ()) == [odd]
    assert lanes.shut(0.0) == ["a"]
    assert lanes.due(0.0, {"a"}) == []
    assert lanes.due(0.0, ()) == [other]
    assert lanes.due(0.0, {"a"}) == [usual]


def test_kafkas_answer_says_whether_a_letter_waits_or_is_refused() -> None:
    assert judge(None) is Verdict.SENT
    assert judge(KafkaError(KafkaError._MSG_TIMED_OUT)) is Verdict.LATER  # noqa: SLF001
    assert judge(KafkaError(KafkaError.NOT_ENOUGH_REPLICAS)) is Verdict.LATER
    assert judge(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)) is Verdict.TOO_LARGE
    assert judge(KafkaError(KafkaError.INVALID_RECORD)) is Verdict.REFUSED
    assert judge(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)) is Verdict.CLOSED


def _entry(entry_id: str, topic: str = "a") -> Entry:
    return Entry(entry_id, topic, {"id": entry_id}, b"raw")
