"""The folder of fitted recipes: one subfolder a digest, and which of them is current."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.errors import EmbfeastError
from embfeast.recipe.artifact import MANIFEST
from embfeast.storage import Folder, exists, read_bytes, refused, write_bytes

if TYPE_CHECKING:  # what a recipe is brings scikit-learn; a lookup of a key asks for a digest
    from embfeast.recipe.fitted import FittedRecipe

CURRENT = "current"
DIGEST = re.compile("[0-9a-f]{64}")  # anything else is no folder of ours, ".." least of all


def save_version(root: str | Path | Folder, fitted: "FittedRecipe") -> Path | str:
    """Save a fitted recipe under its digest and make it current; older ones stay.

    Returns
    -------
    Path or str
        The recipe's own folder, or its URI.
    """
    root = Folder.of(root)
    folder = root.below(fitted.digest)
    if not has_version(root, fitted.digest):
        fitted.save(folder)
    _point_to(root, fitted.digest)
    return folder.path if folder.is_local else folder.uri


def has_version(root: str | Path | Folder, digest: str) -> bool:
    """Tell whether the recipe of a digest is there."""
    file = Folder.of(root).below(digest).file(MANIFEST)
    try:
        return bool(DIGEST.fullmatch(digest)) and exists(file)
    except OSError as error:
        raise refused(f"{file} cannot be read", error) from error


def make_current(root: str | Path | Folder, digest: str) -> "FittedRecipe":
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
    root = Folder.of(root)
    known = [name for name in root.names() if DIGEST.fullmatch(name)]
    matching = [name for name in known if digest and name.startswith(digest)]
    if len(matching) != 1:
        digests = ", ".join(name[:12] for name in known) or "none"
        raise EmbfeastError(
            f"{len(matching)} recipes in {root} have a digest that starts with {digest!r}",
            f"it has {digests}",
        )
    fitted = load_version(root, matching[0])
    _point_to(root, fitted.digest)
    return fitted


def _point_to(root: Folder, digest: str) -> None:
    try:
        write_bytes(root.file(CURRENT), f"{digest}\n".encode())
    except OSError as error:
        raise refused(f"{root.file(CURRENT)} cannot be written", error) from error


def current_digest(root: str | Path | Folder) -> str:
    """Return the digest of the current recipe: the one fitted last, or gone back to.

    Raises
    ------
    EmbfeastError
        Nothing was fitted yet.
    """
    root = Folder.of(root)
    try:
        return read_bytes(root.file(CURRENT)).decode("ascii").strip()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise EmbfeastError(f"{root} holds no fitted recipe", "fit one first") from error
    except OSError as error:
        raise refused(f"{root.file(CURRENT)} cannot be read", error) from error


def load_current(root: str | Path | Folder) -> "FittedRecipe":
    """Load the current recipe."""
    return load_version(root, current_digest(root))


def load_version(
    root: str | Path | Folder,
    digest: str,
    *,
    threads: int | None = None,
    cache: EmbeddingCache | None = None,
) -> "FittedRecipe":
    """Load the recipe of a digest; its encoder takes the threads and the cache.

    Raises
    ------
    EmbfeastError
        It is not there, or what is there has another digest.
    """
    from embfeast.recipe.fitted import FittedRecipe

    folder = Folder.of(root).below(digest)
    if not has_version(root, digest):
        raise EmbfeastError(
            f"recipe {digest[:12]} is not in {root}",
            "bring its folder there, or fit and apply again",
        )
    fitted = FittedRecipe.load(folder)
    if fitted.digest != digest:
        raise EmbfeastError(f"{folder} holds recipe {fitted.digest[:12]} under another's name")
    fitted.encoder = Encoder(fitted.settings.model, threads=threads, cache=cache)
    return fitted
