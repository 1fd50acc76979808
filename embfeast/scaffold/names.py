"""Names of a generated repository: Python variables, Feast's names, literals."""

import keyword
import re
import unicodedata
from collections.abc import Sequence

# Modules and variables of the generated files, which no entity or source may be called.
TAKEN = {"batch", "live", "pairs", "fitted", "entities", "sources", "views", "services"}
TAKEN |= {"Path", "Entity", "ValueType", "DuckDBSource"}
MOST = 40
LONGEST = 60  # of a name that is printed


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
    """Return the name of one thing of a table.

    Examples
    --------
    >>> singular("reviews"), singular("replies"), singular("boxes"), singular("news_status")
    ('review', 'reply', 'box', 'news_status')
    """
    for ending, one in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch")):
        if name.endswith(ending) and len(name) > len(ending) + 1:
            return name.removesuffix(ending) + one
    plural = name.endswith("s") and not name.endswith(("ss", "us", "is", "news"))
    return name[:-1] if plural and len(name) > 3 else name


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
