"""Vowels: formants with the published means, and a mixture as good as the first one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GroupShuffleSplit

from skmoe import MixtureOfExpertsClassifier
from skmoe.datasets import make_vowels

# Peterson and Barney (1952), table II: men, women, children.
F1 = {"i": (270, 310, 370), "I": (390, 430, 530), "a": (730, 850, 1030), "A": (640, 760, 850)}
F2 = {"i": (2290, 2790, 3200), "I": (1990, 2480, 2730)}
F2 |= {"a": (1090, 1220, 1370), "A": (1190, 1400, 1590)}
PUBLISHED = np.stack([list(F1.values()), list(F2.values())], axis=-1).swapaxes(0, 1)

# The table of the docstring: high vowels, low ones.
BETWEEN = [[0.08, 0.04], [0.055, 0.06]]
OWN = [[0.08, 0.04], [0.05, 0.04]]
AGAIN = [[0.08, 0.027], [0.05, 0.04]]


@pytest.fixture(scope="module")
def many():
    """Formants (speakers, vowels, repetitions, formants), and the kinds of their speakers."""
    X, y, speakers = make_vowels(76_000, random_state=0)
    assert_array_equal(y.reshape(-1, 8), np.tile(np.repeat(list(F1), 2), (76_000, 1)))
    assert_array_equal(speakers.reshape(-1, 8), np.repeat(np.arange(76_000), 8).reshape(-1, 8))
    return X.reshape(-1, 4, 2, 2), np.repeat(np.arange(3), [33_000, 28_000, 15_000])


def test_means_are_the_published_ones(many):
    X, kinds = many
    for kind in range(3):
        means = X[kinds == kind].mean(axis=2)
        error = means.std(axis=0) / np.sqrt((kinds == kind).sum())
        assert np.abs((means.mean(axis=0) - PUBLISHED[kind]) / error).max() < 4.75


def test_spreads_are_those_of_the_docstring(many):
    X, kinds = many
    Z = np.log(X / PUBLISHED[kinds][:, :, np.newaxis]).reshape(-1, 2, 2, 2, 2)
    # Speakers, heights, vowels, repetitions, formants: what is left when one more is averaged.
    again = Z.var(axis=3, ddof=1).mean(axis=(0, 2))
    own = Z.mean(axis=3).var(axis=2, ddof=1).mean(axis=0)
    of_speakers = Z.mean(axis=(2, 3))
    between = of_speakers.var(axis=0)
    parts = [between - own / 2, own - again / 2, again]
    assert_allclose(np.sqrt(parts), [BETWEEN, OWN, AGAIN], rtol=0.02)
    covariance = [np.cov(of_speakers[:, height].T)[0, 1] for height in range(2)]
    assert_allclose(covariance, [0, 0.9 * 0.055 * 0.06], atol=1e-4)


def test_four_experts_reach_the_published_accuracy_in_tens_of_iterations():
    # Jacobs et al. (1991): 90 % of the vowels of new speakers, after about 1,100 epochs.
    scores = []
    for seed in range(5):
        X, y, speakers = make_vowels(400, random_state=seed)
        split = GroupShuffleSplit(1, train_size=57, random_state=seed)
        train, test = next(split.split(X, y, speakers))
        model = MixtureOfExpertsClassifier(n_experts=4, gate="gaussian", random_state=0)
        scores.append(model.fit(X[train], y[train]).score(X[test], y[test]))
        assert model.converged_
        assert model.n_iter_ < 100
    assert np.mean(scores) >= 0.9


def test_same_seed_same_voices():
    first, again = (make_vowels(5, random_state=seed) for seed in (3, np.random.RandomState(3)))
    for a, b in zip(first, again, strict=True):
        assert_array_equal(a, b)
    assert not np.any(make_vowels(5, random_state=4)[0] == first[0])


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (2.0, TypeError)])
def test_bad_number_of_speakers_is_named(value, error):
    with pytest.raises(error, match=f"n_speakers must be an integer >= 1, got {value}"):
        make_vowels(value)
