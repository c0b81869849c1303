"""What an example promises while the gallery runs it: no warning, and no file left behind."""

import warnings
from contextlib import ExitStack
from pathlib import Path

_EXAMPLES = Path(__file__).parents[1] / "examples"
#: What Python itself does not show to those who run a script.
_UNSEEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
_held, _before = ExitStack(), set()


def hold_to_promise(gallery_conf, name, when):
    """Turn warnings into errors before an example, and look for new files after it.

    Parameters
    ----------
    gallery_conf : dict
    name : str
        Of the example.
    when : {"before", "after"}
    """
    if when == "before":
        _before.update(_files())
        _held.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error")
        for category in _UNSEEN:
            warnings.simplefilter("ignore", category)
        return
    _held.close()
    new = sorted(_files() - _before)
    if new:
        raise RuntimeError(f"{name} leaves files behind: {new}")


def _files():
    return {str(path) for path in _EXAMPLES.rglob("*") if "__pycache__" not in path.parts}
