"""What a check has found, and how to mend it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "warning", "broken"]

UNITS = (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000))


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    check : str
        ``versions``, ``settings``, ``recipe``, ``model``, ``stores``, ``locks``, ``freshness`` or
        ``leftovers``.
    level : {"ok", "warning", "broken"}
        Broken is what keeps fitting, materializing or serving from working.
    found : str
    mend : str
        What to do; empty where all is well.
    """

    check: str
    level: Level
    found: str
    mend: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)


def size(count: float) -> str:
    """Return a number of bytes as people say it.

    Examples
    --------
    >>> size(1_500), size(2_300_000), size(7e9)
    ('1.5 kB', '2.3 MB', '7.0 GB')
    """
    unit, factor = next(
        ((unit, factor) for unit, factor in UNITS if count >= factor), ("kB", 1_000)
    )
    return f"{count / factor:.1f} {unit}"
