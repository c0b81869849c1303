"""The version, and how it is stored with estimators."""

import warnings
from inspect import signature
from typing import Any, cast

__version__: str = "0.1.0.dev0"

#: Versions whose stored models predict the same in this version; tests read some of each.
READABLE: tuple[str, ...] = ("0.1.0.dev0",)

_KEY = "_skmoe_version"


class VersionedMixin:
    """Stores the version with an estimator, and checks it where the estimator is loaded."""

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes, and the version."""
        return stored_state(cast("dict[str, Any]", super().__getstate__()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over stored attributes."""
        # The method is that of scikit-learn's BaseEstimator, which users of the mixin derive from.
        super().__setstate__(  # pyright: ignore[reportAttributeAccessIssue]
            loaded_state(type(self), state)
        )


def stored_state(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an estimator, and the version, as its ``__getstate__`` does."""
    return attributes | {_KEY: __version__}


def loaded_state(cls: type, state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes in a stored state, as the ``__setstate__`` of a class takes them over.

    A parameter that was added after the state was stored gets its default.

    Warns
    -----
    UserWarning
        If another version stored the state, whose models may predict something else.
    """
    attributes = dict(state)
    _check_version(cls.__name__, attributes.pop(_KEY, "unknown"))
    return _defaults(cls) | attributes


def _check_version(name: str, version: str) -> None:
    if version not in READABLE:
        warnings.warn(
            f"{name} was stored by skmoe {version}; skmoe {__version__} may fail with it or "
            "predict something else, so fit it anew, or read it with the version that stored it. "
            f"Versions that are read: {', '.join(READABLE)}",
            UserWarning,
            stacklevel=4,
        )


def _defaults(cls: type) -> dict[str, Any]:
    parameters = signature(cls).parameters.items()
    return {name: each.default for name, each in parameters if each.default is not each.empty}
