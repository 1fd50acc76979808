"""How a recipe shows itself in a notebook: its entries, and what each reads, as a small diagram.

Lines and words take the notebook's own colour, so that they are seen on a light and a dark page.
"""

from collections.abc import Mapping
from html import escape

from embfeast.recipe.settings import PLAIN, RecipeSettings, TrickSettings

BOX, GAP, HEIGHT, STEP = 190, 50, 40, 52  # pixels: width, space between columns, height, row
TEXTS = "texts"


def recipe_html(settings: RecipeSettings, status: str, widths: Mapping[str, int]) -> str:
    """Return a recipe as one ``div``, with the widths of fitted entries; all names are escaped."""
    title = f"<strong>{escape(settings.name)}</strong>, model {escape(str(settings.model))}"
    return f"<div>{title}<br>{status}<br>{_diagram(settings, widths)}</div>"


def _diagram(settings: RecipeSettings, widths: Mapping[str, int]) -> str:
    """Draw a column for each step away from the texts."""
    depths = _depths(settings)
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for name, depth in depths.items():
        row = rows.get(depth, 0)
        rows[depth] = row + 1
        places[name] = (1 + depth * (BOX + GAP), 1 + row * STEP)
    edges = [_edge(places[read], places[name]) for name, read in _reads(settings)]
    boxes = [_box(places[name], *_words(name, settings, widths)) for name in depths]
    width = 2 + (max(depths.values()) + 1) * (BOX + GAP) - GAP
    height = 2 + max(rows.values()) * STEP
    said = "; ".join(f"{name} reads {read}" for name, read in _reads(settings))
    return (
        f'<svg role="img" aria-label="{escape(said)}" viewBox="0 0 {width} {height}" '
        f'style="width:{width}px;max-width:100%;margin-top:6px" fill="none" stroke="currentColor" '
        f'font-family="sans-serif" font-size="12">{"".join(edges + boxes)}</svg>'
    )


def _reads(settings: RecipeSettings) -> list[tuple[str, str]]:
    """Return (entry, what it reads), the sentence vector among the entries."""
    found = [] if PLAIN in settings.tricks else [(PLAIN, TEXTS)]
    for name, entry in settings.tricks.items():
        read = [one for one in entry.reads if one != name] or [TEXTS]
        found += [(name, one) for one in read]
    return found


def _depths(settings: RecipeSettings) -> dict[str, int]:
    """Return how many steps each box is away from the texts, in an order of reading."""
    depths = {TEXTS: 0}
    for name, read in _reads(settings):
        depths[name] = max(depths.get(name, 0), depths.get(read, 0) + 1)
    return depths


def _words(name: str, settings: RecipeSettings, widths: Mapping[str, int]) -> tuple[str, str, str]:
    """Return a box's name, the line below it, and what it says when it is pointed at."""
    entry = settings.tricks.get(name)
    if entry is None:
        said = "" if name == TEXTS else "the sentence vector"
        return name, said, said
    width = widths.get(name, 0)
    numbers = f", {width:,} number{'s' if width > 1 else ''}" if width else ""
    return name, entry.trick + numbers, _settings(entry)


def _settings(entry: TrickSettings) -> str:
    given = ", ".join(f"{key}={value!r:.80}" for key, value in entry.settings.items())
    kept = "" if entry.online else " (not online)"
    return f"{entry.trick}({given}){kept}"


def _box(place: tuple[int, int], name: str, below: str, pointed_at: str) -> str:
    x, y = place
    words = f'fill="currentColor" stroke="none" x="{x + 8}"'
    return (
        f"<g><title>{escape(pointed_at)}</title>"
        f'<rect x="{x}" y="{y}" width="{BOX}" height="{HEIGHT}" rx="4" pointer-events="all"/>'
        f'<text {words} y="{y + 17}" font-weight="bold">{escape(_short(name))}</text>'
        f'<text {words} y="{y + 32}">{escape(_short(below))}</text></g>'
    )


def _short(text: str) -> str:
    return text if len(text) <= 32 else f"{text[:31]}…"


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x, y = start[0] + BOX, start[1] + HEIGHT // 2
    to_x, to_y = end[0], end[1] + HEIGHT // 2
    middle = to_x - GAP // 2
    return f'<path d="M{x} {y} H{middle} V{to_y} H{to_x}" opacity="0.5"/>'
