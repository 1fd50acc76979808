import numpy as np

from embfeast.tricks.block_join import BlockJoin


def test_size_divides_by_the_root_mean_square_of_training_and_none_by_nothing(rng):
    a, b = rng.normal(size=(50, 3)) * 9, rng.normal(size=(50, 2))
    scaled = BlockJoin("size").fit([a, b]).transform([a, b])
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.square(scaled[:, :3]).mean(), 1, rtol=1e-5)
    np.testing.assert_allclose(np.square(scaled[:, 3:]).mean(), 1, rtol=1e-5)
    alike = BlockJoin("width").fit([a, b]).transform([a, b])
    np.testing.assert_allclose(np.linalg.norm(alike[:, :3], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(alike[:, 3:], axis=1), np.sqrt(2 / 3), rtol=1e-5)
    plain = BlockJoin("none").fit([a, b]).transform([a, b])
    np.testing.assert_allclose(plain, np.hstack([a, b]), rtol=1e-6)
