"""A fitted recipe on disk: arrays in safetensors, the rest in JSON, known by a digest."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from embfeast.errors import EmbfeastError

FORMAT = 2
MANIFEST = "manifest.json"
ARRAYS = "state.safetensors"

States = dict[str, dict[str, Any]]


def digest(content: dict[str, Any], states: States) -> str:
    """Return the SHA-256 (hex) over content and states, the same on every run and machine.

    Parameters
    ----------
    content : dict
        JSON values: settings, record of the fit, model digest.
    states : dict of dict
        Fitted attributes by entry: arrays and JSON values.
    """
    arrays, plain = _split(states)
    # The order of entries and anchors is part of a recipe, the order of attributes is not.
    total = hashlib.sha256(f"{FORMAT}\n{_json(content)}\n{_json(plain, sort=True)}\n".encode())
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def save(folder: Path, content: dict[str, Any], states: States, checksum: str) -> None:
    """Write to a folder beside it first, so that the folder appears whole or not at all."""
    arrays, plain = _split(states)
    half = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        save_file(arrays, half / ARRAYS)
        manifest = {"format": FORMAT, "digest": checksum, **content, "state": plain}
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        (half / MANIFEST).write_text(text + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        half.replace(folder)
    except OSError as error:
        shutil.rmtree(half, ignore_errors=True)
        raise EmbfeastError(f"recipe cannot be saved to {folder}: {error}") from error


def load(folder: Path) -> tuple[dict[str, Any], States]:
    """Read content and states back, and check the digest.

    Raises
    ------
    EmbfeastError
        Something is missing, of another format, or not what was saved.
    """
    manifest = _read_manifest(folder)
    if manifest.get("format") != FORMAT:
        raise EmbfeastError(
            f"{folder} has format {manifest.get('format')!r}, this version of embfeast reads "
            f"{FORMAT}; fit the recipe again"
        )
    try:
        arrays = load_file(folder / ARRAYS)
    except (OSError, SafetensorError) as error:
        raise EmbfeastError(f"{folder / ARRAYS} cannot be read ({error}); fit again") from error
    plain = manifest.get("state", {})
    states = _join(arrays, plain)
    content = {k: v for k, v in manifest.items() if k not in ("format", "digest", "state")}
    if digest(content, states) != manifest.get("digest"):
        raise EmbfeastError(
            f"{folder} was changed after it was saved: its content does not match the digest in "
            f"{MANIFEST}; restore it from a copy or fit again"
        )
    return content, states


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise EmbfeastError(f"{folder} holds no fitted recipe ({MANIFEST} is missing); fit first")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmbfeastError(f"{path} cannot be read ({error}); fit again") from error
    if not isinstance(manifest, dict):
        raise EmbfeastError(f"{path} is not a manifest; fit again")
    return manifest


def _split(states: States) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, dict[str, Any]]]:
    """Part arrays, by "entry/attribute", from what JSON can hold."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    plain: dict[str, dict[str, Any]] = {}
    for entry, state in states.items():
        plain[entry] = {}
        for name, value in state.items():
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
                arrays[f"{entry}/{name}"] = np.ascontiguousarray(value)
            elif isinstance(value, np.ndarray):  # names: strings in an object or text array
                plain[entry][name] = {"array": value.tolist()}
            else:
                plain[entry][name] = value.item() if isinstance(value, np.generic) else value
    return arrays, plain


def _join(arrays: dict[str, np.ndarray[Any, Any]], plain: dict[str, dict[str, Any]]) -> States:
    states: States = {}
    for entry, attributes in plain.items():
        states[entry] = {}
        for name, value in attributes.items():
            is_array = isinstance(value, dict) and set(value) == {"array"}
            states[entry][name] = np.array(value["array"]) if is_array else value
    for key, array in arrays.items():
        entry, _, name = key.partition("/")
        states.setdefault(entry, {})[name] = array
    return states


def _json(value: Any, *, sort: bool = False) -> str:
    return json.dumps(value, sort_keys=sort, separators=(",", ":"), ensure_ascii=False)
