"""A fitted recipe as it is kept: arrays in safetensors, the rest in JSON, known by a digest."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy as safetensors
from safetensors import SafetensorError
from safetensors.numpy import load_file

from embfeast.errors import EmbfeastError, first_line
from embfeast.storage import Folder, is_local, read_bytes, refused, write_bytes

FORMAT = 2
MANIFEST = "manifest.json"
ARRAYS = "state.safetensors"

FITTED_ATTRIBUTE = re.compile("[a-zA-Z][a-zA-Z0-9_]*_")

States = dict[str, dict[str, Any]]


def digest(content: dict[str, Any], states: States) -> str:
    """Return the SHA-256 (hex) over content and states, the same on every run and machine."""
    arrays, plain = _split(states)
    # The order of entries and anchors is part of a recipe, the order of attributes is not.
    total = hashlib.sha256(f"{FORMAT}\n{_json(content)}\n{_json(plain, sort=True)}\n".encode())
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def save(folder: Folder, content: dict[str, Any], states: States, checksum: str) -> None:
    """Write it so that it appears whole or not at all; the manifest, by which it is known, last."""
    arrays, plain = _split(states)
    manifest = {"format": FORMAT, "digest": checksum, **content, "state": plain}
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    files = {ARRAYS: safetensors.save(arrays), MANIFEST: f"{text}\n".encode()}
    try:
        if folder.is_local:
            _write_here(folder.path, files)
        else:
            for name, written in files.items():
                write_bytes(folder.file(name), written)
    except OSError as error:
        raise refused(f"recipe cannot be saved to {folder}", error) from error


def _write_here(folder: Path, files: dict[str, bytes]) -> None:
    half = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        for name, written in files.items():
            (half / name).write_bytes(written)
        if folder.exists():
            shutil.rmtree(folder)
        half.replace(folder)
    except OSError:
        shutil.rmtree(half, ignore_errors=True)
        raise


def load(folder: Folder) -> tuple[dict[str, Any], States]:
    """Read content and states back; EmbfeastError where they are not what was saved."""
    manifest = _read_manifest(folder)
    if manifest.get("format") != FORMAT:
        raise EmbfeastError(
            f"{folder} has format {manifest.get('format')!r}, this version of embfeast reads "
            f"{FORMAT}",
            "fit the recipe again",
        )
    states = _join(_read_arrays(folder.file(ARRAYS)), manifest.get("state", {}))
    content = {k: v for k, v in manifest.items() if k not in ("format", "digest", "state")}
    if digest(content, states) != manifest.get("digest"):
        raise EmbfeastError(
            f"{folder} was changed after it was saved: its content does not match the digest in "
            f"{MANIFEST}",
            "restore it from a copy or fit again",
        )
    return content, states


def restore(tricks: Mapping[str, Any], states: States) -> None:
    """Give tricks their fitted state back; ValueError where it holds anything else."""
    for name, state in states.items():
        for attribute, value in state.items():
            if not FITTED_ATTRIBUTE.fullmatch(attribute):
                raise ValueError(f"{attribute!r} is no fitted attribute")
            setattr(tricks[name], attribute, value)


def _read_arrays(file: str) -> dict[str, np.ndarray[Any, Any]]:
    try:
        if is_local(file):
            return dict(load_file(file))
        # Copied, since what lies in a buffer cannot be written.
        return {name: array.copy() for name, array in safetensors.load(read_bytes(file)).items()}
    except (FileNotFoundError, SafetensorError) as error:
        said = first_line(error)
        raise EmbfeastError(f"{file} cannot be read ({said})", "fit again") from error
    except OSError as error:
        raise refused(f"{file} cannot be read", error) from error


def _read_manifest(folder: Folder) -> dict[str, Any]:
    file = folder.file(MANIFEST)
    try:
        manifest = json.loads(read_bytes(file))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise EmbfeastError(
            f"{folder} holds no fitted recipe ({MANIFEST} is missing)", "fit first"
        ) from error
    except OSError as error:
        raise refused(f"{file} cannot be read", error) from error
    except ValueError as error:
        raise EmbfeastError(f"{file} cannot be read ({error})", "fit again") from error
    if not isinstance(manifest, dict):
        raise EmbfeastError(f"{file} is not a manifest", "fit again")
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
