"""In which scripts texts are written: what tells most languages apart without a model."""

import unicodedata
from collections import Counter
from collections.abc import Iterable

# The Unicode Character Database names a letter by its script first.
WRITTEN_AS = {"CJK": "HAN", "HIRAGANA": "KANA", "KATAKANA": "KANA", "KATAKANA-HIRAGANA": "KANA"}
# Letters of a text that are looked at.
LETTERS = 500


def scripts(texts: Iterable[str]) -> dict[str, float]:
    """Return the share of texts by the script that most of their letters are of, falling.

    Texts without letters are left out.

    Examples
    --------
    >>> scripts(["Where is my parcel?", "Où est mon colis ?", "Где моя посылка?", "123"])
    {'latin': 0.66..., 'cyrillic': 0.33...}
    >>> scripts(["荷物はどこですか"])
    {'kana': 1.0}
    """
    found = Counter(script for text in texts if (script := _script(text)))
    whole = found.total()
    return {script.lower(): count / whole for script, count in found.most_common()}


def _script(text: str) -> str | None:
    letters = (letter for letter in text[: 2 * LETTERS] if letter.isalpha())
    names = Counter(unicodedata.name(letter, "").split(" ")[0] for letter in letters)
    found = Counter[str]()
    for name, count in names.items():
        found[WRITTEN_AS.get(name, name)] += count
    # Japanese writes both.
    if found["KANA"]:
        found["KANA"] += found.pop("HAN", 0)
    return found.most_common(1)[0][0] if found.total() else None
