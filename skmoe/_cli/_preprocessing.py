"""Preprocessing: numbers, categories and missing values become numeric columns."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ._problem import Problem

# Largest number of one-hot columns of one feature; rarer values share the last one.
_MAX_CATEGORIES = 20


def make_preprocessing(problem: Problem) -> ColumnTransformer:
    """Return a transformer: medians and an indicator where missing, scaling, one-hot codes."""
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )
    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=_MAX_CATEGORIES,
        sparse_output=False,
        feature_name_combiner=_category_name,
    )
    return ColumnTransformer(
        [
            ("numbers", numbers, np.flatnonzero(problem.is_number)),
            ("categories", categories, np.flatnonzero(~problem.is_number)),
        ]
    )


def _category_name(feature: str, category: object) -> str:
    """Return the readable name of a one-hot column."""
    if category is None:
        return f"{feature} missing"
    return f"{feature}={'other' if category == 'infrequent_sklearn' else category}"


def readable_names(preprocessing: Any, problem: Problem) -> list[str]:
    """Return the names of the columns that a fitted preprocessing returns."""
    names = preprocessing.get_feature_names_out(problem.names)
    return [_readable(name.partition("__")[2]) for name in names]


def _readable(name: str) -> str:
    """Return 'age missing' for the name that scikit-learn gives a missing indicator."""
    feature = name.removeprefix("missingindicator_")
    return name if feature == name else f"{feature} missing"
