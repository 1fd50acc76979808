"""What every test may use: the real model, opened once."""

import os
from pathlib import Path

import numpy as np
import pytest

from embfeast import Encoder


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
