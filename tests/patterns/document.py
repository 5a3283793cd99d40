"""What the product's document promises by name: its samples, variables, metrics, keys, arguments and rows."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.pages import blocks

PAGE = "tests/patterns/resilience_patterns.md"

# What its samples call that is Python's own, or the reader's.
_NOT_OURS = {"range", "str", "print", "type", "sleep", "time"}
_OPEN = {"long_running_operation", "operation", "operation_func", "execute_query"}
# Whose the objects of its samples are.
_CLASSES = {
    "kafka_client": "KafkaClient",
    "timeout_manager": "TimeoutManager",
    "performance_monitor": "PerformanceMonitor",
    "metrics": "get_resilience_metrics()",
    "retry_stats": "retry_failed_messages()",
    "self": "KafkaClient",
}


@dataclass(frozen=True)
class Sample:
    """A fenced block: its language (empty where it has none), its text, and the heading that it is under."""

    heading: str
    language: str
    text: str


def samples() -> list[Sample]:
    """All blocks of the document, in its order."""
    text = (Path(__file__).parent / Path(PAGE).name).read_text(encoding="utf-8")
    found, at = [], 0
    for block in blocks(PAGE):
        at = text.index(block.body, at)
        heading = re.findall(r"^#{2,3} (.+)$", text[:at].replace("\n# ", "\n"), re.MULTILINE)[-1]
        found.append(Sample(heading, block.info, block.body))
    return found


def sample(heading: str) -> str:
    """The text of the block under this heading."""
    (text,) = [each.text for each in samples() if each.heading == heading]
    return text


def items() -> list[str]:
    """Everything that has to be proved, as "kind: name"; nothing twice, in the document's order."""
    found = [
        *(f"sample: {each.heading}" for each in samples()),
        *(f"variable: {name}" for name in variables()),
        *(f"metric: {text}" for text in metrics()),
        *(f"key: {path}" for path in keys()),
        *(f"command: {line}" for line in commands()),
        *_calls(),
        *(f"overhead: {row}" for row in overheads()),
        *(f"claim: {claim}" for claim in claims()),
    ]
    # Of what is looked up in what was looked up, the whole is the item.
    return [each for each in dict.fromkeys(found) if not any(other.startswith(f"{each}[") for other in found)]


def kind(item: str) -> str:
    """What an item is: the word before its name."""
    return item.partition(":")[0]


def variables() -> dict[str, str]:
    """The environment variables with the values that the document gives them."""
    lines = sample("Environment Variables").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def metrics() -> list[str]:
    """The metrics with their labels, as they stand there."""
    lines = sample("Prometheus Metrics").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def keys() -> list[str]:
    """The paths of the dashboard's JSON to its values, and each value that a status may have."""
    return list(_paths(json.loads(sample("Dashboard Data")), ""))


def commands() -> list[str]:
    """The lines that are typed to test."""
    return [line for line in sample("Testing").splitlines() if line.startswith("pytest")]


def overheads() -> list[str]:
    """The patterns of the overhead table."""
    text = (Path(__file__).parent / Path(PAGE).name).read_text(encoding="utf-8")
    table = text.partition("### Overhead Analysis")[2].partition("###")[0]
    return re.findall(r"^\| ([A-Z][\w ]+?) \|", table, re.MULTILINE)[1:]


def claims() -> list[str]:
    """What is listed of each pattern: where it is applied, its features, and its configuration."""
    text = (Path(__file__).parent / Path(PAGE).name).read_text(encoding="utf-8")
    patterns = text.partition("## Implemented Patterns")[2].partition("\n## ")[0]
    found = []
    for part in re.split(r"^### ", patterns, flags=re.MULTILINE)[1:]:
        lists = re.findall(r"^\*\*([^*]+)\*\*:\n((?:- .+\n?)+)", part, re.MULTILINE)
        found += [f"{part[0]} {name}: {line[2:]}" for name, body in lists for line in body.splitlines()]
    return found


def _paths(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, f"{path}.{key}" if path else key)
        return
    yield path
    if isinstance(value, str):
        yield from (f"{path}={each}" for each in value.split("|"))


def _calls() -> Iterator[str]:
    for each in samples():
        if each.language == "python":
            for node in ast.walk(ast.parse(_in_a_function(each.text))):
                yield from _promised(node)


def _in_a_function(text: str) -> str:
    return "async def sample():\n" + "".join(f"    {line}\n" for line in text.splitlines())


def _promised(node: ast.AST) -> Iterator[str]:
    """The items in one node of a sample's syntax."""
    if isinstance(node, ast.Call):
        yield from _called(node)
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        if not (isinstance(node.value, ast.Name) and node.value.id not in _CLASSES):
            yield f"result: {_source(node)}"
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        yield f"member: KafkaClient.{node.attr}"
    elif isinstance(node, ast.AsyncFunctionDef) and node.name == "publish_event":
        yield from (f"argument: KafkaClient.publish_event({each.arg})" for each in node.args.args[1:])


def _called(node: ast.Call) -> Iterator[str]:
    name = _source(node.func)
    short = name.rpartition(".")[2]
    if short in _NOT_OURS | _OPEN or name.startswith("KafkaClient._"):
        return
    yield f"call: {name}"
    yield from (f"argument: {name}({each.arg})" for each in node.keywords)


def _source(node: ast.expr) -> str:
    text = ast.unparse(node)
    first, dot, rest = text.partition(".")
    if dot:
        return f"{_CLASSES[first]}.{rest}" if first in _CLASSES else text
    first, bracket, rest = text.partition("[")
    return f"{_CLASSES[first]}{bracket}{rest}" if bracket and first in _CLASSES else text
