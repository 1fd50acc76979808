"""The files of a feature repository, written from templates; nothing is ever overwritten."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from embfeast.errors import EmbfeastError
from embfeast.repository.settings_file import read_yaml
from embfeast.scaffold.names import entity_name, python_literal, unique

STORE = "feature_store.yaml"
MODULES = ("entities.py", "sources.py", "views.py", "services.py")
RECIPE, README = "recipe.yaml", "README.md"
# Feast looks for a file of this name, so a repository of somebody else's may have one of its own.
SERVING = "static_artifacts.py"
# In a repository of somebody else's, our files are told apart by name.
PREFIX = "embfeast_"
MERGED = "feature_store.embfeast.yaml"
WIDTH = 98


@dataclass(frozen=True)
class EntityPlan:
    """One entity: its name, which is the Python variable's too, and the key column."""

    name: str
    key: str
    value_type: str
    description: str


def is_repository(folder: Path) -> bool:
    """Tell whether a folder is a feature repository already."""
    return (folder / STORE).is_file()


def check_target(folder: Path) -> None:
    """Refuse a folder that could not be written into without harm."""
    if folder.exists() and not folder.is_dir():
        raise EmbfeastError(f"{folder} is a file; name a folder for the feature repository")
    if is_repository(folder):
        names = [*_file_names(guest=True).values(), MERGED]
        if there := [name for name in names if (folder / name).exists()]:
            raise EmbfeastError(
                f"{folder} has {', '.join(there)} already, which are never overwritten; a "
                "repository holds one recipe, so name another folder, or move these away"
            )
        return
    inner = folder / "feature_repo"
    if is_repository(inner):
        raise EmbfeastError(f"{folder} is a Feast project; its feature repository is {inner}")
    if folder.is_dir() and any(folder.iterdir()):
        raise EmbfeastError(
            f"{folder} is not empty and no feature repository (it has no {STORE}); name a new "
            "folder, or an existing feature repository"
        )


def write_repository(folder: Path, values: Mapping[str, Any]) -> list[Path]:
    """Write the files with the values that the templates name, and return them.

    The folder is new, or a feature repository of somebody else's, whose files stay as they are.
    """
    guest = is_repository(folder)
    made = {name: _render(template, values, guest) for template, name in _file_names(guest).items()}
    if guest:
        made[MERGED] = _merged(folder / STORE)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        with (folder / name).open("x", encoding="utf-8") as stream:
            stream.write(content)
    return [folder / name for name in made]


def store_settings() -> dict[str, Any]:
    """Return what a feature_store.yaml must say for embfeast."""
    given = yaml.safe_load(_render(STORE, {"project": "p"}, guest=False))
    return {name: given[name] for name in ("provider", "registry", "offline_store", "batch_engine")}


def lacking_settings(folder: Path) -> list[str]:
    """Return the lines that a repository's feature_store.yaml lacks."""
    own, merged = _read_store(folder / STORE), yaml.safe_load(_merged(folder / STORE))
    changed = {name: value for name, value in merged.items() if own.get(name) != value}
    return yaml.safe_dump(changed, sort_keys=False).splitlines() if changed else []


def _merged(path: Path) -> str:
    """Return a repository's own settings with ours in their place; its stores online stay."""
    own, ours = _read_store(path), store_settings()
    registry = own.get("registry", {})
    registry = {"path": registry} if isinstance(registry, str) else dict(registry)
    wanted = ours["registry"] | registry
    if registry.get("registry_type", "file") != "file":
        del wanted["registry_store_type"]
    wanted["serve_features_while_materializing"] = True
    changed = {name: ours[name] for name in ("provider", "offline_store", "batch_engine")}
    for name in ("offline_store", "batch_engine"):
        given = own.get(name)
        if isinstance(given, dict) and given.get("type") == ours[name]["type"]:
            changed[name] = ours[name] | given
    merged = own | changed | {"registry": wanted}
    return str(yaml.safe_dump(merged, sort_keys=False, allow_unicode=True))


def _read_store(path: Path) -> dict[str, Any]:
    given = read_yaml(path)
    if not isinstance(given, dict):
        raise EmbfeastError(f"{path} is no mapping of settings")
    return given


def _file_names(guest: bool) -> dict[str, str]:
    """Return the templates and the files that they make."""
    if guest:
        return {name: PREFIX + name for name in (*MODULES, README)} | {RECIPE: RECIPE}
    files = (*MODULES, SERVING, RECIPE, STORE, README)
    return {name: name for name in files} | {"gitignore": ".gitignore"}


def _render(template: str, values: Mapping[str, Any], guest: bool) -> str:
    found = _templates().get_template(f"{template}.jinja")
    return found.render(values, prefix=PREFIX if guest else "", guest=guest)


@cache
def _templates() -> Environment:
    found = Environment(  # noqa: S701 - Python, YAML and Markdown, no HTML
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {
        "python": python_literal,
        "python_list": lambda names: f"[{', '.join(map(python_literal, names))}]",
        "python_dict": _python_dict,
        "yaml": _yaml,
        "lines": lambda text, indent: textwrap.wrap(text, WIDTH - indent),
        "code": lambda name: f"`{name}`",
    }
    return found


def _python_dict(items: Mapping[str, Any]) -> str:
    said = (
        f"{python_literal(key)}: {python_literal(v) if isinstance(v, str) else repr(v)}"
        for key, v in items.items()
    )
    return f"{{{', '.join(said)}}}"


def _yaml(value: Any) -> str:
    """Return a value as it stands in a line of YAML."""
    said = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return re.sub(r"\n\.\.\.$", "", said.strip())


def writer_plan(
    column: str, value_type: str, name: str, others: Sequence[EntityPlan]
) -> EntityPlan:
    """Plan the entity of those who write, under a name that no other one has."""
    own = unique([*(one.name for one in others), entity_name(column)])[-1]
    return EntityPlan(own, column, value_type, f"Who writes a {name}".replace("_", " "))


def entity_plans(
    keys: Sequence[tuple[str, str]], name: str, pairs: str | None
) -> tuple[list[EntityPlan], EntityPlan | None]:
    """Plan the entities of key columns, each with its Feast value type, and the pair's other one.

    `name` is what a text is called, `pairs` the other text's key.
    """
    if len(keys) == 1:
        key, kind = keys[0]
        plans = [EntityPlan(name, key, kind, f"A {name}".replace("_", " "))]
    else:
        names = unique([entity_name(key) for key, _ in keys])
        plans = [
            EntityPlan(own, key, kind, f"Part of the key of a {name}".replace("_", " "))
            for own, (key, kind) in zip(names, keys, strict=True)
        ]
    if pairs is None:
        return plans, None
    other = f"other_{name}"
    said = f"The second {name} of a pair".replace("_", " ")
    return plans, EntityPlan(other, pairs, keys[0][1], said)
