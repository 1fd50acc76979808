"""In which encoding a file is written: UTF-8 where it reads so, else the likeliest one."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from charset_normalizer import from_bytes

from embfeast.errors import EmbfeastError

BLOCK = 1 << 20
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Where odd letters stand among plain ones, the commonest first: neighbours read alike.
LATIN = ["cp1252", "cp1250", "mac_roman", "cp850"]
OTHERS = ["cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp932", "euc_jp", "gb18030", "cp949"]
OTHERS += ["big5", "utf_16_le", "utf_16_be"]
PUNCTUATION = set("\u00a0€£¥©®°§«»¿¡–—‘’‚“”„…•·´×½¼²³ªº™、。「」！？，：；（）")
SAMPLE = 1 << 16


def as_utf8(file: Path, encoding: str | None, folder: Path) -> tuple[Path, str]:
    """Return a file that DuckDB can read, and a line on the encoding where it is not UTF-8."""
    found, note = (_known(file, encoding), "") if encoding else _find(file)
    if codecs.lookup(found).name == "utf-8":
        return file, note
    written = folder / f"utf8{''.join(Path(file.name.lower().removesuffix('.gz')).suffixes[-1:])}"
    line = 1
    try:
        decoder = codecs.getincrementaldecoder(found)()
        with written.open("w", encoding="utf-8", newline="") as stream:
            for block in _blocks(file):
                text = decoder.decode(block)
                stream.write(text)
                line += text.count("\n")
            stream.write(decoder.decode(b"", final=True))
    except UnicodeError as error:
        raise EmbfeastError(
            f"{file} is not in {found}: about line {line} cannot be decoded; say --encoding"
        ) from error
    return written, note


def open_bytes(file: Path) -> IO[bytes]:
    """Open a file, unpacked where its name ends in ``.gz``."""
    return gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb")  # type: ignore[return-value]


def _blocks(file: Path) -> Iterator[bytes]:
    try:
        with open_bytes(file) as stream:
            while block := stream.read(BLOCK):
                yield block
    except (OSError, EOFError, zlib.error) as error:
        raise EmbfeastError(f"{file} cannot be read: {error}") from error


def _known(file: Path, encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise EmbfeastError(
            f"{file}: unknown encoding {encoding!r}; say utf-8, utf-16, cp1252, or another that "
            "Python knows"
        ) from error


def _find(file: Path) -> tuple[str, str]:
    start = next(_blocks(file), b"")
    for mark, marked in MARKS.items():
        if start.startswith(mark):
            return marked, "" if marked == "utf-8-sig" else f"the file is in {marked}"
    sample = _not_utf8(file)
    if sample is None:
        return "utf-8", ""
    nulls = [sample[side::2].count(0) for side in (0, 1)]
    if max(nulls) > len(sample) / 8:  # a half of most letters in UTF-16
        wide = "utf_16_le" if nulls[1] > nulls[0] else "utf_16_be"
        return wide, f"the file is taken to be in {wide}; if that is wrong, say --encoding"
    if sum(nulls):
        raise EmbfeastError(f"{file} holds NUL bytes, which no text has: name its --encoding")
    # Plain letters say nothing, and drown the few that do.
    sample = b"\n".join(line for line in sample.split(b"\n") if not line.isascii())[:SAMPLE]
    _refuse_nearly_utf8(file, sample)
    if (name := _likeliest(sample)) is None:
        raise EmbfeastError(f"{file}: its encoding cannot be told; name it with --encoding")
    letters = dict.fromkeys(c for c in sample.decode(name, "ignore") if not c.isascii())
    seen = ", ".join(list(letters)[:8])
    return name, f"the file is taken to be in {name} (it has {seen}); if wrong, say --encoding"


def _likeliest(sample: bytes) -> str | None:
    """Return the encoding that gives letters as people write them, or None where several do."""
    runs = re.findall(rb"[\x80-\xff]+", sample)
    if sum(map(len, runs)) < 2 * len(runs):  # alone among plain letters
        found = [match.encoding for match in from_bytes(sample, cp_isolation=LATIN)]
        likely = [name for name in LATIN if _plausible(_decoded(sample, name))]
        # Of encodings that read alike only one is returned.
        alike = {_decoded(sample, name) for name in found}
        return next((n for n in likely if _decoded(sample, n) in alike), next(iter(likely), None))
    for name in ("cp932", "euc_jp"):  # no other script looks like hiragana
        text = _decoded(sample, name)
        kana = sum("\u3041" <= letter <= "\u309f" for letter in text)
        if kana > 0.15 * sum(not letter.isascii() for letter in text) and _plausible(text):
            return name
    words = b"\n".join(re.findall(rb"[^\x00-\x40]*[\x80-\xff][^\x00-\x40]*", sample))
    matches = [
        (match.chaos, -match.coherence, match.encoding)
        for match in from_bytes(words, cp_isolation=OTHERS)
        if _plausible(_decoded(sample, match.encoding))
    ]
    best = sorted(matches)[:2]
    return best[0][2] if (best and best[0][:2] != best[-1][:2]) or len(best) == 1 else None


def _decoded(sample: bytes, name: str) -> str:
    """Return a sample's text, which may end amid a letter; nothing where it has none."""
    try:
        return codecs.getincrementaldecoder(name)().decode(sample)
    except UnicodeDecodeError:
        return ""


def _plausible(text: str) -> bool:
    odd = {letter for letter in text if not letter.isascii()}
    if not odd or any("\uff61" <= letter <= "\uff9f" for letter in odd):
        return False
    shout = any(word[0].islower() and any(c in odd and c.isupper() for c in word[1:])
                for word in re.findall(r"\w+", text))  # fmt: skip
    return not shout and all(letter.isalpha() or letter in PUNCTUATION for letter in odd)


def _not_utf8(file: Path) -> bytes | None:
    """Return the first block that is no text in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    block = b""
    try:
        for block in _blocks(file):
            decoder.decode(block)
            if b"\0" in block:
                return block
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return block
    return None


def _refuse_nearly_utf8(file: Path, sample: bytes) -> None:
    """Refuse a file that is UTF-8 but for some bytes: no other encoding reads it right."""
    text = sample.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    if sum(not c.isascii() for c in text) - wrong > wrong:
        first = re.search(".{0,20}\ufffd.{0,20}", text)
        raise EmbfeastError(
            f"{file} is UTF-8 but for some bytes, as if cut or put together of two files; the "
            f"first is near {first and first[0]!r}: mend it, or say --encoding"
        )
