"""What every test may use: the real model, opened once."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from embfeast import Encoder

pytest_plugins = ["tests.small_repository", "tests.object_storage", "tests.stores"]

# A minute or more each: they begin, so that of two processes none works on alone at the end.
LONG = [
    *["test_docs.py", "doors/test_push.py", "doors/test_entity_frame.py"],
    *["scripts/test_feature_repo.py", "docs/test_site.py", "doors/test_init.py"],
    *["doors/test_http.py", "doors/test_lookup.py", "tricks/test_trick.py"],
    *["tricks/test_embedding_reducer.py", "reliability/test_crashes.py"],
    *["reliability/test_disasters.py", "tables/test_object_storage.py"],
    *["reliability/test_bad_servers.py", "reliability/test_hostile_text.py"],
    *["evaluation/test_evaluate.py", "test_upstream.py", "scaffold/test_round_trip.py"],
    *["plugin/engine/test_ray_executor.py", "plugin/engine/test_push.py", "plugin/test_serving.py"],
    *["repository/test_version_commands.py", "commands/test_doctor.py", "test_examples.py"],
    *["scripts/test_feature_repo_stores.py", "scripts/test_feast_ui.py", "report/test_page.py"],
    *["test_repository.py", "test_main_job.py", "test_package.py"],
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture(scope="session")
def banking() -> list[str]:
    """Real queries where the development data lies beside the checkout, else a skip."""
    path = Path(__file__).parents[2] / "shared" / "data" / "banking77_train.csv"
    if not path.exists():
        pytest.skip("the Banking77 file is not beside this checkout")
    import pandas as pd

    return pd.read_csv(path)["text"].tolist()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_feast_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "FEAST_USAGE", "False")


@pytest.fixture(scope="session")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], np.ndarray]:
    """Short texts of the sample with their categories."""
    import duckdb

    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    from make_sample import make_sample

    path = tmp_path_factory.mktemp("tickets") / "tickets.duckdb"
    make_sample(path, 900, 3)
    with duckdb.connect(str(path), read_only=True) as database:
        rows = database.sql(
            "SELECT left(body, 120), category FROM tickets JOIN labels USING (ticket_id) "
            "WHERE trim(body) <> '' ORDER BY ticket_id, tickets.event_timestamp"
        ).fetchall()
    return [text for text, _ in rows[:900]], np.array([label for _, label in rows[:900]])
