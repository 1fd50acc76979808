"""The repository's YAML file, looked at before Feast is imported, which takes seconds."""

import os
from pathlib import Path
from typing import Any

import yaml

from embfeast.errors import EmbfeastError


def settings_file(folder: Path) -> Path:
    """Return the file of a repository's settings, as Feast finds it.

    Raises
    ------
    EmbfeastError
        There is no such file, it cannot be read, or it holds no settings.
    """
    path = Path(os.environ.get("FEAST_FS_YAML_FILE_PATH") or folder / "feature_store.yaml")
    if not path.exists():
        raise EmbfeastError(f"{path} does not exist", "name the repository with --repo")
    if not isinstance(read_yaml(path), dict):
        raise EmbfeastError(
            f"{path} holds no settings", "write project, provider and stores into it"
        )
    return path


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise EmbfeastError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
