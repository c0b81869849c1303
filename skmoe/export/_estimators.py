"""Fitted scikit-learn estimators as parts of a larger graph."""

from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ._converters import converters
from ._graph import Graph
from ._table import Table

#: Estimators of scikit-learn that ONNX evaluates in single precision only.
_SINGLE = ("AdaBoostClassifier", "NuSVR", "SVR")


def write_regressor(graph: Graph, model: Any, table: Table, n_outputs: int) -> str:
    """Write a fitted regressor: its predictions (n, n_outputs)."""
    return graph.reshape(_write(graph, model, table, 0), -1, n_outputs)


def write_classifier(graph: Graph, model: Any, table: Table) -> str:
    """Write a fitted classifier: its probabilities (n, n_classes) of its own classes."""
    return _write(graph, model, table, 1)


def write_transformer(graph: Graph, model: Any, table: Table) -> str:
    """Write a fitted transformer: the transformed X."""
    return _write(graph, model, table, 0)


def _write(graph: Graph, model: Any, table: Table, wanted: int) -> str:
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
    output = graph.inline(part, [tensor for _, _, tensor in feeds], wanted)
    return graph.cast(output, "DOUBLE")


def _thawed(model: Any) -> Any:
    return _thawed(model.estimator) if isinstance(model, FrozenEstimator) else model


def _is_single(model: Any) -> bool:
    """Tell whether a model is written in single precision, as most converters of others need."""
    if isinstance(model, Pipeline):
        return any(_is_single(step) for _, step in model.steps)
    if isinstance(model, str):
        return False
    kind = type(model)
    return kind.__name__ in _SINGLE or not kind.__module__.startswith(("sklearn.", "skmoe."))


def _options(graph: Graph, model: Any) -> dict[Any, Any] | None:
    """Return the options of the conversion; probabilities are one tensor."""
    options = dict(graph.options)
    if hasattr(model, "predict_proba") and _has_converter(model):
        options[id(model)] = options.get(id(model), {}) | {"zipmap": False}
    return options or None


def _has_converter(model: Any) -> bool:
    """Tell whether skl2onnx has a converter for the type of a model, which then takes options."""
    from skl2onnx import get_model_alias

    try:
        get_model_alias(type(model))
    except RuntimeError:
        return False
    return True
