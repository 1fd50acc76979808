"""What stands on top: the health of everything at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from embfeast.evaluation import Evaluation
from embfeast.plugin.verify import Finding
from embfeast.report.helps import summary
from embfeast.report.sample import Sample

State = Literal["good", "bad", "plain"]


@dataclass(frozen=True)
class Card:
    """One fact of the summary.

    Attributes
    ----------
    name, value, detail : str
    state : {"good", "bad", "plain"}
    """

    name: str
    value: str
    detail: str
    state: State = "plain"


def overview(
    sample: Sample, findings: Sequence[Finding], why_not: str, found: Evaluation | None
) -> list[Card]:
    """Return the facts of the summary, in order."""
    return [
        _texts(sample),
        _period(sample),
        Card(
            "Recipe",
            sample.fitted.digest[:12],
            f"{len(sample.fitted.settings.tricks)} entries, fitted on "
            f"{sample.fitted.record.rows:,} texts",
        ),
        _parity(findings, why_not),
        _freshness(findings, why_not),
        _help(sample, found),
    ]


def _texts(sample: Sample) -> Card:
    missing = sample.source.missing
    return Card(
        "Texts",
        f"{sample.source.rows:,}",
        f"{len(sample.texts):,} looked at, "
        + (f"{missing:,} missing or blank" if missing else "none missing"),
    )


def _period(sample: Sample) -> Card:
    first, last = sample.source.first, sample.source.last
    if first is None or last is None:
        return Card("Period", "—", "")
    days = (last - first).days + 1
    return Card(
        "Period", f"{days:,} day{'s' * (days != 1)}", f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    )


def _parity(findings: Sequence[Finding], why_not: str) -> Card:
    if why_not:
        return Card("Parity", "not checked", why_not)
    breaches = [finding for finding in findings if not finding.ok]
    if breaches:
        return Card(
            "Parity", f"{len(breaches)} breaches", f"of {len(findings)} checks; see below", "bad"
        )
    return Card("Parity", "holds", f"{len(findings)} checks: offline = online = recomputed", "good")


def _freshness(findings: Sequence[Finding], why_not: str) -> Card:
    own = [finding for finding in findings if finding.check == "freshness"]
    if why_not or not own:
        return Card("Freshness", "not known", "nothing is materialized")
    late = [finding for finding in own if not finding.ok]
    if late:
        return Card("Freshness", "behind", late[0].detail, "bad")
    return Card("Freshness", "up to date", "every text has its features", "good")


def _help(sample: Sample, found: Evaluation | None) -> Card:
    if found is None:
        return Card("What helps", "not measured", "there is no label, or it was left out")
    good = [row for row in found.rows if row.verdict == "helps"]
    return Card(
        "What helps",
        f"{len(good)} of {found.comparisons} sets" if good else "raw is enough",
        summary(found),
        "good" if good else "plain",
    )
