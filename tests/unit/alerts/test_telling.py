"""Which entries of the history a destination is told, whatever happens and however late it hears of it."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.delivering.backlog import overtaken
from monitoring.alerts.delivering.missing import missing
from monitoring.alerts.delivering.told import Told, after, changes_belief, is_news
from orchestrator.alerts import changing, history, record
from orchestrator.alerts.changing import Change
from orchestrator.alerts.history import Entry
from orchestrator.alerts.record import Alert, Severity, Silence
from orchestrator.alerts.standing import Standing
from tests.unit.alerts import standings

NAMES = st.sampled_from(["a", "b"])
ACTS = st.one_of(
    st.tuples(st.just("found"), NAMES, st.sampled_from(record.SEVERITIES)),
    st.tuples(
        st.sampled_from(["gone", "acknowledged", "silenced", "unsilenced", "hear"]), NAMES, st.just("")
    ),
)


@dataclass
class Fleet:
    """Alerts as they stand, their history, and what a destination was told of them, by `hear`."""

    standing: Standing = field(default_factory=standings.standing)
    entries: list[Entry] = field(default_factory=list)
    heard: int = 0
    told: dict[str, Told] = field(default_factory=dict)
    sent: list[Entry] = field(default_factory=list)

    def act(self, act: str, name: str, severity: Severity) -> None:
        if act == "hear":
            self.hear()
            return
        change = _change(self.standing, act, name, severity)
        if change is None:
            return
        seconds = len(self.entries) + 1.0
        self.standing = standings.after(self.standing, [change], seconds)
        told = history.fields(change)
        if told:
            self.entries.append(history._entry(f"{1000 * int(seconds)}-0", told))  # noqa: SLF001

    def hear(self, long_entries: int = 3) -> None:
        waiting = self.entries[self.heard :]
        left_out = overtaken(waiting, long_entries)
        for entry in waiting:
            if entry.id not in left_out:
                self.tell(entry)
        self.heard = len(self.entries)
        for entry in missing(dict(self.told), self.standing):
            self.tell(entry)

    def tell(self, entry: Entry) -> None:
        if not is_news(entry, self.told.get(entry.alert)):
            return
        self.sent.append(entry)
        if changes_belief(entry):
            self.told.pop(entry.alert, None)
            belief = after(entry)
            if belief:
                self.told[entry.alert] = belief


def _change(standing: Standing, act: str, name: str, severity: Severity) -> Change | None:
    if act == "found":
        return changing.found(standing, Alert(name, severity, "it is wrong"))
    if act == "gone":
        return changing.gone(standing, name)
    if act == "acknowledged":
        return changing.acknowledged(standing, name, "ada", "")
    if act == "silenced":
        until = record.stamp(standing.now + timedelta(hours=1))
        return changing.silenced(standing, Silence(name, until, "ada", "", standing.stamp))
    return changing.unsilenced(standing, name, "ada", "")


def _fleet(acts: list[tuple[str, str, Severity]]) -> Fleet:
    fleet = Fleet()
    for act in acts:
        fleet.act(*act)
    fleet.hear()
    return fleet


@given(st.lists(ACTS, max_size=40))
def test_whoever_has_heard_all_believes_nothing_raised_that_is_cleared(
    acts: list[tuple[str, str, Severity]],
) -> None:
    fleet = _fleet(acts)

    raised = {name: each.since for name, each in fleet.standing.raised.items()}
    assert {name: each.since for name, each in fleet.told.items()}.items() <= raised.items()


@given(st.lists(ACTS, max_size=40))
def test_whoever_has_heard_all_knows_of_what_is_raised_and_neither_silenced_nor_acknowledged(
    acts: list[tuple[str, str, Severity]],
) -> None:
    fleet = _fleet(acts)

    loud = {
        name: each.severity
        for name, each in fleet.standing.raised.items()
        if fleet.standing.silence_of(name) is None and each.acknowledged is None
    }
    assert loud.items() <= {name: each.severity for name, each in fleet.told.items()}.items()


@given(st.lists(ACTS, max_size=40))
def test_beginnings_and_ends_of_an_alert_are_told_in_turn(acts: list[tuple[str, str, Severity]]) -> None:
    fleet = _fleet(acts)

    for name in ("a", "b"):
        about = [
            each.event == "cleared"
            for each in fleet.sent
            if each.alert == name and each.event in {"raised", "still_raised", "cleared"}
        ]
        assert about == [False, True] * (len(about) // 2) + [False] * (len(about) % 2)


@given(st.lists(ACTS, max_size=40))
def test_whoever_has_heard_all_hears_nothing_more(acts: list[tuple[str, str, Severity]]) -> None:
    fleet = _fleet(acts)
    sent = list(fleet.sent)

    fleet.hear()

    assert fleet.sent == sent


def test_of_a_short_backlog_everything_is_told_and_of_a_long_one_what_is_not_over() -> None:
    fleet = Fleet()
    for act in ("found", "gone", "found", "gone", "found"):
        fleet.act(act, "a", "warning")
    entries = fleet.entries

    assert overtaken(entries, long_entries=5) == frozenset()
    assert overtaken(entries, long_entries=4) == {entries[0].id, entries[2].id}


def test_an_end_of_another_time_that_it_was_raised_is_no_news() -> None:
    told = Told("warning", "2026-06-01T12:00:05+00:00")
    end = Entry("1-0", 0.0, "cleared", "a", "warning", since="2026-06-01T12:00:00+00:00", deliver=True)

    assert not is_news(end, told)
    assert is_news(replace(end, since=told.since), told)
