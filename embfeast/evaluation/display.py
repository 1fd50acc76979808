"""How an evaluation shows itself: as Markdown, and in a notebook with each interval drawn.

Words take the notebook's own colour; a verdict's colour is said in words too.
"""

from collections.abc import Sequence
from html import escape

from embfeast.evaluation.row import COLORS, Row

WIDTH, HEIGHT = 160, 14  # pixels of a drawn interval


def table_markdown(
    rows: Sequence[Row], measure: str, verdict: str, caption: str, notes: Sequence[str]
) -> str:
    """Return a verdict and a table that a person reads."""
    others = other_measures(rows, measure)
    head = ["model", "features", measure, "difference to raw", "verdict", *others]
    head += ["numbers", "bytes online", "ms a row"]
    lines = [verdict, "", caption, "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [
        f"| {' | '.join([*_cells(row, others), f'{row.milliseconds:.2f}'])} |" for row in rows
    ]
    return "\n".join(lines + [""] * bool(notes) + [f"- {note}" for note in notes])


def other_measures(rows: Sequence[Row], measure: str) -> list[str]:
    """Return the measures that stand beside the one that sets are ranked by."""
    return [name for name in rows[0].measures if name != measure] if rows else []


def measured(value: float | None) -> str:
    """Return a measure as it is shown."""
    return "—" if value is None else f"{value:.4f}"


def table_html(
    rows: Sequence[Row], measure: str, verdict: str, caption: str, notes: Sequence[str]
) -> str:
    """Return the table as one ``div`` of HTML; all names are escaped."""
    reach = max([abs(end) for row in rows for end in (row.low, row.high)] + [1e-9])
    others = other_measures(rows, measure)
    headings = ["model", "features", measure, "difference to raw", "", "verdict", *others]
    headings += ["numbers"]
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in [*headings, "bytes online"])
    body = "".join(_row(row, others, reach) for row in rows)
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        f"<div><p>{escape(verdict)}</p>"
        f'<table><caption style="text-align:left">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{said}</div>"
    )


def _cells(row: Row, others: Sequence[str]) -> list[str]:
    said = [row.model, row.features, measured(row.score), row.points, row.verdict or "—"]
    said += [measured(row.measures[name]) for name in others]
    return [*said, f"{row.width:,}", f"{row.bytes_online:,}"]


def _row(row: Row, others: Sequence[str], reach: float) -> str:
    cells = [escape(cell) for cell in _cells(row, others)]
    cells.insert(4, _drawn(row, reach) if row.verdict else "")
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _drawn(row: Row, reach: float) -> str:
    low, at, high = (
        WIDTH / 2 * (1 + 0.95 * value / reach) for value in (row.low, row.difference, row.high)
    )
    middle, color = HEIGHT // 2, COLORS[row.verdict]
    return (
        f'<svg aria-hidden="true" width="{WIDTH}" height="{HEIGHT}">'
        f'<path d="M{WIDTH // 2} 0 V{HEIGHT}" stroke="currentColor"/>'
        f'<path d="M{low:.1f} {middle} H{high:.1f}" stroke="{color}" stroke-width="3"/>'
        f'<circle cx="{at:.1f}" cy="{middle}" r="4" fill="{color}"/></svg>'
    )
