"""A mixture as an expert of a mixture: its whole density counts."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from skmoe import MixtureOfExpertsRegressor
from skmoe.experts import WrappedBank


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.filterwarnings(
    "ignore:EM did not converge",
    "ignore:no rows were left:UserWarning",
    "ignore:the experts .* repeat y:UserWarning",
)
def test_hard_training_asks_a_mixture_wherever_its_answer_can_matter(seed, monkeypatch):
    """The same model, to the last digit, as when every expert is asked about every row."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((150, 2))
    # A mixture's density may be of any height: what a law of its own would allow is no bound.
    pieces = np.where(X[:, 0] > 0, 2 * X[:, 1], -2 * X[:, 1]) + 0.02 * rng.standard_normal(150)
    line = 3 * X[:, 0] + 0.5 * rng.standard_normal(150)
    y = np.where(rng.uniform(size=150) < 0.5, pieces, line)
    inner = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    model = MixtureOfExpertsRegressor(
        [("mixture", inner), ("line", Ridge())], cv=None, top_k=1, n_init=2, max_iter=40
    ).set_params(random_state=0)
    own = model.fit(X, y).lower_bounds_
    update = WrappedBank.update
    monkeypatch.setattr(
        WrappedBank, "update", lambda self, w, s, alive, own_rows: update(self, w, s, alive)
    )
    np.testing.assert_array_equal(own, model.fit(X, y).lower_bounds_)
