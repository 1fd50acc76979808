"""Whether recipe.yaml, the fitted recipe and the applied views say the same."""

from collections.abc import Iterator

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import DIGEST_TAG, ENTRY_TAG
from embfeast.recipe import FittedRecipe, Recipe
from embfeast.recipe.versions import current_digest, has_version
from embfeast.repository.check.finding import Finding
from embfeast.repository.repository import Repository


def check_recipe(repository: Repository) -> Iterator[Finding]:
    """Follow a recipe from its file over the fit to the registry."""
    fitted = repository.fitted
    file = repository.folder / "recipe.yaml"
    apply = f"feast -c {repository.folder} apply"
    beside = f"{apply} --no-promote, materialize that version, then embfeast promote"
    if file.exists() and Recipe.from_yaml(file).settings != fitted.settings:
        found = f"{file} is not what the current recipe {fitted.digest[:12]} was fitted from"
        fit = f"embfeast fit --repo {repository.folder}"
        mend = f"{fit}, or leave it where another file was fitted"
        yield Finding("recipe", "warning", found, mend)
    if not (views := repository.views):
        yield Finding("recipe", "broken", "no view of embfeast is applied", apply)
        return
    applied = {view.tags[DIGEST_TAG] for view in views}
    for digest in sorted(applied - {fitted.digest}):
        kept = has_version(repository.settings.recipes, digest)
        yield Finding(
            "recipe",
            "warning" if kept else "broken",
            f"views of recipe {digest[:12]} are applied, but {fitted.digest[:12]} was fitted since"
            + ("" if kept else f", and {repository.settings.recipes} has lost the applied one"),
            beside
            if repository.is_versioned
            else f"{apply}, then embfeast materialize --repo {repository.folder}",
        )
    served = {view.tags[ENTRY_TAG] for view in views}
    if lacking := [entry for entry in fitted.entries if entry not in served]:
        found = f"no view serves the recipe's {', '.join(lacking)}"
        mend = f"make views with feature_views, then {apply}; or remove the entries from the recipe"
        yield Finding("recipe", "warning", found, mend)
    elif applied == {fitted.digest}:
        yield Finding("recipe", "ok", f"recipe {fitted.digest[:12]} in {len(views)} views")


def open_applied(repository: Repository, digest: str) -> tuple[FittedRecipe | None, Finding]:
    """Open the recipe behind applied views, where it is saved and can compute their values."""
    try:
        # Without the cache: what is recomputed must not come from where the first values came.
        fitted = repository.settings.recipe(digest, cached=False)
        if fitted.probes is not None:
            # A server's answers are not exact: what it answered first, the cache, is the record.
            fitted.encoder = repository.settings.encoder(fitted.settings.model)
            fitted.check_model()
        if fitted.encoder.digest != fitted.model_digest:
            found = (
                f"model {fitted.settings.model!r} here has digest {fitted.encoder.digest[:12]}, "
                f"the recipe was fitted with {fitted.model_digest[:12]}"
            )
            return None, Finding("recipe", "broken", found, "install the same weights")
        current = current_digest(repository.settings.recipes)
    except EmbfeastError as error:
        return None, Finding("recipe", "broken", error.found, error.mend)
    if current != digest and not repository.is_versioned:
        found = f"the recipe was fitted again ({current[:12]}), the registry has {digest[:12]}"
        return fitted, Finding("recipe", "broken", found, "run `feast apply`, then materialize")
    return fitted, Finding("recipe", "ok", "saved, applied and unchanged")
