"""The sentence model: whether it is there, and the one that the recipe was fitted with."""

from collections.abc import Iterator

from embfeast.encoding.backends.precision import PRECISIONS, lacking
from embfeast.encoding.export import graph_path
from embfeast.encoding.model import resolve
from embfeast.repository.check.finding import Finding
from embfeast.repository.repository import Repository


def check_model(repository: Repository) -> Iterator[Finding]:
    """Find the model, compare its digest, and look for its exported graph."""
    fitted = repository.fitted
    model = resolve(fitted.settings.model)
    yield Finding("model", "ok", f"this machine computes {', '.join(_precisions())}")
    digest = model.digest if fitted.graph is None else fitted.encoder.digest
    if digest != fitted.model_digest:
        found = (
            f"{fitted.settings.model} has digest {digest[:12]}, the recipe was fitted with "
            f"{fitted.model_digest[:12]}"
        )
        mend = f"install the same weights, or embfeast fit --repo {repository.folder} and apply"
        yield Finding("model", "broken", found, mend)
        return
    fitted.check_model()  # a served one may have changed under its name
    yield Finding("model", "ok", f"{fitted.settings.model} {digest[:12]}, as fitted")
    graph = graph_path(model)
    if model.facts.kind == "transformer" and not graph.exists():
        found = f"its exported graph {graph} is missing: the first text waits for the export"
        yield Finding("model", "warning", found, "python -m embfeast.encoding.prepare")


def _precisions() -> list[str]:
    return [precision for precision in PRECISIONS if not lacking(precision)]
