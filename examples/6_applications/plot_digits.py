"""
The shapes of each expert
=========================

The rows are images of handwritten digits. The gate uses two principal components of the images, and
the logistic experts use every pixel.
"""

# %%
# Four experts and two other models
# ---------------------------------
# The images have 8 by 8 pixels, and half of them are held out. A gate with two components cannot
# recognise the digit; it divides the images by shape. All logistic regressions have the same
# penalty. The log score is the mean log-probability of the true digit: higher is better.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skmoe import MixtureOfExpertsClassifier
from skmoe.gates import SoftmaxGate

X, y = load_digits(return_X_y=True)
X = X / 16
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

mixture = MixtureOfExpertsClassifier(
    LogisticRegression(C=10, max_iter=1000),
    n_experts=4,
    gate=make_pipeline(PCA(2), SoftmaxGate()),
    random_state=0,
)
models = {
    "mixture of 4": mixture,
    "one logistic regression": LogisticRegression(C=10, max_iter=1000),
    "random forest": RandomForestClassifier(random_state=0),
}
for name, model in models.items():
    model.fit(X_train, y_train)
    probability = model.predict_proba(X_test)[np.arange(len(y_test)), y_test]
    print(
        f"{name:24s} accuracy {model.score(X_test, y_test):.3f}"
        f"   log score {np.log(probability).mean():.3f}"
    )

# %%
# Both scores of the mixture are a little better than those of a single logistic regression. The
# forest classifies as many digits correctly, but its probabilities are far from certain, which
# lowers its log score.

# %%
# The mean image of each expert
# -----------------------------
# The figure shows the mean image of held-out rows by the most probable expert (rows) and by digit
# (columns), with the number of images; there is no image for fewer than five. The gate has learned
# shapes, not digits: an upright one belongs to another expert than a one with a flag.

expert = mixture.apply(X_test)
figure, axes = plt.subplots(4, 10, figsize=(10, 4.6), layout="constrained")
for k, row in enumerate(axes):
    for digit, ax in enumerate(row):
        images = X_test[(expert == k) & (y_test == digit)]
        ax.set(xticks=[], yticks=[])
        ax.set_frame_on(False)
        if len(images) >= 5:
            ax.imshow(images.mean(axis=0).reshape(8, 8), cmap="gray_r")
            ax.set_xlabel(len(images))
    row[0].set_ylabel(f"expert {k}")
for digit, ax in enumerate(axes[0]):
    ax.set_title(digit)
plt.show()
