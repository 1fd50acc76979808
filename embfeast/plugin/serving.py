"""Feast's feature server over embfeast: model loaded first, mistakes answered, work counted."""

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from feast import FeatureStore
from feast.errors import (
    FeastError,
    FeatureNameCollisionError,
    RequestDataNotFoundInEntityRowsException,
)
from prometheus_client import Counter
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from embfeast import counts
from embfeast.errors import EmbfeastError
from embfeast.plugin.feast_compat import keep_services, server_store
from embfeast.plugin.live import TooLongError, serve_recipes_from, serving_recipe
from embfeast.plugin.online.text_search import TextQueries
from embfeast.plugin.request_bodies import CHECKS
from embfeast.recipe.versions import current_digest
from embfeast.tables.append import BusyError

HELP: dict[counts.Name, str] = {
    "texts_encoded": "Texts that went through the model",
    "cache_hits": "Texts whose embedding was in the cache",
    "null_texts": "Missing or blank texts, which have null features",
    "version_mismatches": "Rows looked up whose values another recipe made",
    "requests_refused": "Requests answered with 503: as many as a worker takes were under way",
}
UNBOUNDED = ("/health",)  # a busy worker is well
log = logging.getLogger(__name__)


def prepare(app: FastAPI, *, recipes: Path | str, most_requests: int = 100) -> None:
    """Make a worker of `feast serve` ready; call it from ``load_artifacts(app)``.

    Feast calls that function of the repository's ``static_artifacts.py`` in every worker before
    it takes requests. A mistake in a request is then answered with a 4xx and its reason, and the
    connection stays open; the applied recipe and its model are loaded; and the counts of
    `embfeast.counts` appear among Feast's metrics (``feast serve --metrics``).

    Parameters
    ----------
    app : FastAPI
        Feast's server.
    recipes : Path or str
        Folder of the fitted recipes, as in feature_store.yaml.
    most_requests : int, default 100
        Requests that a worker has under way at a time. More are answered with 503 at once, for a
        proxy to ask another worker or the client to come again, instead of all waiting ever longer.

    Raises
    ------
    EmbfeastError
        There is no fitted recipe. Feast logs it and serves; requests then name what is missing.
        Or `most_requests` is below 1.
    """
    if most_requests < 1:
        raise EmbfeastError(f"most_requests is {most_requests}", "give 1 or more")
    _check_bodies(app)
    app.user_middleware.insert(0, Middleware(Bounded, most=most_requests))
    _answer_mistakes(app)
    _export_counts()
    keep_services()
    server_store(app).embedding_provider = TextQueries()
    serve_recipes_from(recipes)
    recipe = serving_recipe(current_digest(recipes))
    recipe.values(["Is the model loaded?"], entries=recipe.alone_entries)
    log.info("recipe and model loaded")


class Bounded:
    """Let an application work on so many requests at a time; answer others with 503.

    Parameters
    ----------
    app : callable
        An ASGI application.
    most : int
        Requests under way at a time.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in UNBOUNDED:
            await self._app(scope, receive, send)
        elif self._running >= self._most:
            counts.add("requests_refused", 1)
            error = EmbfeastError(f"{self._running} requests are under way", "come again later")
            await _answer(503, error, {"Retry-After": "1"})(scope, receive, send)
        else:
            self._running += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._running -= 1


def _check_bodies(app: FastAPI) -> None:
    """Let each route check a body before Feast reads it."""
    store = server_store(app)
    for route in app.routes:
        if isinstance(route, APIRoute) and route.path in CHECKS:
            model = inspect.signature(route.endpoint).parameters["request"].annotation
            depends = Depends(_check(CHECKS[route.path], model, store))
            route.dependant.dependencies.append(
                get_parameterless_sub_dependant(depends=depends, path=route.path)
            )


def _check(check: Callable[[FeatureStore, Any], None], model: Any, store: FeatureStore) -> Any:
    async def dependency(request: Request) -> None:
        try:
            body = model.model_validate(await request.json()).model_dump()
        except ValueError:
            return  # FastAPI says so itself
        await run_in_threadpool(check, store, body)

    return dependency


def _answer_mistakes(app: FastAPI) -> None:
    app.add_exception_handler(EmbfeastError, _embfeast_answer)
    app.add_exception_handler(FeastError, _feast_answer)
    app.add_exception_handler(RequestValidationError, _invalid_answer)
    app.add_exception_handler(Exception, _our_fault)
    # Feast calls us when the server has started, with its handlers in place already.
    app.middleware_stack = app.build_middleware_stack()


async def _embfeast_answer(request: Request, error: Exception) -> Response:
    if isinstance(error, BusyError):
        return _answer(503, error, {"Retry-After": "10"})
    return _answer(413 if isinstance(error, TooLongError) else 422, error)


async def _feast_answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, FeastError)  # noqa: S101 - as registered
    if isinstance(error, RequestDataNotFoundInEntityRowsException | FeatureNameCollisionError):
        return _answer(422, error)
    return _answer(error.http_status_code(), error)


async def _invalid_answer(request: Request, error: Exception) -> Response:
    """Name what is wrong with a body, but not what was given: JSON cannot hold an infinity."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    said = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return _answer(422, EmbfeastError("; ".join(said)))


async def _our_fault(request: Request, error: Exception) -> Response:
    log.error("%s %s: %r", request.method, request.url.path, error, exc_info=error)
    return JSONResponse({"detail": f"{type(error).__name__}: the server's log has more"}, 500)


def _answer(code: int, error: Exception, headers: dict[str, str] | None = None) -> JSONResponse:
    said = str(error).encode(errors="replace").decode()  # of names with lone surrogates
    return JSONResponse({"detail": said}, code, headers)


def _export_counts() -> None:
    # Feast's server has told prometheus_client before this where workers share their counts.
    counters = {name: Counter(f"embfeast_{name}", help_text) for name, help_text in HELP.items()}
    counts.listen(lambda name, number: counters[name].inc(number))
