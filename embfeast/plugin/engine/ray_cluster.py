"""A Ray cluster, reached or started here: what goes wrong is said in a line."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from embfeast.errors import EmbfeastError
from embfeast.plugin import feast_compat

REACH_SECONDS = 5


def import_ray() -> Any:
    """Import Ray.

    Raises
    ------
    EmbfeastError
        It is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise EmbfeastError(
            'executor: ray needs Ray, which is not installed: pip install "embfeast[ray]", or set '
            "executor: local in feature_store.yaml"
        ) from error
    return ray


@contextmanager
def connected(ray: Any, address: str | None, cpus: int) -> Iterator[None]:
    """Connect to a cluster, or start one here, unless this process has done so already."""
    if ray.is_initialized():
        yield
        return
    own: dict[str, Any] = {}
    if address is None:
        own = {"include_dashboard": False, "num_cpus": max(cpus, os.cpu_count() or 1)}
    _connect(ray, address, address or "local", own)
    try:
        yield
    finally:
        ray.shutdown()


def stay_connected(ray: Any, address: str | None) -> None:
    """Connect for as long as this process lives, unless it has done so already.

    Without an address to the cluster that Ray finds by itself, else to one that it starts here.
    """
    if not ray.is_initialized():
        _connect(ray, address, address, {})


def _connect(ray: Any, address: str | None, given: str | None, options: dict[str, Any]) -> None:
    if address is None:
        # Ray reports to its makers unless told otherwise, which nobody has asked for.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    elif address != "auto":
        _check_reachable(ray, address)
    try:
        with _own_signals():
            ray.init(given, log_to_driver=True, logging_level="ERROR", **options)
    except Exception as error:  # of many kinds: no cluster, another version, a wrong token
        raise _unreachable(address, error) from error


def _check_reachable(ray: Any, address: str) -> None:
    """Find out in seconds what Ray takes minutes to say, and then ends the process for."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
        feast_compat.ray_health(ray, address)
    except (OSError, ray.exceptions.RaySystemError, ray.exceptions.RpcError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str | None, error: Exception) -> EmbfeastError:
    said = str(error).strip().splitlines()
    return EmbfeastError(
        f"Ray cluster {address or '(local)'} (ray_address) cannot be used: "
        f"{said[0] if said else type(error).__name__}; start one with `ray start --head`, and "
        "where it asks for a token set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN here as well"
    )


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our own answer to SIGTERM, which Ray replaces when it connects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def why(error: Exception) -> EmbfeastError:
    """Return what stopped a task: the user's mistake as it is, Ray's in a line."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, EmbfeastError):
        return cause
    said = str(cause or error).strip().splitlines()
    return EmbfeastError(
        f"a Ray worker failed: {said[-1] if said else type(error).__name__}",
        "what was written is whole, run again",
    )
