"""
Reviews in four languages
=========================

Is a review positive or negative? The gate sees sequences of two and three letters, the experts see
words. Each language gets an expert of its own, although the language of a review is not given.
"""

# %%
# The meaning of a mark
# ---------------------
# Marks run from 6 to 1 in Germany, where 1 is best, from 0 to 20 in France, from 0 to 10 in Spain,
# and English reviews give one to five stars. Each review has a mark, words of its language, and one
# positive or negative word, which is correct four times out of five.

import re

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from skmoe import MixtureOfExpertsClassifier

WORDS = {
    "English": (
        "the hotel was near station and we stayed there with our children for two nights this"
        " summer because room had view on river breakfast"
    ),
    "German": (
        "das hotel war beim bahnhof und wir blieben dort mit unseren kindern zwei tage diesen"
        " sommer weil zimmer hatte blick auf fluss fruehstueck"
    ),
    "French": (
        "le hotel etait pres de la gare et nous avons passe deux nuits avec nos enfants cet ete"
        " parce que chambre avait vue sur riviere dejeuner"
    ),
    "Spanish": (
        "el hotel estaba cerca de la estacion y nos quedamos con nuestros hijos dos noches este"
        " verano porque habitacion tenia vista al rio desayuno"
    ),
}
BLAME_PRAISE = {
    "English": (["awful", "dirty", "noisy"], ["lovely", "clean", "quiet"]),
    "German": (["furchtbar", "schmutzig", "laut"], ["wunderbar", "sauber", "ruhig"]),
    "French": (["affreux", "sale", "bruyant"], ["charmant", "propre", "calme"]),
    "Spanish": (["horrible", "sucio", "ruidoso"], ["precioso", "limpio", "tranquilo"]),
}
MARKS = {"English": range(1, 6), "German": range(6, 0, -1)}
MARKS |= {"French": range(21), "Spanish": range(11)}
LANGUAGES = np.array(list(WORDS))


def review(language, quality, rng):
    marks = MARKS[language]
    mark = str(marks[int(quality * len(marks))])
    judgement = rng.choice(BLAME_PRAISE[language][int((quality > 0.5) ^ (rng.random() < 0.2))])
    words = [*rng.choice(WORDS[language].split(), 8, replace=False), judgement, mark]
    return " ".join(rng.permutation(words))


rng = np.random.default_rng(0)
language, quality = rng.choice(LANGUAGES, 4000), rng.uniform(size=4000)
texts = [review(*row, rng) for row in zip(language, quality, strict=True)]
praise = quality > 0.5
train, test = slice(None, 2000), slice(2000, None)
print(texts[0])

# %%
# Letters for the gate, words for the experts
# -------------------------------------------
# One sparse table contains both; marks are hidden from the gate. EM starts from four clusters of
# the rows.


def without_marks(text):
    return re.sub(r"\d", "", text)


letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), preprocessor=without_marks)
words = CountVectorizer(token_pattern=r"\S+")
letters.fit(texts[train])
words.fit(texts[train])
X = sparse.hstack([letters.transform(texts), words.transform(texts)]).tocsr()
n_letters = len(letters.vocabulary_)

mixture = MixtureOfExpertsClassifier(
    LogisticRegression(),
    n_experts=4,
    gate_features=slice(0, n_letters),
    expert_features=slice(n_letters, None),
    init="kmeans",
    random_state=0,
)
models = {
    "mixture of 4": mixture,
    "one logistic regression": LogisticRegression(max_iter=1000),
    "random forest": RandomForestClassifier(random_state=0),
}
for name, model in models.items():
    model.fit(X[train], praise[train])
    print(f"{name:40s} {model.score(X[test], praise[test]):.3f}")

# %%
# For comparison, one regression for each language is fitted to its own rows, with the language
# known:

known = np.empty(len(texts[test]), bool)
for name in LANGUAGES:
    own, new = (language[rows] == name for rows in (train, test))
    alone = LogisticRegression().fit(X[train][own], praise[train][own])
    known[new] = alone.predict(X[test][new])
print(f"{'one regression per known language':40s} {np.mean(known == praise[test]):.3f}")

# %%
# The mixture is as accurate as that. One regression is a sum over words, and cannot represent that
# a five is good in one language and bad in another. The start matters: with the default,
# ``init="auto"``, EM ends at a higher objective on the training rows, with experts that share
# languages, and is less accurate on new rows:

default = clone(mixture).set_params(init="auto")
default.fit(X[train], praise[train])
print(f"{'mixture from default starts':40s} {default.score(X[test], praise[test]):.3f}")
print(f"objective: clusters {mixture.lower_bound_:.3f}, default {default.lower_bound_:.3f}")

# %%
# The language of each expert, and its coefficients
# -------------------------------------------------
# Left: held-out reviews by language and expert. Right: the coefficients of the marks from 1 to 6.
# In French reviews all of them are negative; a six is positive in Spain, negative in Germany, and
# does not occur in English.

expert = mixture.apply(X[test])
table = np.array([np.bincount(expert[language[test] == name], minlength=4) for name in LANGUAGES])
print(table)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.imshow(table, cmap="Blues", vmax=1.5 * table.max())
for (i, k), count in np.ndenumerate(table):
    left.text(k, i, count, ha="center", va="center")
left.set_xticks(range(4), [f"expert {k}" for k in range(4)])
left.set_yticks(range(4), LANGUAGES)
marks = np.arange(1, 7)
columns = [words.vocabulary_[str(mark)] for mark in marks]
colors = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
for k, marker in enumerate("osD^"):
    reads = LANGUAGES[table[:, k].argmax()]
    coef = mixture.experts_[k].coef_[0, columns]
    right.plot(marks, coef, marker=marker, color=colors[k], label=f"expert {k}: {reads}")
right.axhline(0, color="0.7", zorder=0)
right.set(xlabel="mark", ylabel="coefficient: praise above zero")
right.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
plt.show()
