"""The methods that the accuracy benchmark compares."""

import numpy as np
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.gates import ConstantGate, SoftmaxGate
from skmoe.responses import Gaussian
from tests.benchmarks._accuracy_plain import QuadraticMixture, logistic_mixture, quadratic
from tests.benchmarks._accuracy_scores import Predictive
from tests.benchmarks._accuracy_sharpened import Sharpened

try:
    from ngboost import NGBRegressor
except ImportError:
    NGBRegressor = None

#: Tables with fewer training rows have one pool of regressors, others another.
FEW = 3000

#: Members that a quick run keeps.
LIGHT = {"quadratic", "svr", "svc", "ridge"}


def contestants(problem, rows, folds, ledger, quick=False):
    """Methods for a table.

    Parameters
    ----------
    problem : Problem
    rows : int
        Number of training rows.
    folds : list of (train, test)
        Of the training rows: how pool and stacking ask their members.
    ledger : Ledger
    quick : bool
        Whether to leave out what takes long.

    Returns
    -------
    methods : dict of str to estimator
    members : dict of str to estimator
        Of the pool.
    """
    if problem.labels:
        members, others, pools = _members_of_classifier(), _classifiers(), _classifier_pools
        stacking = StackingClassifier, LogisticRegression(max_iter=2000)
    else:
        members, others, pools = _members(problem.name, rows), _regressors(), _regressor_pools
        stacking = StackingRegressor, RidgeCV()
    members, others = (
        {name: ledger.remembered(one) for name, one in group.items() if not quick or _light(name)}
        for group in (members, others)
    )
    stacked = stacking[0](list(members.items()), stacking[1], cv=folds)
    plain = {"mixture, plain": logistic_mixture()} if problem.labels else _quadratics(quick)
    methods = {**others, "stacking of the pool": stacked, **plain, **pools(members, folds)}
    return methods, members


def _quadratics(quick):
    chosen = QuadraticMixture((1, 2)) if quick else QuadraticMixture()
    return {"one quadratic model": QuadraticMixture((1,)), "mixture, plain": chosen}


def _light(name):
    return name in LIGHT or name[0].isupper()


# --------------------------------------------------------------------------- regression


def _regressors():
    methods = {
        "Ridge": make_pipeline(StandardScaler(), Ridge()),
        "RandomForest": RandomForestRegressor(random_state=0),
        "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
    }
    if NGBRegressor is not None:
        methods["NGBoost"] = NGBRegressor(verbose=False, random_state=0)
    return methods


def _members(name, rows):
    both = {
        "forest": RandomForestRegressor(200, max_features=0.5, random_state=0),
        "quadratic": quadratic(RidgeCV(np.logspace(-3, 3, 13))),
    }
    if rows < FEW:
        return both | {
            "boosting": TransformedTargetRegressor(
                _boosting(600, 5, 16), transformer=PowerTransformer()
            ),
            "extra trees": ExtraTreesRegressor(300, max_features=1.0, random_state=0),
            "svr": make_pipeline(
                QuantileTransformer(n_quantiles=100, random_state=0),
                StandardScaler(),
                TransformedTargetRegressor(
                    SVR(C=100, gamma=0.3, epsilon=0.02), transformer=StandardScaler()
                ),
            ),
        }
    many = both | {
        "boosting": _boosting(600, 5, 16),
        "short boosting": _boosting(150, 20, 16),
        "long boosting": _boosting(1500, 5, 31),
    }
    return many | {"mixture": _mixture_of_quadratics()} if name == "kin8nm" else many


def _boosting(rounds, rows_of_a_leaf, leaves):
    return HistGradientBoostingRegressor(
        learning_rate=0.05,
        max_iter=rounds,
        min_samples_leaf=rows_of_a_leaf,
        max_leaf_nodes=leaves,
        random_state=0,
    )


def _mixture_of_quadratics():
    """A mixture that the pool knows by its mean only, and gives scales like any other member."""
    expert = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(), Ridge(1.0))
    mixture = MixtureOfExpertsRegressor(expert, n_experts=16, n_init=3, average=3, random_state=0)
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), mixture))


