"""What a producer meant to send and what it knows to be sent, in a file that survives its death."""

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any


class Intents:
    """One producer's file: a line before each attempt, and one after the broker has taken it."""

    def __init__(self, folder: Path, producer: int) -> None:
        self._path = folder / f"producer-{producer}.jsonl"
        self.attempts: Counter[int] = Counter()
        self.intended_at: dict[tuple[int, int], float] = {}
        self.confirmed: dict[int, int] = {}
        for line in self._path.read_text().splitlines() if self._path.exists() else ():
            self._take(json.loads(line))

    def intend(self, index: int) -> int:
        """Note a new attempt to send the message; returns its number."""
        self._note({"intent": index, "at": time.time()})
        return self.attempts[index]

    def confirm(self, index: int, attempt: int) -> None:
        """Note that this attempt has succeeded."""
        self._note({"confirmed": index, "attempt": attempt})

    def _note(self, record: dict[str, Any]) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, json.dumps(record).encode() + b"\n")
        finally:
            os.close(descriptor)
        self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        if "intent" in record:
            self.attempts[record["intent"]] += 1
            self.intended_at[record["intent"], self.attempts[record["intent"]]] = record["at"]
        else:
            self.confirmed[record["confirmed"]] = record["attempt"]
