"""How a start is going, as it is told to a person: lines, a spinner above them on a terminal, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape


@dataclass(frozen=True)
class Step:
    """What a part of the stack is doing; with the `seconds` that it took, that it is ready; or a remark."""

    name: str
    says: str
    seconds: float | None = None
    remark: bool = False

    def __str__(self) -> str:
        """One line."""
        took = "" if self.seconds is None else f" ({self.seconds:.1f} s)"
        return f"{self.name:<9} {self.says}{took}"


Report = Callable[[Step], None]


def silent(_step: Step) -> None:
    """Tell nobody."""


@contextmanager
def on(console: Console) -> Iterator[Report]:
    """Tell the console: a line a step, and on a terminal a spinner with what is still being waited for."""
    if not console.is_terminal:
        yield lambda step: console.print(str(step), markup=False, highlight=False, soft_wrap=True)
        return
    waiting: dict[str, str] = {}
    with console.status("starting") as spinner:

        def report(step: Step) -> None:
            if step.remark:
                console.print(f"  {step}", markup=False, highlight=False, soft_wrap=True)
            elif step.seconds is None:
                waiting[step.name] = step.says
            else:
                waiting.pop(step.name, None)
                console.print(f"[green]✓[/] {escape(str(step))}", highlight=False, soft_wrap=True)
            spinner.update(", ".join(f"{name}: {says}" for name, says in waiting.items()) or "starting")

        yield report
