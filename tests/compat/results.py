"""What pytest says of one side's tests, read from JUnit's XML and kept as one file that can be read again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
# In place of its tests, where pytest has left no report.
PYTEST_ITSELF = "pytest itself"


@dataclass(frozen=True)
class Ending:
    """How one test ended; `says` is the first line of why it did not pass."""

    outcome: str
    seconds: float
    says: str = ""


@dataclass
class Results:
    """Of one side: `tests` by file and name, and `reruns` by file: how often a test had to run again."""

    tests: dict[tuple[str, str], Ending] = field(default_factory=dict)
    reruns: dict[str, int] = field(default_factory=dict)

    def add(self, file: str, report: Path, log: Path) -> None:
        """Add what pytest has left of one file."""
        printed = log.read_text(errors="replace")
        self.reruns[file] = len(re.findall(r"^RERUN ", printed, re.MULTILINE))
        if report.exists():
            self._read(report)
        else:
            *_, last = ["it said nothing", *printed.strip().splitlines()]
            self.tests[file, PYTEST_ITSELF] = Ending(FAILED, 0.0, last)

    def write(self, path: Path) -> None:
        """Keep them: a JUnit file whose suites are the files of tests."""
        root = ET.Element("testsuites")
        for file in sorted({file for file, _ in self.tests}):
            of_file = {name: test for (place, name), test in self.tests.items() if place == file}
            suite = ET.SubElement(root, "testsuite", name=file, tests=str(len(of_file)))
            properties = ET.SubElement(suite, "properties")
            ET.SubElement(properties, "property", name="reruns", value=str(self.reruns.get(file, 0)))
            for name, test in of_file.items():
                suite.append(_element(file, name, test))
        path.parent.mkdir(parents=True, exist_ok=True)
        ET.ElementTree(root).write(path, encoding="unicode", xml_declaration=True)

    @classmethod
    def read(cls, path: Path) -> Results:
        """What was kept.

        Raises:
            OSError: it cannot be read.
            ParseError: it is not XML.
        """
        found = cls()
        found._read(path)
        return found

    def _read(self, path: Path) -> None:
        for suite in ET.parse(path).getroot().iter("testsuite"):  # noqa: S314 (written by pytest here)
            for case in suite.iter("testcase"):
                file, name = _names(case)
                test = _ending(case)
                known = self.tests.get((file, name))
                # A test that passes and whose end fails is there twice.
                if known is None or known.outcome != FAILED:
                    self.tests[file, name] = test
            for each in suite.iter("property"):
                if each.get("name") == "reruns":
                    self.reruns[suite.get("name", "")] = int(each.get("value", "0"))


def _names(case: ET.Element) -> tuple[str, str]:
    """`t.integration.test_canvas.test_chain` and `test_simple` → file, and the name within it."""
    *_, file, within = re.split(r"(test_\w+)", case.get("classname", ""), maxsplit=1)
    return f"{file}.py", f"{within.lstrip('.')}.{case.get('name')}".lstrip(".")


def _ending(case: ET.Element) -> Ending:
    seconds = float(case.get("time", "0"))
    for tag, outcome in (("failure", FAILED), ("error", FAILED), ("skipped", SKIPPED)):
        found = case.find(tag)
        if found is not None:
            says = (found.get("message") or "").strip().partition("\n")[0]
            return Ending(outcome, seconds, says)
    return Ending(PASSED, seconds)


def _element(file: str, name: str, test: Ending) -> ET.Element:
    within, _, own = name.rpartition(".") if "[" not in name else _before_parameters(name)
    classname = ".".join(part for part in ("t.integration", file.removesuffix(".py"), within) if part)
    case = ET.Element("testcase", classname=classname, name=own, time=f"{test.seconds:.3f}")
    if test.outcome != PASSED:
        tag = "failure" if test.outcome == FAILED else "skipped"
        ET.SubElement(case, tag, message=test.says)
    return case


def _before_parameters(name: str) -> tuple[str, str, str]:
    head, bracket, parameters = name.partition("[")
    within, dot, own = head.rpartition(".")
    return within, dot, own + bracket + parameters
