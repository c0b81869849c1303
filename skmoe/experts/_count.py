"""How many free parameters a fitted expert has."""

from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)

from .._data.pipelines import last_step


def count_parameters(estimator):
    """Number of free parameters of a fitted expert, or NaN where it is not known.

    Coefficients and intercepts of linear models, whatever their penalty; one class of
    a multinomial logistic regression is the reference of the others. Any other expert
    may say itself, as gates do: ``n_parameters_``.
    """
    estimator = last_step(estimator)
    if isinstance(estimator, (LinearRegression, Ridge, PoissonRegressor, GammaRegressor)):
        outputs = 1 if estimator.coef_.ndim == 1 else len(estimator.coef_)
        return estimator.coef_.size + (outputs if estimator.fit_intercept else 0)
    if isinstance(estimator, LogisticRegression):
        n_classes, n_features = len(estimator.classes_), estimator.coef_.shape[1]
        return (n_classes - 1) * (n_features + bool(estimator.fit_intercept))
    return getattr(estimator, "n_parameters_", float("nan"))
