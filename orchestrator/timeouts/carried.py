"""Deadlines of what a message carries along: links, a chain's next steps, a chord's body."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from celery.utils.functional import maybe_list

from orchestrator.timeouts import given, published


def embed(embedded: dict[str, Any]) -> None:
    """Make the deadlines in what a message carries along ready to be written, in the message's own mapping.

    A chain's next steps and a chord's body get the canvas's deadline where they have none of their own.

    Raises:
        InvalidDeadline: one of them is none, or has passed.
    """
    canvas = published.of_this_canvas()
    for name in ("callbacks", "errbacks", "chain"):
        if embedded.get(name):
            embedded[name] = _all(embedded[name], canvas if name == "chain" else None)
    if embedded.get("chord"):
        embedded["chord"] = carried(embedded["chord"], canvas)


def with_body(args: Any) -> Any:
    """The arguments of what polls for a chord's parts: the body among them as a part's message carries it."""
    group_id, body, *others = args
    return (group_id, carried(body, published.of_this_canvas()), *others)


def carried(signature: Any, canvas: str | None = None) -> Any:
    """A signature as a message carries it; the same one where there is nothing to change.

    Raises:
        InvalidDeadline: it, or one that it is made of, has a deadline that is none, has passed, or comes
            before its eta.
    """
    if not isinstance(signature, dict):
        return signature
    options, parts = signature.get("options") or {}, _PARTS.get(signature.get("subtask_type") or "", ())
    changed: dict[str, Any] = {}
    own = options.get(published.OPTION)
    if own is not None:
        changed[published.OPTION] = published.forgiven(partial(given.portable, own, options=options)) or own
    elif canvas and not parts:
        changed[published.OPTION] = canvas
    changed |= {name: _all(options[name], None) for name in ("link", "link_error") if options.get(name)}
    changed |= {name: _each(options[name], canvas) for name in ("chain", "chord") if options.get(name)}
    kwargs = signature.get("kwargs") or {}
    inner = canvas if own is None else None
    made_of = {name: _each(kwargs[name], inner) for name in parts if kwargs.get(name)}
    if _same(changed, options) and _same(made_of, kwargs):
        return signature
    return {**signature, "options": {**options, **changed}, "kwargs": {**kwargs, **made_of}}


def check_etas(signature: Any, canvas: str) -> None:
    """Hold the etas of a canvas's members against its deadline; those with one of their own are none of its.

    Raises:
        InvalidDeadline: one of them could never begin.
    """
    if not isinstance(signature, dict):
        return
    options = signature.get("options") or {}
    if options.get(published.OPTION) is not None or canvas == given.INHERIT:
        return
    published.forgiven(partial(given.moment, canvas, options=options))
    kwargs = signature.get("kwargs") or {}
    for part in _PARTS.get(signature.get("subtask_type") or "", ()):
        for each in maybe_list(kwargs.get(part)) or []:
            check_etas(each, canvas)


# Where the signatures are that another one is made of.
_PARTS = {"chain": ("tasks",), "group": ("tasks",), "chord": ("header", "body")}


def _all(signatures: Any, canvas: str | None) -> Any:
    before = maybe_list(signatures)
    made = [carried(each, canvas) for each in before]
    return signatures if all(new is old for new, old in zip(made, before, strict=True)) else made


def _each(one_or_many: Any, canvas: str | None) -> Any:
    return carried(one_or_many, canvas) if isinstance(one_or_many, dict) else _all(one_or_many, canvas)


def _same(changed: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    return all(before.get(name) is value for name, value in changed.items())
