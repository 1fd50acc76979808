"""Names of a generated repository: Python variables, Feast's names, literals."""

import keyword
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

from embfeast.plugin.quick_feast import no_type_checks

# Modules and variables of the generated files, which no entity or source may be called.
TAKEN = {"batch", "live", "pairs", "histories", "fitted", "Path", "Entity", "ValueType"}
TAKEN |= {"entities", "sources", "views", "services", "DuckDBSource"}
MOST = 40
LONGEST = 60  # of a name that is printed
# Endings of words that are no plural, or whose singular nobody says (datum); the shortest singular.
SINGULAR, LEAST = ("ss", "us", "is", "a"), 3


def name_of(given: str, otherwise: str = "text") -> str:
    """Turn any name into one that is valid in Python, Feast and a recipe.

    Examples
    --------
    >>> name_of("Café Reviews (2024)"), name_of("2024"), name_of("class"), name_of("評価")
    ('cafe_reviews_2024', 'text_2024', 'class_text', 'text')
    """
    plain = unicodedata.normalize("NFKD", given).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:MOST].strip("_")
    if not name:
        return otherwise
    if name[0].isdigit():
        name = f"{otherwise}_{name}"
    return f"{name}_{otherwise}" if keyword.iskeyword(name) or name in TAKEN else name


def shown(name: str) -> str:
    """Return a column's name as a person can read it in a line.

    Examples
    --------
    >>> shown("body"), len(shown("How satisfied are you with the answer? " * 3))
    ('body', 60)
    """
    line = " ".join(name.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def singular(name: str) -> str:
    """Return the name of one thing of a table, whose last word is perhaps a plural of English.

    Examples
    --------
    >>> singular("shop_reviews"), singular("movies"), singular("people"), singular("news_status")
    ('shop_review', 'movie', 'person', 'news_status')
    """
    before, between, word = name.rpartition("_")
    one = "" if word.endswith(SINGULAR) else str(_english().singular_noun(word) or "")
    return before + between + one if len(one) >= LEAST else name


@cache
def _english() -> Any:
    with no_type_checks():  # else its import takes seconds
        import inflect
    return inflect.engine()


def entity_name(key: str) -> str:
    """Return what a key column is the key of.

    Examples
    --------
    >>> entity_name("shop_id"), entity_name("order_no"), entity_name("id")
    ('shop', 'order_no', 'id_text')
    """
    name = name_of(key)
    return name_of(name.removesuffix("_id")) if name != "id" else "id_text"


def unique(names: Sequence[str]) -> list[str]:
    """Give names that come twice a number.

    Examples
    --------
    >>> unique(["shop", "shop", "order"])
    ['shop', 'shop_2', 'order']
    """
    made: list[str] = []
    for name in names:
        same = sum(name == other or other.startswith(f"{name}_") for other in made)
        made.append(f"{name}_{same + 1}" if name in made else name)
    return made


def python_literal(text: str) -> str:
    r"""Return a string as it stands in Python, quoted as formatters do.

    Examples
    --------
    >>> print(python_literal("body"), python_literal('say "x"'), python_literal("it's"))
    "body" 'say "x"' "it's"
    """
    lines = text.splitlines()
    if len(lines) > 1 and _plain(text):
        return f'"""\n{text.strip()}\n"""'
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = (repr(letter)[1:-1] for letter in text)
    return quote + "".join(escaped).replace(quote, f"\\{quote}") + quote


def _plain(text: str) -> bool:
    """Tell whether a text can stand between triple quotes as it is."""
    readable = all(letter.isprintable() or letter == "\n" for letter in text)
    return readable and "\\" not in text and '"""' not in text and not text.endswith('"')
