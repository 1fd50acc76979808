"""What a check has found, and how to mend it."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    check : str
        Name of the check, such as ``recipe`` or ``freshness``.
    level : {"ok", "warning", "broken"}
        Broken is what keeps fitting, materializing or serving from working, or a broken promise.
    found : str
    mend : str
        What to do; empty where all is well.
    view : str
        Empty where the check is about the whole repository.
    """

    check: str
    level: Level
    found: str
    mend: str = ""
    view: str = ""

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return self.level == "ok"

    @property
    def detail(self) -> str:
        """What was found and how to mend it, in one sentence."""
        return f"{self.found}; {self.mend}" if self.mend else self.found
