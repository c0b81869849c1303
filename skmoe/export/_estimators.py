"""Fitted scikit-learn estimators as parts of a larger graph."""

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ._own import converters

#: What of scikit-learn ONNX knows in single precision only.
_SINGLE = ("AdaBoostClassifier", "NuSVR", "SVR")


def write_regressor(graph, model, table, n_outputs):
    """Write a fitted regressor: its predictions (n, n_outputs)."""
    return graph.reshape(_write(graph, model, table, 0), -1, n_outputs)


def write_classifier(graph, model, table):
    """Write a fitted classifier: its probabilities (n, n_classes) of the classes it knows."""
    return _write(graph, model, table, 1)


def write_transformer(graph, model, table):
    """Write a fitted transformer: what it makes of X."""
    return _write(graph, model, table, 0)


def _write(graph, model, table, wanted):
    """Write an estimator, and return one of its outputs in double precision."""
    from skl2onnx import convert_sklearn

    model = _thawed(model)
    feeds = table.feeds(model, _is_single(model))
    part = convert_sklearn(
        model,
        name="part",
        initial_types=[(name, kind) for name, kind, _ in feeds],
        target_opset=graph.target_opset,
        options=_options(graph, model),
        **converters(),
    )
    answer = graph.inline(part, [tensor for _, _, tensor in feeds], wanted)
    return graph.cast(answer, "DOUBLE")


def _thawed(model):
    return _thawed(model.estimator) if isinstance(model, FrozenEstimator) else model


def _is_single(model):
    """Whether a model goes in single precision: few converters of others know another."""
    if isinstance(model, Pipeline):
        return any(_is_single(step) for _, step in model.steps)
    if isinstance(model, str):
        return False
    kind = type(model)
    return kind.__name__ in _SINGLE or not kind.__module__.startswith(("sklearn.", "skmoe."))


def _options(graph, model):
    """The options of the conversion; probabilities are wanted as one tensor."""
    options = dict(graph.options)
    if hasattr(model, "predict_proba") and _has_converter(model):
        options[id(model)] = options.get(id(model), {}) | {"zipmap": False}
    return options or None


def _has_converter(model):
    """Whether skl2onnx knows the kind of a model, and the options of such models with it."""
    from skl2onnx import get_model_alias

    try:
        get_model_alias(type(model))
    except RuntimeError:
        return False
    return True
