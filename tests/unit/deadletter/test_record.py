"""A death as a record, and what is read back of it."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.deadletter.cutting import cut
from orchestrator.deadletter.death import FAILURES, LETTER, REPLAYS, Death, from_outbox
from orchestrator.deadletter.record import Found, Record, from_record, refer, to_record

_FIELDS = [
    *("reason", "task_id", "task", "queue", "exception", "message", "traceback"),
    *("deliveries", "attempts", "worker", "died_at", "unknown"),
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_MOMENTS = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 (naive by hypothesis's rules)
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@st.composite
def _envelopes(draw: st.DrawFn) -> bytes:
    headers = draw(st.dictionaries(st.text(max_size=8), _JSON, max_size=4))
    named = {
        LETTER: st.text(max_size=8) | _JSON,
        REPLAYS: st.integers(-2, 2**40) | _JSON,
        FAILURES: st.lists(st.lists(_MOMENTS.map(datetime.isoformat) | _JSON, max_size=4), max_size=3)
        | _JSON,
        "argsrepr": st.text(max_size=3000) | _JSON,
    }
    headers |= {name: draw(values) for name, values in named.items() if draw(st.booleans())}
    envelope: dict[str, Any] = {
        "body": base64.b64encode(draw(st.binary(max_size=200))).decode(),
        "content-encoding": draw(st.text(max_size=8)),
        "content-type": draw(st.text(max_size=8)),
        "headers": headers,
        "properties": draw(st.dictionaries(st.text(max_size=8), _JSON, max_size=3))
        | {"body_encoding": "base64"},
    }
    if draw(st.booleans()):
        envelope |= draw(st.dictionaries(st.sampled_from(list(envelope)), _JSON, max_size=2))
    return json.dumps(envelope).encode()


_RAW = _envelopes() | st.binary(max_size=300) | _JSON.map(json.dumps).map(str.encode)
_OUTBOX = st.dictionaries(st.sampled_from(_FIELDS), st.text(max_size=300), max_size=len(_FIELDS)).flatmap(
    lambda fields: st.fixed_dictionaries({"id": st.text(min_size=1, max_size=80)}).map(
        lambda identity: fields | identity
    )
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(_OUTBOX, _RAW)
def test_every_entry_has_a_record_that_can_be_read_back_and_gives_the_same_record_again(
    fields: dict[str, str], raw: bytes
) -> None:
    death = from_outbox(fields, raw)
    record = _record(death)

    read = _read(record)

    assert _told(_record(read)) == _told(record)
    assert read.is_foreign is False
    assert (read.id, read.letter_id, read.replay) == (death.id, death.letter_id, death.replay)
    assert (read.value, read.value_is) == (death.value, death.value_is)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(_OUTBOX, _envelopes(), st.integers(65_536, 100_000), st.integers(0, 200_000))
def test_a_record_is_never_larger_than_the_bound_and_its_value_is_whole(
    fields: dict[str, str], raw: bytes, most: int, length: int
) -> None:
    death = replace(
        from_outbox(fields, raw), value=b"v" * length, traceback="t" * length, message="m" * length
    )

    record = to_record(death, most)

    if record is None:
        assert length > most - 20_000
        record = refer(death)
        assert record.value is None
    else:
        assert record.value == b"v" * length
    assert record.size <= most


def test_what_is_too_long_is_cut_in_its_middle_and_said_to_be() -> None:
    death = replace(_death(), message="m" * 20_000, traceback="a" * 10_000 + "z" * 10_000)

    read = _read(_record(death))

    assert len(read.message) < 10_100
    assert (read.traceback[0], read.traceback[-1]) == ("a", "z")
    assert "characters left out" in read.traceback
    assert _header(_record(death), "omninode-dlq-truncated") == "message,traceback"


def test_texts_as_long_as_their_bounds_are_kept() -> None:
    death = replace(_death(), message="m" * 10_000, traceback="t" * 8_192)

    read = _read(_record(death))

    assert (len(read.message), len(read.traceback)) == (10_000, 8_192)


def test_what_was_cut_before_is_counted_when_it_is_cut_again() -> None:
    twice = cut(cut("m" * 30_000, 10_000), 1_000)

    assert "… 29050 characters left out …" in twice


def test_secrets_are_masked_in_what_explains_a_letter_and_not_in_its_value() -> None:
    death = replace(_death(), message="password=hunter2", value=b"password=hunter2")

    record = _record(death)

    assert _header(record, "omninode-dlq-message") == "password=****"
    assert _header(record, "kafka_dlt-exception-message") == "password=****"
    assert _header(record, "omninode-dlq-redacted") == "message"
    assert record.value == b"password=hunter2"


def test_a_death_of_a_replay_belongs_to_its_letter() -> None:
    raw = json.dumps({"headers": {LETTER: "a" * 64, REPLAYS: 2}}).encode()

    read = _read(_record(from_outbox({"id": "b" * 64}, raw)))

    assert (read.id, read.letter_id, read.replay) == ("b" * 64, "a" * 64, 2)


def test_the_first_of_earlier_failures_says_when_it_first_failed() -> None:
    first = datetime(2025, 6, 1, 12, 30, tzinfo=UTC)
    raw = json.dumps({"headers": {FAILURES: [[first.isoformat(), "ValueError", "no", "w1"]]}}).encode()
    fields = {"id": "b" * 64, "died_at": (first + timedelta(hours=1)).isoformat()}

    read = _read(_record(from_outbox(fields, raw)))

    assert (read.first_failed_at, read.died_at) == (first, first + timedelta(hours=1))


def _death() -> Death:
    return from_outbox({"id": "a" * 64, "died_at": "2025-06-01T12:30:00+00:00"}, b"raw")


def _record(death: Death) -> Record:
    record = to_record(death, 1_000_000)
    assert record is not None
    return record


def _read(record: Record) -> Death:
    found = Found("mail.dlq", 1, 7, record.key, record.value, record.headers, record.timestamp_ms)
    return from_record(found, ".dlq")


def _told(record: Record) -> Record:
    """Without what was done to it: the second time there is nothing left to do."""
    done = {"omninode-dlq-truncated", "omninode-dlq-redacted"}
    return replace(record, headers=[(name, value) for name, value in record.headers if name not in done])


def _header(record: Record, name: str) -> str:
    return dict(record.headers)[name].decode()
