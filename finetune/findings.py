"""What checking found in training data: for the terminal, for the rejects file, and which rows are left."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from finetune.data import Rows
from naru.files import publish
from naru.records import Bad


def counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


@dataclass(frozen=True)
class Finding:
    """Something about rows of one data set. `bad` rows cannot be trained on; others are only worth knowing."""

    data: str
    what: str
    rows: Sequence[int]
    places: Sequence[str]  # of the first few
    bad: bool
    made: bool  # the rows are weak pairs, made by rule: they are left out without a word from the user
    unread: int = 0  # rows that are in the file alone

    @property
    def count(self) -> int:
        return len(self.rows) or self.unread

    def said(self) -> str:
        """ "faq.csv:3, faq.csv:9 (2 rows): document is empty"."""
        if not self.count:
            return f"{self.data}: {self.what}"
        more = ", ..." if self.count > len(self.places) else ""
        return f"{', '.join(self.places)}{more} ({counted(self.count)}): {self.what}"


@dataclass(frozen=True)
class Findings:
    """All that was found; `rows` are the data sets it was found in, `unread` what could not be read of them, by name."""

    found: Sequence[Finding]
    rows: Mapping[str, Rows]
    unread: Mapping[str, Sequence[Bad]] = field(default_factory=dict)

    @property
    def errors(self) -> list[Finding]:
        """Bad rows in what people wrote."""
        return [finding for finding in self.found if finding.bad and not finding.made]

    def table(self) -> Table:
        """For the terminal: one line a finding."""
        table = Table("data", "found", "rows", "where", title="Checked before training")
        for one in self.found:
            what = one.what if one.bad else f"{one.what} (only a remark)"
            count = f"{one.count:,}" if one.count else ""
            table.add_row(*map(Text, (one.data, what, count, "\n".join(one.places))))
        return table

    def without_bad(self, rows: Rows) -> Rows:
        """The rows that can be trained on; the notes of weak pairs say how many were left out."""
        bad = self._bad(rows.name)
        out = len(bad) + len(self.unread.get(rows.name, ()))
        if not out:
            return rows
        kept = rows.take([row for row in range(len(rows)) if row not in bad]) if bad else rows
        return replace(kept, notes=[*rows.notes, f"{counted(out)} left out"])

    def write_rejects(self, path: Path) -> None:
        """One JSON object a bad row that people wrote: place, reason, row."""
        rejects: list[dict[str, Any]] = [
            {"place": bad.place, "reason": bad.reason, "row": bad.raw}
            for unread in self.unread.values()
            for bad in unread
        ]
        rejects += [
            {
                "place": rows.places[row],
                "reason": "; ".join(reasons),
                "row": {key: _plain(value) for key, value in rows.dataset[row].items()},
            }
            for name, rows in self.rows.items()
            if not rows.made
            for row, reasons in sorted(self._bad(name).items())
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        publish(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rejects))

    def _bad(self, name: str) -> dict[int, list[str]]:
        reasons: dict[int, list[str]] = {}
        for finding in self.found:
            if finding.bad and finding.data == name:
                for row in finding.rows:
                    reasons.setdefault(row, []).append(finding.what)
        return reasons


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
