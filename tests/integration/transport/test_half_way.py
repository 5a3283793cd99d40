"""What stops a script half-way leaves a message twice, never nowhere, and nothing that stays for ever."""

from collections.abc import Iterator
from importlib.resources import files

import pytest
from redis import Redis

from orchestrator.transport import scripts
from tests.integration.transport import places, stages
from tests.integration.transport.stopping import Build, Stage
from tests.integration.transport.workers import Worker

_STAGES = (
    stages.settling,
    stages.claiming,
    stages.releasing_unknown_claims,
    stages.renewing,
    stages.delaying,
    stages.pushing,
    stages.pushing_for_later,
    stages.releasing,
    stages.ejecting,
    stages.adopting,
    stages.purging,
    stages.taking,
)
_THAT_MOVE_NOTHING = {"watch", "count", "find", "replays", "version", "asides", "probes"}
_MOST_WRITES = 200
# What `stages.settling` settles as replays.
_REPLAYED = {"settling-00000001-5-0011", "settling-00000001-5-0012"}
_LETTERS = {f"letter of {claim}".encode() for claim in _REPLAYED}

each_stage = pytest.mark.parametrize("stage", _STAGES, ids=lambda stage: stage.__name__)


@pytest.mark.parametrize("stage", [*_STAGES, stages.refusing], ids=lambda stage: stage.__name__)
def test_a_script_that_was_stopped_anywhere_may_be_repeated(client: Redis, stage: Build) -> None:
    for stopped in _stopped_at_each_write(client, stage):
        assert _is_everything_there(stopped)

        stopped.repeat()

        found = places.read(client).messages()
        assert all(1 <= found[raw] <= 2 for raw in stopped.optional)
        assert _is_everything_there(stopped)


@each_stage
def test_nothing_stays_behind_when_leases_and_delays_have_ended(client: Redis, stage: Build) -> None:
    for stopped in _stopped_at_each_write(client, stage):
        _end_leases_and_delays(client)

        there = places.read(client)
        assert _is_everything_there(stopped)
        assert [there.claims, there.leases, there.started] == [{}, {}, set()]
        assert [there.delayed, there.bodies] == [{}, {}]


def test_what_was_settled_half_way_is_settled_when_it_is_repeated(client: Redis) -> None:
    for stopped in _stopped_at_each_write(client, stages.settling):
        stopped.repeat()

        there = places.read(client)
        assert list(there.claims) == ["settling-00000001-5-0010"]
        assert there.messages().keys().isdisjoint({b"0", b"1", b"2", b"10", b"11"})
        assert {letter["raw"] for letter in there.letters} == {b"2"}
        assert {outcome["letter_id"] for outcome in there.outcomes} == _LETTERS


def test_the_outcome_of_a_replay_is_there_before_its_message_is_gone(client: Redis) -> None:
    for _ in _stopped_at_each_write(client, stages.settling):
        there = places.read(client)

        named = {outcome["letter_id"] for outcome in there.outcomes}
        assert all(f"letter of {claim}".encode() in named or claim in there.claims for claim in _REPLAYED)
        assert len(there.outcomes) == len(named)


def test_every_script_that_moves_messages_is_stopped_here(client: Redis) -> None:
    there = {
        file.name.removesuffix(".lua") for file in files(scripts).iterdir() if file.name.endswith(".lua")
    }

    assert there - _THAT_MOVE_NOTHING == {stage(client).name for stage in _STAGES}


def _stopped_at_each_write(client: Redis, stage: Build) -> Iterator[Stage]:
    """The stage, with its script stopped before its first write, after it, after the second …"""
    for writes in range(_MOST_WRITES):
        client.flushdb()
        client.set(places.PULSE, _now(client))
        prepared = stage(client)
        if not prepared.stop_after(writes):
            assert writes > 1
            return
        yield prepared
    pytest.fail("the script did not come to its end")


def _is_everything_there(stopped: Stage) -> bool:
    return all(1 <= copies <= 2 for copies in stopped.copies())


def _end_leases_and_delays(client: Redis) -> None:
    there = places.read(client)
    client.delete(places.QUIET)
    client.set(places.PULSE, _now(client))
    for place, names in ((places.LEASES, there.leases), (places.DELAYED, there.delayed)):
        if names:
            client.zadd(place, dict.fromkeys(names, 1))
    Worker(client, "heir").exchange()


def _now(client: Redis) -> int:
    seconds: int = client.time()[0]
    return seconds * 1000
