"""Texts as the encoder takes them: whole strings, each known by its digest."""

import hashlib
from collections.abc import Sequence

from embfeast.errors import EmbfeastError


def sha256(text: str) -> bytes:
    """Return what a text is known by in the cache, 32 bytes."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def checked(texts: Sequence[str]) -> list[str]:
    """Return texts by position: a pandas Series would be asked by its index."""
    if isinstance(texts, str):
        raise EmbfeastError("encode takes a list of texts, got one string; write encode([text])")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            what = "missing" if text is None else f"a {type(text).__name__}"
            raise EmbfeastError(
                f"text {row} is {what}, not a string; leave missing texts out, or use "
                "FittedRecipe.transform, which gives them null features"
            )
    return list(texts)


def clean(text: str) -> str:
    """Return a text without what no tokenizer can take."""
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, which the tokenizer cannot take
        return text.encode(errors="replace").decode()
    return text
