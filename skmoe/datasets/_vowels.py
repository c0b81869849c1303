"""Four vowels of men, women and children, given by their first two formants."""

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ._checks import check_integer

VOWELS = np.array(["i", "I", "a", "A"])

#: F1 and F2 in hertz, of men, women and children (rows) for each vowel: Peterson and Barney (1952).
MEANS = np.array(
    [
        [[270, 2290], [390, 1990], [730, 1090], [640, 1190]],
        [[310, 2790], [430, 2480], [850, 1220], [760, 1400]],
        [[370, 3200], [530, 2730], [1030, 1370], [850, 1590]],
    ]
)
#: Numbers of men, women and children in the study.
_SPEAKERS = np.array([33, 28, 15])
#: Standard deviations of log F1 and log F2, of high vowels (i, I) and of low ones (a, A): between
#: speakers of a kind, of what is peculiar to one speaker's vowel, and between two repetitions.
SPREADS = np.array(
    [
        [[0.08, 0.04], [0.055, 0.06]],
        [[0.08, 0.04], [0.05, 0.04]],
        [[0.08, 0.027], [0.05, 0.04]],
    ]
)
#: Correlation of F1 and F2 between speakers: a longer throat lowers both formants of low vowels.
CORRELATION = np.array([0.0, 0.9])


def make_vowels(
    n_speakers: int = 76, *, random_state: int | np.random.RandomState | None = None
) -> tuple[NDArray[np.float64], NDArray[np.str_], NDArray[np.intp]]:
    """Draw the formants of four vowels, spoken twice by men, women and children.

    Kinds of speakers come in the shares of [1]_, 33 men, 28 women and 15 children, and the means
    of the first two formants F1 and F2 of each kind and vowel are the published ones. Around them
    logarithms of formants are normal. Their standard deviations for F1 and F2 are about those of
    the recordings of [1]_, and differ between high vowels [i], [I] and low ones [a], [A]:

    ============================================  ===========  ============
    Standard deviation                            high         low
    ============================================  ===========  ============
    between speakers of a kind                    0.08, 0.04   0.055, 0.06
    of what is peculiar to one speaker's vowel    0.08, 0.04   0.05, 0.04
    between two repetitions                       0.08, 0.027  0.05, 0.04
    ============================================  ===========  ============

    Between speakers F1 and F2 of low vowels have a correlation of 0.9; all else is independent.
    Recorded vowels are not normal: they are easier to separate than normal ones with the same
    moments. Low vowels therefore have a little less spread than in the recordings, and a higher
    correlation.
    ``tests/benchmarks/vowels.py`` in a checkout prints the recorded moments.

    The vowels are those of the first experiment with mixtures of experts [2]_: [i] as in heed,
    [I] as in hid, [a] as in hod, and [A] as in hud.

    Parameters
    ----------
    n_speakers : int, default=76
        Number of speakers, each with eight rows.

    random_state : int, RandomState instance or None, default=None
        Seed of all draws.

    Returns
    -------
    X : ndarray of shape (8 * n_speakers, 2)
        F1 and F2, in hertz.

    y : ndarray of shape (8 * n_speakers,)
        Vowels: "i", "I", "a" or "A".

    speakers : ndarray of shape (8 * n_speakers,)
        Numbers of the speakers, from 0: men first, then women, then children. Rows of one
        speaker belong on one side of a split.

    Raises
    ------
    ValueError
        If ``n_speakers`` is less than 1, or ``random_state`` cannot be used to seed.
    TypeError
        If ``n_speakers`` is not an integer.

    References
    ----------
    .. [1] G. E. Peterson, H. L. Barney, "Control methods used in a study of the vowels", Journal
           of the Acoustical Society of America 24(2), 1952, pages 175-184.

    .. [2] R. A. Jacobs, M. I. Jordan, S. J. Nowlan, G. E. Hinton, "Adaptive mixtures of local
           experts", Neural Computation 3(1), 1991, pages 79-87.

    Examples
    --------
    >>> from skmoe.datasets import make_vowels
    >>> X, y, speakers = make_vowels(random_state=0)
    >>> X.shape, len(set(speakers))
    ((608, 2), 76)
    >>> print(X[y == "i"].mean(axis=0) > X[y == "a"].mean(axis=0))
    [False  True]
    """
    check_integer("n_speakers", n_speakers, minimum=1)
    rng = check_random_state(random_state)
    # Speakers, high and low, two vowels of each, repetitions, formants.
    between = rng.standard_normal((n_speakers, 2, 1, 1, 2))
    between[..., 1] *= np.sqrt(1 - CORRELATION**2)[:, np.newaxis, np.newaxis]
    between[..., 1] += CORRELATION[:, np.newaxis, np.newaxis] * between[..., 0]
    own = rng.standard_normal((n_speakers, 2, 2, 1, 2))
    again = rng.standard_normal((n_speakers, 2, 2, 2, 2))
    spreads = SPREADS[:, :, np.newaxis, np.newaxis]
    # Half a variance is subtracted, as the mean of a log-normal number is above its median.
    noise = sum(s * z - s**2 / 2 for s, z in zip(spreads, (between, own, again), strict=True))
    X = MEANS[_kinds(n_speakers)][:, :, np.newaxis] * np.exp(noise).reshape(n_speakers, 4, 2, 2)
    y = np.tile(np.repeat(VOWELS, 2), n_speakers)
    return X.reshape(-1, 2), y, np.repeat(np.arange(n_speakers), 8)


def _kinds(n_speakers: int) -> NDArray[np.intp]:
    """Return 0, 1 or 2 for each speaker, in the shares of the study."""
    places = (np.arange(n_speakers) + 0.5) * (_SPEAKERS.sum() / n_speakers)
    return np.searchsorted(np.cumsum(_SPEAKERS), places)
