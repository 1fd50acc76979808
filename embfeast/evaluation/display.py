"""How an evaluation shows itself in a notebook: its table, each interval drawn beside its numbers.

Words take the notebook's own colour; a verdict's colour is said in words too.
"""

from html import escape

from embfeast.evaluation.result import COLORS, Evaluation, Row

WIDTH, HEIGHT = 160, 14  # pixels of a drawn interval
HEADINGS = ("model", "features", "difference to raw", "", "verdict", "numbers", "bytes online")


def evaluation_html(found: Evaluation) -> str:
    """Return an evaluation as HTML: one ``div``; all names are escaped."""
    reach = max([abs(end) for row in found.rows for end in (row.low, row.high)] + [1e-9])
    caption = (
        f"{found.texts:,} texts, {found.folds} folds by {escape(found.split)}, {found.scored:,} "
        f"rows scored. Differences in points of {escape(found.measure)}; intervals hold at 95 % "
        f"for all {found.comparisons} comparisons of a model at once."
    )
    headings = [*HEADINGS[:2], found.measure, *HEADINGS[2:]]
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    rows = "".join(_row(row, reach) for row in found.rows)
    notes = "".join(f"<p>{escape(note)}</p>" for note in found.notes)
    return (
        f'<div><table><caption style="text-align:left">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{notes}</div>"
    )


def _row(row: Row, reach: float) -> str:
    apart = "—"
    if row.verdict:
        low, high = 100 * row.low, 100 * row.high
        apart = f"{100 * row.difference:+.2f} [{low:+.2f}, {high:+.2f}]"
    cells = [
        escape(row.model),
        escape(row.features),
        f"{row.score:.4f}",
        apart,
        _drawn(row, reach) if row.verdict else "",
        escape(row.verdict) or "—",
        f"{row.width:,}",
        f"{row.bytes_online:,}",
    ]
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
