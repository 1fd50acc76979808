"""The folder of fitted recipes: one subfolder a digest, and which of them is current."""

import os
import re
from pathlib import Path

from embfeast.errors import EmbfeastError
from embfeast.recipe.fitted import FittedRecipe

CURRENT = "current"
DIGEST = re.compile("[0-9a-f]{64}")  # anything else is no folder of ours, ".." least of all


def save_version(root: str | Path, fitted: FittedRecipe) -> Path:
    """Save a fitted recipe under its digest and make it current; older ones stay.

    Returns
    -------
    Path
        The recipe's own folder.
    """
    root = Path(root)
    folder = root / fitted.digest
    if not (folder / "manifest.json").exists():
        fitted.save(folder)
    _point_to(root, fitted.digest)
    return folder


def make_current(root: str | Path, digest: str) -> FittedRecipe:
    """Make an earlier recipe current again: `feast apply` and materialize then go back to it.

    Parameters
    ----------
    root : str or Path
        The folder of fitted recipes.
    digest : str
        The recipe's, or as many of its first characters as tell it from the others.

    Returns
    -------
    FittedRecipe

    Raises
    ------
    EmbfeastError
        No recipe there has such a digest, or several have; or it was changed since it was saved.
    """
    root = Path(root)
    known = [folder.name for folder in root.glob("*") if DIGEST.fullmatch(folder.name)]
    found = [name for name in known if digest and name.startswith(digest)]
    if len(found) != 1:
        said = ", ".join(sorted(name[:12] for name in known)) or "none"
        raise EmbfeastError(
            f"{len(found)} recipes in {root} have a digest that starts with {digest!r}; "
            f"it has {said}"
        )
    fitted = load_version(root, found[0])
    _point_to(root, fitted.digest)
    return fitted


def _point_to(root: Path, digest: str) -> None:
    half = root / f".{CURRENT}.{os.getpid()}.tmp"
    half.write_text(digest + "\n", encoding="ascii")
    half.replace(root / CURRENT)


def current_digest(root: str | Path) -> str:
    """Return the digest of the current recipe: the one fitted last, or gone back to.

    Raises
    ------
    EmbfeastError
        Nothing was fitted yet.
    """
    path = Path(root) / CURRENT
    if not path.is_file():
        raise EmbfeastError(f"{root} holds no fitted recipe; fit one first")
    return path.read_text(encoding="ascii").strip()


def load_current(root: str | Path) -> FittedRecipe:
    """Load the current recipe."""
    return load_version(root, current_digest(root))


def load_version(root: str | Path, digest: str) -> FittedRecipe:
    """Load the recipe of a digest.

    Raises
    ------
    EmbfeastError
        It is not there, or what is there has another digest.
    """
    folder = Path(root) / digest
    if not DIGEST.fullmatch(digest) or not folder.is_dir():
        raise EmbfeastError(
            f"recipe {digest[:12]} is not in {root}; bring its folder there, or fit and apply again"
        )
    fitted = FittedRecipe.load(folder)
    if fitted.digest != digest:
        raise EmbfeastError(f"{folder} holds recipe {fitted.digest[:12]} under another's name")
    return fitted
