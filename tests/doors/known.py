"""The small repository as a loop over its rows knows it."""

from datetime import datetime
from typing import Any

from tests.doors.values import whole_number
from tests.small_repository import sample_rows

FEATURE = "review_reduced:reduced"


class Known:
    """By key its revisions in order of time: event time and the reduced vector."""

    def __init__(self, fitted: Any) -> None:
        self.revisions: dict[int, list[tuple[datetime, Any]]] = {}
        for key, title, body, event, _ in sorted(sample_rows(), key=lambda row: row[3]):
            text = "\n".join(part for part in (title, body) if part and part.strip()) or None
            vector = fitted.values([text], entries=["reduced"])["reduced"][0]
            self.revisions.setdefault(key, []).append((event.to_pydatetime(), vector))

    def __repr__(self) -> str:
        return "Known"

    def at(self, key: Any, time: datetime) -> Any:
        """Return what was true of a key at a time."""
        found = None
        for event, vector in self.revisions.get(whole_number(key), []):
            if event <= time:
                found = vector
        return found

    def newest(self, key: Any) -> Any:
        """Return what is true of a key now."""
        return self.at(key, datetime.max.replace(tzinfo=self.revisions[0][0][0].tzinfo))
