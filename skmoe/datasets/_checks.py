"""Checks of the parameters of generators."""

from numbers import Integral, Real
from typing import Any

import numpy as np


def check_integer(name: str, value: Any, *, minimum: int, maximum: int | None = None) -> None:
    """Raise an error that names the parameter unless it is an integer in range."""
    expected = f"an integer >= {minimum}"
    if maximum is not None:
        expected = f"an integer from {minimum} to {maximum}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be {expected}, got {value!r}.")
    number: int = int(value)
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(f"{name} must be {expected}, got {value!r}.")


def check_real(name: str, value: Any, *, minimum: float) -> None:
    """Raise an error that names the parameter unless it is a finite number in range."""
    expected = f"a finite number >= {minimum:g}"
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be {expected}, got {value!r}.")
    if not minimum <= float(value) < np.inf:
        raise ValueError(f"{name} must be {expected}, got {value!r}.")
