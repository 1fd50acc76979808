"""What a fit has read, as the manifest records it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FitRecord:
    """What a fit has read.

    Attributes
    ----------
    as_of : str or None
        Only rows before it were read (ISO 8601, UTC).
    rows : int
        Texts read.
    missing : int
        Missing or blank texts left out, of those before `as_of`.
    first_event, last_event : str or None
        The window of event times.
    rows_digest : str
        SHA-256 over texts, times and labels read.
    labels : int
        Rows whose label was read.
    previous : str or None
        Digest of the earlier fit whose cluster numbers were kept.
    """

    as_of: str | None
    rows: int
    missing: int
    first_event: str | None
    last_event: str | None
    rows_digest: str
    labels: int = 0
    previous: str | None = None
