"""Whatever is nested in whatever: the error names the context whose end came first, and none outlives it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import TimeoutExceeded
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from orchestrator.timeouts.running import table
from tests.unit.timeouts import virtual
from tests.unit.timeouts.trees import AtOnce, Caught, End, InTurn, Model, Program, Sleep, Tree, Within

# A larger search, where somebody asks for one.
_EXAMPLES = int(os.environ.get("OMNINODE_TEST_TIMEOUT_EXAMPLES", "300"))

# Eighths: they add up exactly.
_SECONDS = st.integers(1, 80).map(lambda eighths: eighths / 8)
_NAMES = iter(range(10**9))


def _sleeps(*when_cancelled: str) -> st.SearchStrategy[Tree]:
    return st.builds(Sleep, _SECONDS, st.sampled_from(when_cancelled))


def _nested(inner: st.SearchStrategy[Tree], **more: Any) -> st.SearchStrategy[Tree]:
    several = st.lists(inner, min_size=1, max_size=4).map(tuple)
    within = st.builds(lambda timeout, body: Within("", timeout, body), _SECONDS, inner)
    return st.one_of(within, within, st.builds(InTurn, several), st.builds(Caught, inner), *more.values())


def _at_once(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.builds(AtOnce, st.lists(inner, min_size=1, max_size=3).map(tuple))


# What is done at once does not ignore that it is cancelled; what is done around it, before or after may.
_PLAIN = st.recursive(_sleeps("ends"), lambda inner: _nested(inner, at_once=_at_once(inner)), max_leaves=8)
_TREES = st.recursive(
    st.one_of(_sleeps("ends", "swallows", "ignores"), _at_once(_PLAIN)), _nested, max_leaves=8
)


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
    _TREES,
    st.sampled_from([0.0, 0.5, 3.0]),
    st.one_of(st.just(1000.0), _SECONDS),
    st.one_of(st.just(1000.0), _SECONDS),
)
def test_the_error_names_the_context_whose_end_came_first_and_none_outlives_it(
    tree: Tree, grace: float, whole: float, cancel_at: float
) -> None:
    tree = Within("outermost", 1000.0, tree) if cancel_at == 10 else tree
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
