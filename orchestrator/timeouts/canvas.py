"""`deadline=` of a chain, a group or a chord: one moment for every member and the body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import canvas as stock
from celery.utils.functional import _regen  # type: ignore[attr-defined]

from orchestrator.timeouts import carried, published


def register() -> None:
    """Have canvases know the option; Celery would have each member, and later the body, count anew."""
    for kind in (stock._chain, stock.group, stock._chord):  # type: ignore[attr-defined]  # noqa: SLF001
        if not getattr(kind.apply_async, "knows_deadlines", False):
            setattr(kind, "apply_async", _knowing(kind.apply_async))  # noqa: B010 (mypy holds methods fixed)


def _knowing(apply_async: Callable[..., Any]) -> Callable[..., Any]:
    def apply(canvas: Any, *args: Any, **options: Any) -> Any:
        said = options.pop(published.OPTION, None)
        if said is None:
            said = canvas.options.get(published.OPTION)
        if published.OPTION in canvas.options:
            canvas = _without(canvas)
        moment = None if said is None else published.canvas_moment(said, options)
        _check(canvas, moment)
        if moment is None:
            return apply_async(canvas, *args, **options)
        with published.of_canvas(moment):
            return apply_async(canvas, *args, **options)

    apply.knows_deadlines = True  # type: ignore[attr-defined]
    apply.__doc__ = apply_async.__doc__
    return apply


def _check(canvas: Any, moment: str | None) -> None:
    """Before the first member is enqueued; those that a generator has yet to make are read one at a time."""
    if not isinstance(getattr(canvas.tasks, "tasks", canvas.tasks), _regen):
        carried.carried(canvas)
        if moment is not None:
            carried.check_etas(canvas, moment)


def _without(canvas: Any) -> Any:
    """The same canvas without a deadline among the options, which Celery would pass on."""
    bare = dict.__new__(type(canvas))
    bare.update(canvas)
    vars(bare).update(vars(canvas))
    bare["options"] = {name: value for name, value in canvas.options.items() if name != published.OPTION}
    return bare
