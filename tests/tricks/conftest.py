import numpy as np
import pytest


def embedding_like(rows: int, width: int = 384, seed: int = 0) -> np.ndarray:
    """Unit vectors with a falling spectrum, three empty dimensions and clusters, as real ones."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(6, width))
    spectrum = np.linspace(1.0, 0.1, width)
    X = (0.6 * centres[rng.integers(6, size=rows)] + rng.normal(size=(rows, width))) * spectrum
    X[:, [width // 3, width // 2, width - 1]] = 0
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="package")
def X():  # noqa: N802 - the name that tests of estimators expect
    return embedding_like(600)
