"""A Ray cluster for tests: a head that computes nothing and two machines of one CPU each."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from tenacity import retry, retry_if_exception_message, stop_after_attempt

# What Ray says after the 30 s it gives a machine, which no setting changes and a busy one can take.
NOT_STARTED = "The current node timed out"


@contextmanager
def two_machines() -> Iterator[Any]:
    """Start one; its workers see the environment as it is now."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # no report to its makers
    made = started()
    try:
        yield made
    finally:
        made.shutdown()


@retry(
    retry=retry_if_exception_message(match=NOT_STARTED),
    stop=stop_after_attempt(5),
    reraise=True,
)
def started() -> Any:
    from ray.cluster_utils import Cluster

    before = set(psutil.Process().children(recursive=True))
    machine = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    try:
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **machine})
        machine.pop("include_dashboard")
        made.machines = [made.add_node(num_cpus=1, **machine) for _ in range(2)]
    except Exception:
        for left in set(psutil.Process().children(recursive=True)) - before:
            left.kill()
        raise
    return made
