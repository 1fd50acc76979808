"""The page: cards, sections and figures put into one HTML file that needs no network."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import altair
import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from embfeast.report.overview import Card
from embfeast.report.section import Figure, Section, Table

LONG = 40  # characters of a cell


@dataclass(frozen=True)
class Page:
    """What the page shows; the recipe as YAML, and first of all the evaluation's verdict."""

    title: str
    made: str
    cards: Sequence[Card]
    sections: Sequence[Section]
    recipe: str
    verdict: str = ""


def render(page: Page) -> str:
    """Return the page as HTML.

    All that users wrote is escaped: in the text by jinja, in scripts as JSON without ``<``. The
    page's own policy (CSP) lets nothing be fetched.
    """
    environment = Environment(
        loader=PackageLoader("embfeast.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests |= {"figure": _is_figure, "number": _is_number, "wide": _is_wide}
    environment.filters |= {"anchor": anchor, "shown": _shown}
    template = environment.get_template("report.html")
    made = template.render(
        page=page,
        style=_own("style.css"),
        script=_own("figures.js"),
        vega=Markup(_vega()),  # noqa: S704 - not the user's
        config=json.loads(_own("figures.json")),
    )
    return made.lstrip()  # what the macros leave before the first line


def anchor(title: str) -> str:
    """Return a title as the page's own address of its section.

    Examples
    --------
    >>> anchor("Which tricks help")
    'which-tricks-help'
    """
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def _own(name: str) -> Markup:
    text = (files("embfeast.report") / "templates" / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - not the user's


def _vega() -> str:
    """Return Vega's JavaScript, of the version whose specs altair writes: 6.4 of v6.4.1."""
    version = ".".join(altair.VEGALITE_VERSION.removeprefix("v").split(".")[:2])
    return str(vl_convert.javascript_bundle(vl_version=version))  # type: ignore[call-arg]


def _is_figure(part: Figure | Table) -> bool:
    return isinstance(part, Figure)


def _is_wide(table: Table) -> bool:
    """Tell whether a table has texts or lists that a narrow screen would cut."""
    cells = [cell for row in table.rows for cell in row if not _is_number(cell)]
    return any(not isinstance(cell, str) or len(cell) > LONG for cell in cells)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 0
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # no "-0"
