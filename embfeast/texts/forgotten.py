"""Keys that were erased for good: no text of theirs is read again while they are listed.

A file of the repository lists them, each as a salted hash of its values.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from embfeast.texts.database import literal, quote

FILE = Path("data") / "forgotten.json"
# Between the values of a key of several columns.
BETWEEN = "\x1f"
# Their whole numbers are keys: 3.0 is 3.
FRACTION_TYPES = {"FLOAT", "DOUBLE", "DECIMAL"}


class ForgottenKeys:
    """The erased keys of a feature repository.

    Parameters
    ----------
    repo : Path
        The feature repository.
    """

    def __init__(self, repo: Path | str | None) -> None:
        self.file = Path(repo or ".") / FILE

    def add(self, key: Mapping[str, Any]) -> None:
        """List a key, by the values that its columns have in the text source."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.file.with_suffix(".lock")):
            listed = self._listed() or {"salt": secrets.token_hex(16), "keys": {}}
            hashes = listed["keys"].setdefault(BETWEEN.join(sorted(key)), [])
            hashes.append(_hash(listed["salt"], key))
            half = self.file.with_suffix(".tmp")
            half.write_text(json.dumps(listed), encoding="ascii")
            half.replace(self.file)

    def holds(self, key: Mapping[str, Any]) -> bool:
        """Tell whether a key is listed."""
        listed = self._listed()
        hashes = listed.get("keys", {}).get(BETWEEN.join(sorted(key)), [])
        return bool(hashes) and _hash(listed["salt"], key) in hashes

    def without(self, columns: Mapping[str, str]) -> str:
        """Return the SQL condition of rows whose key is not listed; by name, their types."""
        listed = self._listed()
        conditions = ["true"]
        for joined, hashes in listed.get("keys", {}).items():
            names = joined.split(BETWEEN)
            if set(names) <= set(columns):
                cells = (_text(name, columns[name]) for name in names)
                told = f" || {literal(BETWEEN)} || ".join([literal(listed["salt"]), *cells])
                among = ", ".join(map(literal, hashes))
                conditions.append(f"coalesce(sha256({told}) NOT IN ({among}), true)")
        return " AND ".join(conditions)

    def _listed(self) -> dict[str, Any]:
        if not self.file.exists():
            return {}
        listed: dict[str, Any] = json.loads(self.file.read_text(encoding="ascii"))
        return listed


def _text(name: str, kind: str) -> str:
    number = f"TRY_CAST({quote(name)} AS HUGEINT)"
    is_number = kind.partition("(")[0] in FRACTION_TYPES
    return f"CAST({number if is_number else quote(name)} AS VARCHAR)"


def _hash(salt: str, key: Mapping[str, Any]) -> str:
    told = BETWEEN.join([salt, *(str(key[name]) for name in sorted(key))])
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()
