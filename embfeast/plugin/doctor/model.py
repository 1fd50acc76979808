"""The sentence model: whether it is there, and the one that the recipe was fitted with."""

from collections.abc import Iterator

from embfeast.encoding.export import graph_path
from embfeast.encoding.model import resolve
from embfeast.plugin.doctor.finding import Finding
from embfeast.plugin.doctor.subject import Subject


def check_model(subject: Subject) -> Iterator[Finding]:
    """Find the model, compare its digest, and look for its exported graph."""
    fitted = subject.fitted
    model = resolve(fitted.settings.model)
    if model.digest != fitted.model_digest:
        yield Finding(
            "model",
            "broken",
            f"{fitted.settings.model} has digest {model.digest[:12]}, the recipe was fitted with "
            f"{fitted.model_digest[:12]}",
            f"install the same weights, or embfeast fit --repo {subject.repo} and apply",
        )
        return
    yield Finding("model", "ok", f"{fitted.settings.model} {model.digest[:12]}, as fitted")
    graph = graph_path(model)
    if not graph.exists():
        yield Finding(
            "model",
            "warning",
            f"its exported graph {graph} is missing: the first text waits for the export",
            "python -m embfeast.encoding.prepare",
        )
