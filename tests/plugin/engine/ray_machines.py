"""A Ray cluster for tests: a head that computes nothing and two machines of one CPU each."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def two_machines() -> Iterator[Any]:
    """Start one; its workers see the environment as it is now."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # no report to its makers
    from ray.cluster_utils import Cluster

    machine = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **machine})
    machine.pop("include_dashboard")
    made.machines = [made.add_node(num_cpus=1, **machine) for _ in range(2)]
    try:
        yield made
    finally:
        made.shutdown()
