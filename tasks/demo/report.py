"""Shows the figures of a demo to a person."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.redaction import printable
from orchestrator.times import length, moment
from tasks.demo.dying import Act
from tasks.demo.figures import Figures, Label, ModelCalls, Pair, Waits
from tasks.demo.measured import Component, Measured
from tasks.demo.outage import Outage

_TEXT_WIDTH = 60
_SHOWN_MISSING = 20


@dataclass(frozen=True)
class Acts:
    """What followed the main job, where it was played: deaths, an outage, and a look at the dashboard."""

    letters: Act | None = None
    outage: Outage | None = None
    measured: Measured | None = None

    def missing(self) -> Iterator[str]:
        """One sentence for each thing that is not as it must be."""
        for act in (self.letters, self.outage, self.measured):
            yield from act.missing() if act else ()


def show(console: Console, figures: Figures, acts: Acts, missing: list[str]) -> None:
    """Print the report: what was processed and found, has died, was away, was measured, and is missing."""
    tables: list[RenderableType] = [_summary(figures), _similar(figures.pairs), _labels(figures.labels)]
    tables += [_died(acts.letters)] if acts.letters else []
    tables += [_away(acts.outage)] if acts.outage else []
    tables += [_components(acts.measured), _agreement(acts.measured)] if acts.measured else []
    for table in tables:
        console.print()
        console.print(table)
    console.print()
    if missing:
        console.print(f"[bold red]{len(missing)} missing:[/]")
        for sentence in missing[:_SHOWN_MISSING]:
            console.print(f"  {sentence}", markup=False, highlight=False, soft_wrap=True)
        if len(missing) > _SHOWN_MISSING:
            console.print(f"  … and {len(missing) - _SHOWN_MISSING} more (--json shows all)")
    else:
        console.print(
            f"[bold green]received = processed = {figures.hooks.processed}[/]: nothing is missing.",
            highlight=False,
        )


def _summary(figures: Figures) -> Table:
    hooks = figures.hooks
    table = Table(title="What PostgreSQL and Redis say", show_header=False, title_justify="left")
    table.add_row("hooks received", str(hooks.received))
    table.add_row("hooks processed", str(hooks.processed))
    table.add_row("hooks unhandled, failed", f"{hooks.unhandled}, {hooks.failed}")
    table.add_row("duplicates recognised", str(hooks.duplicates))
    table.add_row("enqueue to commit", _waits(figures.waits))
    table.add_row("model calls", _calls(figures.model_calls))
    table.add_row("model latency", _latency(figures.model_calls))
    table.add_row("texts embedded, resources known", f"{figures.texts}, {figures.resources}")
    table.add_row(
        "left in the queues", ", ".join(f"{name} {count}" for name, count in figures.queued.items())
    )
    return table


def _waits(waits: Waits) -> str:
    if waits.p50_seconds is None or waits.p95_seconds is None:
        return "unknown"
    return f"p50 {waits.p50_seconds:.2f} s, p95 {waits.p95_seconds:.2f} s"


def _calls(calls: ModelCalls) -> str:
    return f"{calls.calls}, of which {calls.ok} succeeded"


def _latency(calls: ModelCalls) -> str:
    if calls.p50_ms is None or calls.p95_ms is None:
        return "unknown"
    return f"p50 {calls.p50_ms:.1f} ms, p95 {calls.p95_ms:.1f} ms"


def _similar(pairs: tuple[Pair, ...]) -> Table:
    table = Table(title="The most similar texts: possible duplicates", title_justify="left", expand=True)
    table.add_column("score", justify="right", width=5)
    for column in ("text", "other text"):
        _add_text_column(table, column)
    for pair in pairs:
        table.add_row(
            f"{pair.score:.2f}",
            _shown(pair.subject, pair.content),
            _shown(pair.other_subject, pair.other_content),
        )
    return table


def _labels(labels: tuple[Label, ...]) -> Table:
    table = Table(title="Labels given", title_justify="left")
    table.add_column("label")
    table.add_column("texts", justify="right")
    _add_text_column(table, "fits best")
    for label in labels:
        table.add_row(escape(label.label), str(label.texts), _first_line(label.example))
    return table


def _died(act: Act) -> Table:
    table = Table(
        title="What died, by group, before its replay",
        title_justify="left",
        caption=f"replayed: {act.died_again} died again, and was edited; {act.resolved} are resolved, "
        f"{act.open} open; {act.orders} orders are stored",
        caption_justify="left",
        expand=True,
    )
    table.add_column("letters", justify="right", no_wrap=True)
    table.add_column("exception", no_wrap=True)
    _add_text_column(table, "message")
    for group in act.died:
        name = group.exception.rpartition(".")[2]
        table.add_row(str(group.letters), escape(name), _first_line(group.message))
    return table


def _away(outage: Outage) -> Table:
    table = Table(
        title="What a model's server cost that went away and returned",
        show_header=False,
        title_justify="left",
    )
    table.add_row("calls enqueued, answered", f"{outage.calls}, {outage.answered}")
    table.add_row(
        "reached it while it was away",
        f"{outage.reached_while_away}; at most {outage.at_most} may, of which {outage.probes} probe",
    )
    table.add_row("set aside meanwhile", str(outage.set_aside))
    table.add_row("retries, all of those that reached it", str(outage.retries))
    table.add_row("dead letters", str(outage.letters))
    table.add_row("its circuit opened", f"{moment(outage.opened_at)}, {_times(outage.opened)}")
    table.add_row("and closed", f"{moment(outage.closed_at)}, {length(outage.open_seconds)} later")
    return table


def _components(measured: Measured) -> Group:
    verdict = Text(f"What the dashboard says: {measured.status}", style="table.title")
    reasons = [Padding(Text(printable(sentence)), (0, 0, 0, 2)) for sentence in measured.reasons]
    resilience = ", ".join(
        f"{name.replace('_', ' ')} {'unknown' if count is None else count}"
        for name, count in measured.resilience.items()
    )
    table = Table(caption=resilience, caption_justify="left")
    table.add_column("called most", no_wrap=True, overflow="ellipsis")
    for column in ("calls", "errors", "p50", "p95"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in measured.components:
        table.add_row(*_measures(each))
    return Group(verdict, *reasons, table)


def _measures(component: Component) -> tuple[str, ...]:
    took = (f"{ms:.1f} ms" if ms is not None else "unknown" for ms in (component.p50_ms, component.p95_ms))
    return escape(component.name), str(component.calls), str(component.errors), *took


def _agreement(measured: Measured) -> Table:
    table = Table(title="The same in PostgreSQL", title_justify="left")
    table.add_column("")
    for column in ("dashboard", "PostgreSQL"):
        table.add_column(column, justify="right")
    for each in measured.compared:
        said = "unknown" if each.dashboard is None else str(each.dashboard)
        table.add_row(each.what, said, str(each.postgresql), style="" if each.agrees else "red")
    return table


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times, as probes failed"


def _add_text_column(table: Table, name: str) -> None:
    # A text that does not fit is cut: a line of it is enough to know it by.
    table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=_TEXT_WIDTH, ratio=1)


def _shown(subject: str, content: str) -> str:
    return f"{_first_line(content)}\n[dim]{escape(subject.removeprefix('https://github.com/'))}[/]"


def _first_line(content: str) -> str:
    return escape(content.strip().partition("\n")[0])
