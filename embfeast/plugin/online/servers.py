"""Servers behind a repository: their names without secrets, what their errors mean, retries."""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any, TypeVar
from urllib.parse import urlsplit

from feast.repo_config import RepoConfig
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from embfeast.errors import EmbfeastError
from embfeast.plugin.feast_compat import connect_anew, retries_itself

T = TypeVar("T")

# A materialization can wait for a server that restarts (about 15 seconds); a lookup cannot.
PATIENT = 6
PROMPT = 2
FIRST_PAUSE = 0.5  # seconds; the next ones are 1, 2, 4 and 8
SETTINGS = {
    "redis": "`connection_string` under `online_store`",
    "postgres": "`host`, `port`, `database`, `user` and `password` under `online_store`",
    "dynamodb": "`region` and `endpoint_url` under `online_store`",
}
# By the names of the clients' error classes and Amazon's codes: no client need be installed. The
# first of an error's that stands here, from the most special on, says what it means.
PASSING = "cannot be reached, or closed the connection"
BUSY = "has no capacity left for this; give its table more, or try again later"
NO_KEYS = "has no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
REFUSED = "refused the user or the password"
MEANINGS = {
    "AuthenticationError": REFUSED,
    "AuthorizationError": REFUSED,
    "InvalidPassword": REFUSED,
    "NoPermissionError": "does not permit this user that",
    "OutOfMemoryError": "is full: its `maxmemory` is reached; give it more, or remove other keys",
    "ReadOnlyError": "takes no writes: it is a replica, name the primary",
    "InsufficientPrivilege": "does not permit this user that; grant it",
    "ReadOnlySqlTransaction": "takes no writes: it is read-only, name the primary",
    "UndefinedTable": "lacks a table; run `feast apply`",
    "DiskFull": "has a full disk",
    "ConnectionError": PASSING,
    "TimeoutError": PASSING,
    "OperationalError": PASSING,
    "HTTPClientError": PASSING,
    "InternalServerError": PASSING,
    "ProvisionedThroughputExceededException": BUSY,
    "ThrottlingException": BUSY,
    "RequestLimitExceeded": BUSY,
    "NoCredentialsError": NO_KEYS,
    "PartialCredentialsError": NO_KEYS,
    "UnrecognizedClientException": "does not know the access key; see AWS_ACCESS_KEY_ID",
    "InvalidSignatureException": "refused the secret key, or this machine's clock is wrong; see "
    "AWS_SECRET_ACCESS_KEY",
    "ExpiredTokenException": "says that the session has expired; see AWS_SESSION_TOKEN",
    "AccessDeniedException": "does not permit this user that",
    "ResourceNotFoundException": "lacks a table in this region; run `feast apply`",
    "InvalidRegionError": "was not asked: no region is called so",
}
ENDPOINTS = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL")  # as Amazon's client reads them
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
CLIENTS = {"redis", "psycopg", "psycopg_pool", "botocore"}


def is_server(config: RepoConfig) -> bool:
    """Tell whether the online store is a server, which many write to at a time."""
    return str(getattr(config.online_store, "type", "")) in SETTINGS


def online_server(config: RepoConfig) -> str:
    """Name the online store's server: its place, never its password.

    Examples
    --------
    >>> config = RepoConfig(project="p", registry="r.db", provider="local", online_store={
    ...     "type": "redis", "connection_string": "cache:6379,db=2,password=secret"})
    >>> online_server(config)
    'Redis at cache:6379'
    """
    settings = config.online_store
    kind = str(getattr(settings, "type", type(settings).__name__))
    if kind == "redis":
        # All before the first setting; what stands before an @ is a login, which Feast takes not.
        parts = takewhile(lambda part: "=" not in part, settings.connection_string.split(","))
        return "Redis at " + ", ".join(part.rsplit("@", 1)[-1] for part in parts)
    if kind == "postgres":
        return f"PostgreSQL at {settings.host}:{settings.port}/{settings.database}"
    if kind == "dynamodb":
        places = [os.environ.get(name) for name in ENDPOINTS]
        at = next(filter(None, [settings.endpoint_url, *places]), "")
        host = urlsplit(at).netloc.rpartition("@")[2]
        return f"DynamoDB{f' at {host}' if host else ''} in region {settings.region}"
    return f"the online store ({kind})"


def call_online(config: RepoConfig, store: Any, call: Callable[[], T], *, tries: int = PROMPT) -> T:
    """Call the online store; try again where its server may come back, else say what is wrong.

    Parameters
    ----------
    config : RepoConfig
    store : OnlineStore
        After an error it connects anew.
    call : callable
        May be called several times.
    tries : int, default 2
        At most so many calls, with growing pauses from half a second.

    Raises
    ------
    EmbfeastError
        Names the server, what its answer means, and the setting to look at.
    """
    with errors_named(config, store):
        try:
            return call()  # nearly always the last one, so that nothing else is made beforehand
        except Exception as error:
            again = ((tries + 1) // 2 if retries_itself(store) else tries) - 1
            if not again or not _may_pass(error):
                raise
        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(again),
            wait=wait_exponential(max=8),
            before_sleep=lambda _: connect_anew(store),
            reraise=True,
        )
        connect_anew(store)
        time.sleep(FIRST_PAUSE)
        return retrying(call)
    raise AssertionError  # never reached: the context lets every error out


@contextlib.contextmanager
def errors_named(config: RepoConfig, store: Any) -> Iterator[None]:
    """Turn an error of the online store's server into an `EmbfeastError`; others pass as they are.

    Raises
    ------
    EmbfeastError
        Names the server, what its answer means, and the setting to look at.
    """
    try:
        yield
    except Exception as error:
        if not _is_servers(error):
            raise
        connect_anew(store)
        where = SETTINGS.get(str(config.online_store.type), "`online_store`")
        server = online_server(config)
        raise EmbfeastError(
            f"{server} {_meaning(error)} ({said(error, config)}); see {where} in "
            f"feature_store.yaml{unset_variables(server)}"
        ) from error


def unset_variables(text: str) -> str:
    """Name environment variables that Feast found unset, and so left as they stand."""
    names = sorted(set(re.findall(r"\$\{?(\w+)\}?", text)))
    return f"; not set in the environment: {', '.join(names)}" if names else ""


def _meaning(error: BaseException) -> str:
    if _was_refused(error):
        return REFUSED
    answer = getattr(error, "response", None) or {}
    names = [answer.get("Error", {}).get("Code"), *(kind.__name__ for kind in type(error).__mro__)]
    return next((MEANINGS[name] for name in names if name in MEANINGS), "refused this")


def _is_servers(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0] in CLIENTS


def _may_pass(error: BaseException) -> bool:
    return _is_servers(error) and _meaning(error) in (PASSING, BUSY)


def _was_refused(error: BaseException) -> bool:
    """Tell whether PostgreSQL took a password and then closed: it gives no code for that."""
    login = getattr(error, "pgconn", None)
    if login is None or getattr(error, "sqlstate", None) is not None:
        return False
    return bool(login.used_password) and "starting up" not in str(error)


def said(error: Exception, config: RepoConfig) -> str:
    """Return a server's words in one line, without what is secret."""
    words = " ".join(str(error).split())
    for secret in (_password(config.online_store), *map(os.environ.get, SECRETS)):
        words = words.replace(secret or "\0", "***")
    return "".join(c if c.isprintable() else "?" for c in words)[:300]


def _password(settings: Any) -> str:
    if found := re.search(r"password=([^,]*)", getattr(settings, "connection_string", "")):
        return found[1]
    return str(getattr(settings, "password", "") or "")
