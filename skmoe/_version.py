"""The version, and estimators that tell which one has stored them."""

import warnings
from inspect import signature

__version__ = "0.1.0.dev0"

#: Versions whose models this one reads to the same predictions; tests read some of each.
READABLE = ("0.1.0.dev0",)

_KEY = "_skmoe_version"


class VersionedMixin:
    """Writes the version into what is stored, and looks at it where that is read."""

    def __getstate__(self):
        """All attributes, and the version."""
        return super().__getstate__() | {_KEY: __version__}

    def __setstate__(self, state):
        """Take attributes over; a parameter that is younger than they are gets its default."""
        attributes = dict(state)
        _check_version(type(self).__name__, attributes.pop(_KEY, "unknown"))
        super().__setstate__(_defaults(type(self)) | attributes)


def _check_version(name, version):
    if version not in READABLE:
        warnings.warn(
            f"{name} was stored by skmoe {version}; skmoe {__version__} may fail with it or "
            "predict something else, so fit it anew, or read it with the version that stored it. "
            f"Versions that are read: {', '.join(READABLE)}",
            UserWarning,
            stacklevel=3,
        )


def _defaults(cls):
    parameters = signature(cls).parameters.items()
    return {name: each.default for name, each in parameters if each.default is not each.empty}
