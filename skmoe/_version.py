"""The version of the package, and a mixin that stores it with every estimator."""

import warnings
from inspect import signature
from typing import Any, cast

__version__: str = "0.1.0.dev0"

#: Versions whose stored models predict the same in this version; tests read some of each.
READABLE: tuple[str, ...] = ("0.1.0.dev0",)

_KEY = "_skmoe_version"


class VersionedMixin:
    """Adds the version to the stored state, and checks it when a state is read."""

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes and the version."""
        return cast("dict[str, Any]", super().__getstate__()) | {_KEY: __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set all attributes; a parameter that `state` does not hold yet gets its default."""
        attributes = dict(state)
        _check_version(type(self).__name__, attributes.pop(_KEY, "unknown"))
        # The method is that of scikit-learn's BaseEstimator, which users of the mixin derive from.
        super().__setstate__(  # pyright: ignore[reportAttributeAccessIssue]
            _defaults(type(self)) | attributes
        )


def _check_version(name: str, version: str) -> None:
    if version not in READABLE:
        warnings.warn(
            f"{name} was stored by skmoe {version}; skmoe {__version__} may fail with it or "
            "predict something else, so fit it anew, or read it with the version that stored it. "
            f"Versions that are read: {', '.join(READABLE)}",
            UserWarning,
            stacklevel=3,
        )


def _defaults(cls: type) -> dict[str, Any]:
    parameters = signature(cls).parameters.items()
    return {name: each.default for name, each in parameters if each.default is not each.empty}
