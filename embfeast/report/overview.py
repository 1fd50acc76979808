"""What stands on top: the health of everything at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from embfeast.evaluation import Evaluation
from embfeast.report.sample import ReportSample
from embfeast.report.sections.helps import summary
from embfeast.repository.check.finding import Finding

State = Literal["good", "bad", "plain"]


@dataclass(frozen=True)
class Card:
    """One fact of the summary."""

    name: str
    value: str
    detail: str
    state: State = "plain"


def overview(
    sample: ReportSample,
    findings: Sequence[Finding],
    why_not: str,
    evaluation: Evaluation | None,
    why_no_score: str = "",
) -> list[Card]:
    """Return the facts of the summary, in order; it says why stored features or scores lack."""
    fitted = sample.fitted
    made = f"{len(fitted.settings.tricks)} entries, fitted on {fitted.record.rows:,} texts"
    return [
        _texts(sample),
        _period(sample),
        Card("Recipe", fitted.digest[:12], made),
        _parity(findings, why_not),
        _freshness(findings, why_not),
        _help(evaluation, why_no_score),
    ]


def _texts(sample: ReportSample) -> Card:
    missing = sample.source.missing
    lacking = f"{missing:,} missing or blank" if missing else "none missing"
    detail = f"{len(sample.texts):,} looked at, {lacking}"
    return Card("Texts", f"{sample.source.rows:,}", detail)


def _period(sample: ReportSample) -> Card:
    first, last = sample.source.first, sample.source.last
    if first is None or last is None:
        return Card("Period", "—", "")
    days = (last - first).days + 1
    counted = f"{days:,} day{'s' * (days != 1)}"
    return Card("Period", counted, f"{first:%Y-%m-%d} to {last:%Y-%m-%d}")


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
    fresh = [finding for finding in findings if finding.check == "freshness"]
    if why_not or not fresh:
        return Card("Freshness", "not known", "nothing is materialized")
    late = [finding for finding in fresh if not finding.ok]
    if late:
        return Card("Freshness", "behind", late[0].detail, "bad")
    return Card("Freshness", "up to date", "every text has its features", "good")


def _help(evaluation: Evaluation | None, why_not: str) -> Card:
    if evaluation is None:
        return Card("What helps", "not measured", why_not)
    sets = [row for row in evaluation.rows if row.verdict and not row.is_baseline]
    good = [row for row in sets if row.verdict == "helps"]
    return Card(
        "What helps",
        f"{len(good)} of {len(sets)} sets" if good else "raw is enough",
        summary(evaluation),
        "good" if good else "plain",
    )
