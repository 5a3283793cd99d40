"""Whatever is nested in whatever: the error names the context whose end came first, and none outlives it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import TimeoutExceeded
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from orchestrator.timeouts.running import table
from tests.unit.timeouts import virtual
from tests.unit.timeouts.trees import (
    AtOnce,
    Caught,
    End,
    InTurn,
    Model,
    Program,
    Sleep,
    Tree,
    WhenCancelled,
    Within,
)

# A larger search, where somebody asks for one.
_EXAMPLES = int(os.environ.get("OMNINODE_TEST_TIMEOUT_EXAMPLES", "120"))

# Eighths: they add up exactly.
_SECONDS = st.integers(1, 80).map(lambda eighths: eighths / 8)
_NAMES = iter(range(10**9))


_DEEPEST = 6
_WHEN_CANCELLED: st.SearchStrategy[WhenCancelled] = st.sampled_from(["ignores", "swallows", "ends", "ends"])


@st.composite
def _trees(draw: st.DrawFn, depth: int = 0, *, plain: bool = False) -> Tree:
    """What is done at once does not ignore that it is cancelled; what is done around it may."""
    kinds = ["sleep"] if depth == _DEEPEST else ["within"] * 4 + ["in turn", "in turn", "at once", "sleep"]
    # A timeout of the outermost one is seen.
    kind = draw(st.sampled_from(kinds if depth else ["within", "in turn"]))
    if kind == "sleep":
        return Sleep(draw(_SECONDS), "ends" if plain else draw(_WHEN_CANCELLED))
    plain = plain or kind == "at once"
    if kind == "within":
        within = Within("", draw(_SECONDS), draw(_trees(depth + 1, plain=plain)))
        return Caught(within) if depth and draw(st.integers(0, 3)) == 0 else within
    parts = tuple(draw(_trees(depth + 1, plain=plain)) for _ in range(draw(st.integers(1, 3))))
    return AtOnce(parts) if kind == "at once" else InTurn(parts)


def _named(tree: Tree, names: Iterator[int]) -> Tree:
    """The tree, with another name for each context."""
    match tree:
        case Sleep():
            return tree
        case Within():
            return Within(f"c{next(names)}", tree.timeout, _named(tree.body, names))
        case Caught():
            return Caught(_named(tree.body, names))
        case InTurn():
            return InTurn(tuple(_named(part, names) for part in tree.parts))
        case AtOnce():
            return AtOnce(tuple(_named(part, names) for part in tree.parts))


@pytest.fixture(scope="module", autouse=True)
def quietly() -> Iterator[None]:
    on_first, table.on_first = table.on_first, None
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    table.on_first = on_first


@settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    _trees(),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.one_of(st.just(1000.0), _SECONDS),
    st.one_of(st.just(1000.0), _SECONDS),
)
def test_the_error_names_the_context_whose_end_came_first_and_none_outlives_it(
    tree: Tree, grace: float, whole: float, cancel_at: float
) -> None:
    tree = _named(tree, iter(range(1000)))
    expected = Model(grace, whole, cancel_at).run(tree, 0.0)
    config = TimeoutConfig(1.0, whole, grace)
    program = Program(TimeoutManager(config))

    found = virtual.run(_ran(program, tree, cancel_at))

    assert (found.at, found.how) == (expected.at, expected.how)
    assert found.named <= expected.named
    if "ignores" not in repr(tree) and "swallows" not in repr(tree):
        assert all(left_at <= ends_at for _, left_at, ends_at in program.ends)
    assert not len(table)
    metrics = program.manager.metrics
    assert metrics["active"] == 0


async def _ran(program: Program, tree: Tree, cancel_at: float) -> End:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(program.run(tree))
    loop.call_at(cancel_at, task.cancel)
    await asyncio.wait([task])
    at = loop.time()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others)
        for other in others:
            other.cancelled() or other.exception()
    if task.cancelled():
        return End(at, "cancelled")
    error = task.exception()
    if error is None:
        return End(at, "ok")
    assert isinstance(error, TimeoutExceeded)
    return End(at, "timeout", frozenset({error.operation}))
