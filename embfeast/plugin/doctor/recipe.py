"""Whether recipe.yaml, the fitted recipe and the applied views say the same."""

from collections.abc import Iterator

from embfeast.plugin.doctor.finding import Finding
from embfeast.plugin.doctor.subject import Subject
from embfeast.plugin.feature_table import DIGEST_TAG, ENTRY_TAG
from embfeast.recipe import Recipe


def check_recipe(subject: Subject) -> Iterator[Finding]:
    """Follow a recipe from its file over the fit to the registry."""
    fitted = subject.fitted
    file = subject.repo / "recipe.yaml"
    apply = f"feast -c {subject.repo} apply"
    if file.exists() and Recipe.from_yaml(file).settings != fitted.settings:
        yield Finding(
            "recipe",
            "warning",
            f"{file} is not what the current recipe {fitted.digest[:12]} was fitted from",
            f"embfeast fit --repo {subject.repo}, or leave it where another file was fitted",
        )
    if not subject.views:
        yield Finding("recipe", "broken", "no view of embfeast is applied", apply)
        return
    applied = {view.tags[DIGEST_TAG] for view in subject.views}
    for digest in sorted(applied - {fitted.digest}):
        kept = (subject.recipes / digest).is_dir()
        yield Finding(
            "recipe",
            "warning" if kept else "broken",
            f"views of recipe {digest[:12]} are applied, but {fitted.digest[:12]} was fitted since"
            + ("" if kept else f", and {subject.recipes} has lost the applied one"),
            f"{apply}, then embfeast materialize --repo {subject.repo}",
        )
    served = {view.tags[ENTRY_TAG] for view in subject.views}
    if lacking := [entry for entry in fitted.entries if entry not in served]:
        yield Finding(
            "recipe",
            "warning",
            f"no view serves the recipe's {', '.join(lacking)}",
            f"make views with feature_views, then {apply}; or remove the entries from the recipe",
        )
    elif applied == {fitted.digest}:
        yield Finding("recipe", "ok", f"recipe {fitted.digest[:12]} in {len(subject.views)} views")
