"""Train a classifier on a point-in-time training set: `python scripts/train.py --label category`.

Compares the service's features with the raw embedding alone and with the majority class, on rows
after the recipe's cutoff.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import duckdb
import numpy as np
import pandas as pd
import skops.io
import typer
from feast import FeatureStore
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from console import console, run
from embfeast import EmbfeastError
from embfeast.recipe.versions import load_current

REPO = Path("feature_repo")
SERVICE = "triage"
RAW = "embedding"
PENALTIES = (1.0, 30.0)


@dataclass
class Model:
    """A classifier, the columns of the training set that it reads, and the numbers in each."""

    features: list[str]
    widths: list[int]
    pipeline: Pipeline

    def answer(self, features: dict[str, Any]) -> str:
        """Return the class of one looked-up row."""
        if lacking := [name for name in self.features if name not in features]:
            raise EmbfeastError(
                f"the model was trained on {', '.join(lacking)}, which the recipe no longer makes",
                "run scripts/train.py again",
            )
        return str(self.predict(pd.DataFrame([features]))[0])

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the class of each row."""
        return self.pipeline.predict(matrix(frame, self.features, self.widths))


def training_set(repo: Path, label: str) -> pd.DataFrame:
    """Return labels with their features as they were known at each label's own time."""
    store = FeatureStore(repo_path=str(repo))
    with duckdb.connect(str(repo / "data" / "tickets.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        columns = [row[0] for row in connection.execute("DESCRIBE labels").fetchall()]
        if label not in columns:
            raise EmbfeastError(f"labels have no column {label!r}; they have {', '.join(columns)}")
        labels = connection.execute(
            "SELECT ticket_id, label_timestamp AS event_timestamp, "
            f'"{label}" AS label FROM labels WHERE "{label}" IS NOT NULL'
        ).df()
    if labels.empty:
        raise EmbfeastError(f"no row has a label {label!r}; load a file with --label")
    return store.get_historical_features(
        entity_df=labels,
        features=store.get_feature_service(SERVICE),
        filter_by_created_timestamp=True,
    ).to_df()


def cutoff_of(repo: Path) -> pd.Timestamp:
    """Return the moment before which the current recipe has read."""
    return pd.Timestamp(load_current(repo / "data" / "recipes").record.as_of)


def train(frame: pd.DataFrame, cutoff: pd.Timestamp) -> tuple[Model, str]:
    """Train on the labels known before the cutoff; say how accurate it is on those after it."""
    before = (frame["event_timestamp"] < cutoff).to_numpy()
    if not before.any() or before.all():
        raise EmbfeastError(
            f"all labels are on one side of the cutoff {cutoff}; fit with another --as-of"
        )
    past, future = frame[before], frame[~before]
    model = _fit(past, feature_columns(frame))
    answers = past["label"].mode()[0], _fit(past, [RAW]).predict(future), model.predict(future)
    majority, raw, everything = (np.mean(future["label"] == answer) for answer in answers)
    return model, (
        f"{len(past):,} rows before the cutoff, {len(future):,} after; accuracy majority "
        f"{majority:.3f}, raw embedding {raw:.3f}, all features {everything:.3f}"
    )


def feature_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a training set that are features."""
    known = {"ticket_id", "event_timestamp", "label"}
    return [c for c in frame.columns if c not in known and not c.endswith("_digest")]


def matrix(frame: pd.DataFrame, features: list[str], widths: list[int]) -> np.ndarray:
    """Lay vectors and numbers side by side; a missing text is a row of zeros."""
    blocks = []
    for feature, width in zip(features, widths, strict=True):
        block = np.zeros((len(frame), width), dtype=np.float32)
        for row, value in enumerate(frame[feature].to_numpy()):
            if value is not None and np.all(np.isfinite(value)):
                block[row] = value
        blocks.append(block)
    return np.hstack(blocks)


def save(model: Model, path: Path) -> None:
    """Write the model without pickle, so that reading it runs no code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    skops.io.dump(vars(model), path)


def load(path: Path) -> Model:
    """Read a model written by `save`."""
    if not path.exists():
        raise EmbfeastError(f"{path} holds no model; run scripts/train.py first")
    return Model(**skops.io.load(path))


def _fit(frame: pd.DataFrame, features: list[str]) -> Model:
    """Fit with the penalty that does best on the latest fifth of the training rows."""
    frame = frame.sort_values("event_timestamp", kind="stable")
    # A column that is always missing is taken for one number.
    present = [frame[feature].dropna() for feature in features]
    widths = [int(np.size(one.iloc[0])) if len(one) else 1 for one in present]
    X, y = matrix(frame, features, widths), frame["label"].to_numpy()
    early = max(1, int(0.8 * len(y)))
    tried = {}
    if early < len(y) and len(set(y[:early])) > 1:
        for C in PENALTIES:
            candidate = _classifier(widths, C).fit(X[:early], y[:early])
            tried[C] = candidate.score(X[early:], y[early:])
    best = max(tried, key=tried.__getitem__) if tried else PENALTIES[0]
    return Model(features, widths, _classifier(widths, best).fit(X, y))


def _classifier(widths: list[int], C: float) -> Pipeline:
    return make_pipeline(_blocks(widths), LogisticRegression(C=C, max_iter=300))


def _blocks(widths: list[int]) -> ColumnTransformer:
    """Bring each vector, and all single numbers together, to one size, and the whole to length 1.

    Joined as they are, the block with the largest numbers would decide alone, and one penalty
    would not suit few blocks and many.
    """
    starts = np.cumsum([0, *widths[:-1]])
    numbers = [int(start) for start, width in zip(starts, widths, strict=True) if width == 1]
    steps: list[tuple[str, Any, list[int]]] = [
        (f"from_{start}", Normalizer(), list(range(start, start + width)))
        for start, width in zip(starts, widths, strict=True)
        if width > 1
    ]
    steps += [("numbers", StandardScaler(), numbers)] if numbers else []
    weights = {name: 1 / np.sqrt(len(steps)) for name, _, _ in steps}
    if numbers:
        weights["numbers"] /= np.sqrt(len(numbers))
    return ColumnTransformer(steps, transformer_weights=weights)


def main(
    label: Annotated[str, typer.Option(help="Column of the labels table.")] = "category",
    repo: Annotated[Path, typer.Option(help="The feature repository.")] = REPO,
) -> None:
    """Train on a point-in-time training set and score on later rows."""
    with console.status("reading the training set"):
        frame = training_set(repo, label)
    with console.status("training"):
        model, accuracy = train(frame, cutoff_of(repo))
    save(model, repo / "data" / f"{label}.skops")
    console.print(f"{label}: {accuracy}")


if __name__ == "__main__":
    run(main)
