"""Feast's feature server over embfeast: model loaded first, mistakes answered, work counted."""

import logging
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from feast.errors import FeastError, RequestDataNotFoundInEntityRowsException
from prometheus_client import Counter

from embfeast import counts
from embfeast.errors import EmbfeastError
from embfeast.plugin.live import TooLongError, serve_recipes_from, serving_recipe
from embfeast.plugin.table_lock import BusyError
from embfeast.recipe.versions import current_digest

HELP: dict[counts.Name, str] = {
    "texts_encoded": "Texts that went through the model",
    "cache_hits": "Texts whose embedding was in the cache",
    "null_texts": "Missing or blank texts, which have null features",
    "version_mismatches": "Rows looked up whose values another recipe made",
}
log = logging.getLogger(__name__)


def prepare(app: FastAPI, *, recipes: Path) -> None:
    """Make a worker of `feast serve` ready; call it from ``load_artifacts(app)``.

    Feast calls that function of the repository's ``static_artifacts.py`` in every worker before
    it takes requests. A mistake in a request is then answered with a 4xx and its reason, and the
    connection stays open; the applied recipe and its model are loaded; and the counts of
    `embfeast.counts` appear among Feast's metrics (``feast serve --metrics``).

    Parameters
    ----------
    app : FastAPI
        Feast's server.
    recipes : Path
        Folder of the fitted recipes, as in feature_store.yaml.

    Raises
    ------
    EmbfeastError
        There is no fitted recipe. Feast logs it and serves; requests then name what is missing.
    """
    _answer_mistakes(app)
    _export_counts()
    serve_recipes_from(recipes.resolve())
    serving_recipe(current_digest(recipes)).values(["Is the model loaded?"])
    log.info("recipe and model loaded")


def _answer_mistakes(app: FastAPI) -> None:
    app.add_exception_handler(EmbfeastError, _embfeast_answer)
    app.add_exception_handler(FeastError, _feast_answer)
    for kind in (KeyError, TypeError, ValueError):
        app.add_exception_handler(kind, _other_answer)
    # Feast calls us when the server has started, with its handlers in place already.
    app.middleware_stack = app.build_middleware_stack()


async def _embfeast_answer(request: Request, error: Exception) -> Response:
    if isinstance(error, BusyError):
        return _answer(503, error, {"Retry-After": "10"})
    return _answer(413 if isinstance(error, TooLongError) else 422, error)


async def _feast_answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, FeastError)  # noqa: S101 - as registered
    if isinstance(error, RequestDataNotFoundInEntityRowsException):
        return _answer(422, error)
    return _answer(error.http_status_code(), error)


async def _other_answer(request: Request, error: Exception) -> Response:
    """Feast checks little of a request itself: what is wrong with it shows in what it raises."""
    log.warning("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return _answer(422, error)


def _answer(code: int, error: Exception, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, code, headers)


def _export_counts() -> None:
    # Feast's server has told prometheus_client before this where workers share their counts.
    counters = {name: Counter(f"embfeast_{name}", help_text) for name, help_text in HELP.items()}
    counts.listen(lambda name, number: counters[name].inc(number))
