"""Store models of this version: ``python -m tests.golden.make_stored``; needs skops.

It is run once for each release, with the oldest versions that are supported, so that later ones
can be asked for the same predictions. What a release has stored is never written anew.
"""

import json
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED

import sklearn

from skmoe import __version__
from tests._models import portable_models, table

FOLDER = Path(__file__).with_name("stored")
ROWS = slice(0, 8)


def answers(model, X, y):
    """What a model says of rows, by the name of the method."""
    methods = {name: getattr(model, name) for name in ("predict", "gate_proba", "expert_predict")}
    found = {name: method(X) for name, method in methods.items()}
    return found | {"score_samples": model.score_samples(X, y)}


def store(folder, name, model, X, y):
    """Write a model to a file, and return what it says of rows."""
    from skops import io

    io.dump(model, folder / f"{name}.skops", compression=ZIP_DEFLATED, compresslevel=9)
    return {key: value.tolist() for key, value in answers(model, X, y).items()}


def main():
    """Fit the models, and write them with their answers."""
    folder = FOLDER / __version__
    folder.mkdir(parents=True, exist_ok=True)
    X, targets = table()
    X, targets = X[ROWS], {name: y[ROWS] for name, y in targets.items()}
    models = {}
    for name, (model, kind) in portable_models().items():
        models[name] = {"target": kind} | store(folder, name, model, X, targets[kind])
    known = {"scikit-learn": sklearn.__version__, "X": X.tolist()}
    known |= {"targets": {name: y.tolist() for name, y in targets.items()}, "models": models}
    (folder / "answers.json").write_text(json.dumps(known) + "\n", "utf8")


if __name__ == "__main__":
    sys.exit(main())
