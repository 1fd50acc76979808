"""Lookups: stored features beside a bare Feast lookup, live features beside the encoder alone."""

import tempfile
from functools import partial
from pathlib import Path

import yaml
from feast import FeatureStore

from benchmarks.measure import Row, compared, milliseconds
from benchmarks.repository import make_repository, materialize_all
from benchmarks.texts import texts
from embfeast import Encoder

TEXTS = 1_000
LOOKUPS = 2_000
BLOCK = 100
SINGLE = 400  # texts of live lookups
VECTORS = ("ticket_embedding", "ticket_reduced")
SCALARS = ("ticket_similarity", "ticket_cluster")


def online() -> list[Row]:
    """One row of two vectors and thirty scalars, from SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "repo", TEXTS)
        materialize_all(repo)
        ours = FeatureStore(repo_path=str(repo))
        theirs = _bare(repo)
        features = _features(ours)
        own: list[float] = []
        other: list[float] = []
        # In blocks: Feast forgets what a request means when another store of the process is asked.
        for first in range(0, LOOKUPS, BLOCK):
            for store, spent in ((ours, own), (theirs, other)):
                rows = [[{"ticket_id": 1 + (first + i) % TEXTS}] for i in range(BLOCK)]
                asked = partial(store.get_online_features, features=features)
                times = [milliseconds(partial(asked, entity_rows=row)) for row in rows]
                spent += times[BLOCK // 10 :]
    return [compared("online", "a bare Feast lookup", own, other, "ms p50", "<= 1.1")]


def live() -> list[Row]:
    """All features of a text that nobody has stored."""
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "repo", TEXTS)
        store = FeatureStore(repo_path=str(repo))
        service = store.get_feature_service("triage_live")
        encoder = Encoder(threads=1)  # as a served recipe has it
        own: list[float] = []
        other: list[float] = []
        for text in texts(TEXTS + SINGLE)[TEXTS:]:
            row = [{"text": text}]
            look_up = partial(store.get_online_features, features=service, entity_rows=row)
            own.append(milliseconds(look_up))
            other.append(milliseconds(partial(encoder.encode, [text])))
    against = "Encoder.encode of the same text, one thread"
    return [compared("live", against, own[20:], other[20:], "ms p50", "<= 1.4")]


def _features(store: FeatureStore) -> list[str]:
    features = []
    for name in (*VECTORS, *SCALARS):
        view = store.get_feature_view(name)
        own = [field.name for field in view.features if field.name != f"{name}_digest"]
        features += [f"{name}:{field}" for field in own[:15]]
    return features


def _bare(repo: Path) -> FeatureStore:
    """Return the same stores under Feast's own provider."""
    settings = yaml.safe_load((repo / "feature_store.yaml").read_text())
    settings["provider"] = "local"
    other = repo / "bare.yaml"
    other.write_text(yaml.safe_dump(settings))
    return FeatureStore(repo_path=str(repo), fs_yaml_file=other)
