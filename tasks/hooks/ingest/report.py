"""What an ingest did, in figures."""

from dataclasses import dataclass


@dataclass
class Report:
    """`read` is lines that are not blank, `refused` those of them that are no hooks.

    `new` are deliveries that PostgreSQL did not know, `duplicates` the other ones that were sent.
    `processed`, `unhandled` and `failed` are what became of them, `unsettled` are those nobody waited for.
    """

    read: int = 0
    refused: int = 0
    sent: int = 0
    new: int = 0
    duplicates: int = 0
    processed: int = 0
    unhandled: int = 0
    failed: int = 0
    unsettled: int = 0
    last_line: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether no line was refused and no hook failed."""
        return not self.refused and not self.failed

    def sentence(self) -> str:
        """The figures for a person."""
        settled = f"{self.processed:,} processed, {self.unhandled:,} unhandled, {self.failed:,} failed"
        waiting = f", {self.unsettled:,} not settled yet" if self.unsettled else ""
        rate = f" ({self.sent / self.seconds:,.0f}/s)" if self.seconds else ""
        return (
            f"{self.read:,} read, {self.refused:,} refused, {self.sent:,} sent: {self.new:,} new, "
            f"{self.duplicates:,} known already; {settled}{waiting}; {self.seconds:.1f} s{rate}"
        )