def _pool(members, folds, alpha):
    """A mixture that learns where to trust which member, and how far."""
    spline = SplineTransformer(n_knots=4, degree=2, include_bias=False, knots="quantile")
    return MixtureOfExpertsRegressor(
        list(members.items()),
        gate=make_pipeline(spline, SoftmaxGate(alpha=alpha)),
        response=Gaussian(prior=1, prior_scale=0.02, n_scales=3),
        specialize=False,
        cv=folds,
        random_state=0,
    )


def _regressor_pools(members, folds):
    return {"mixture, pool": _pool(members, folds, alpha=10)}


def four(ledger, folds, quick=False):
    """Two ways to join four usual regressors: scikit-learn's stacking, and a mixture's gate.

    Parameters
    ----------
    ledger : Ledger
    folds : list of (train, test)
    quick : bool

    Returns
    -------
    dict of str to estimator
    """
    usual = _regressors() | {"svr": make_pipeline(StandardScaler(), SVR())}
    usual.pop("NGBoost", None)
    members = {
        name: ledger.remembered(one)
        for name, one in usual.items()
        if not quick or name.lower() in LIGHT
    }
    stacked = StackingRegressor(list(members.items()), RidgeCV(), cv=folds)
    return {"stacking": stacked, "mixture": _pool(members, folds, alpha=30)}


def predict_distribution(model, members, X, y, folds, X_new):
    """What a fitted regressor says of y in new rows.

    One that predicts points is given a normal distribution, whose constant variance is that of
    its errors out of fold. For a stacking they are those of its last step on what the members
    say out of fold, which it is fitted to: five folds within five would ask for much more.

    Parameters
    ----------
    model : fitted estimator
    members : dict of str to estimator
        Unfitted, of a stacking.
    X, y : ndarray
        The training rows.
    folds : list of (train, test)
    X_new : ndarray

    Returns
    -------
    Predictive
    """
    if hasattr(model, "__skmoe_components__"):
        weights, answers, dispersion = model.__skmoe_components__(X_new)
        return Predictive(weights, answers[:, :, 0], dispersion[:, 0])
    if hasattr(model, "pred_dist"):
        known = model.pred_dist(X_new).params
        return Predictive.normal(known["loc"], known["scale"])
    if hasattr(model, "final_estimator_"):
        said = [cross_val_predict(one, X, y, cv=folds) for one in members.values()]
        apart = cross_val_predict(model.final_estimator, np.column_stack(said), y, cv=folds)
    else:
        apart = cross_val_predict(model, X, y, cv=folds)
    return Predictive.normal(model.predict(X_new), np.sqrt(np.mean((y - apart) ** 2)))


# ----------------------------------------------------------------------- classification


def _classifiers():
    return {
        "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        "RandomForest": RandomForestClassifier(random_state=0),
        "HistGradientBoosting": HistGradientBoostingClassifier(random_state=0),
    }


def _members_of_classifier():
    return {
        "quadratic": quadratic(LogisticRegression(C=0.1, max_iter=2000)),
        "forest": RandomForestClassifier(200, random_state=0),
        "extra trees": ExtraTreesClassifier(300, random_state=0),
        "svc": make_pipeline(StandardScaler(), calibrated(SVC(C=3))),
        "network": make_pipeline(
            StandardScaler(), MLPClassifier((50,), alpha=0.1, max_iter=300, random_state=0)
        ),
        "boosting": HistGradientBoostingClassifier(
            learning_rate=0.06,
            max_iter=80,
            max_leaf_nodes=8,
            min_samples_leaf=10,
            l2_regularization=1.0,
            random_state=0,
        ),
    }


def calibrated(classifier):
    """A classifier whose probabilities are fitted to what it says out of fold.

    Parameters
    ----------
    classifier : classifier

    Returns
    -------
    CalibratedClassifierCV
    """
    known = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 8)
    method = "temperature" if known else "sigmoid"
    return CalibratedClassifierCV(classifier, method=method, ensemble=False)


def _classifier_pools(members, folds):
    """Each member stands there twice, as it is and sharpened: the gate weighs both."""
    sharp = {f"sharp {name}": Sharpened(one) for name, one in members.items()}
    settings = {"specialize": False, "cv": folds, "random_state": 0}
    gates = {"mixture, pool": ConstantGate(), "the same, softmax gate": SoftmaxGate(alpha=30)}
    return {
        name: MixtureOfExpertsClassifier(list((members | sharp).items()), gate=gate, **settings)
        for name, gate in gates.items()
    }
