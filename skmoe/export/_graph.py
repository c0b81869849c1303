"""Nodes of an ONNX graph, written into a container of skl2onnx."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Names of types in ONNX, by the kind of a NumPy type.
_TYPES = {"f": "DOUBLE", "i": "INT64", "U": "STRING"}


class Graph:
    """Writes nodes and returns the names of their outputs. Numbers are in double precision.

    Parameters
    ----------
    scope : skl2onnx scope
    container : skl2onnx container
    """

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    @property
    def target_opset(self) -> Any:
        """Newest versions of operators that may be used, by domain."""
        return self._container.target_opset_all

    @property
    def options(self) -> dict[Any, Any]:
        """Options of the conversion, by class or number of the model."""
        return self._container.options or {}

    def add(
        self,
        kind: str,
        *inputs: str,
        out: str | None = None,
        domain: str = "",
        version: int | None = None,
        **attributes: Any,
    ) -> str:
        """Write a node, and return the name of its one output: `out`, or a new one."""
        name: str = self._scope.get_unique_variable_name(kind) if out is None else out
        self._add(kind, inputs, [name], domain, version, attributes)
        return name

    def add_pair(self, kind: str, *inputs: str, **attributes: Any) -> list[str]:
        """Write a node, and return the names of its two outputs."""
        outs = [self._scope.get_unique_variable_name(kind) for _ in range(2)]
        self._add(kind, inputs, outs, "", None, attributes)
        return outs

    def _add(
        self,
        kind: str,
        inputs: Iterable[str],
        outs: list[str],
        domain: str,
        version: int | None,
        attributes: dict[str, Any],
    ) -> None:
        name = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, list(inputs), outs, domain, version, name=name, **attributes)

    def constant(self, values: Any) -> str:
        """Write an array, and return its name."""
        from onnx import TensorProto

        values = np.asarray(values)
        name = self._scope.get_unique_variable_name("constant")
        kind = getattr(TensorProto, _TYPES[values.dtype.kind])
        if kind == TensorProto.STRING:
            # Older versions of ONNX take text for ASCII.
            values = np.char.encode(values, "utf-8")
        flat = values.ravel().tolist()
        self._container.add_initializer(name, kind, list(values.shape), flat)
        return name

    def cast(self, name: str, kind: str, out: str | None = None) -> str:
        """Convert a tensor to the type that ONNX calls `kind`."""
        from onnx import TensorProto

        return self.add("Cast", name, out=out, to=getattr(TensorProto, kind))

    def set_output(self, name: str, variable: Any) -> None:
        """Set a tensor as an output, cast to the type of the output."""
        from skl2onnx.common.data_types import guess_proto_type

        self.add("Cast", name, out=variable.full_name, to=guess_proto_type(variable.type))

    def repeat(self, row: NDArray[Any], like: str) -> str:
        """Write a constant row (m,) once for each row of the tensor `like`, (n, m)."""
        first = self.add("Shape", like, start=0, end=1)
        shape = self.add("Concat", first, self.constant(np.array([len(row)])), axis=0)
        return self.add("Expand", self.constant(row[None]), shape)

    def sum(self, name: str, axis: int) -> str:
        """Sum a tensor over an axis, which is removed."""
        return self.add("ReduceSum", name, self.constant(np.array([axis])), keepdims=0)

    def select(self, name: str, columns: Any) -> str:
        """Select columns of a tensor (n, d)."""
        return self.add("Gather", name, self.constant(np.asarray(columns, dtype=int)), axis=1)

    def reshape(self, name: str, *shape: int) -> str:
        """Reshape a tensor."""
        return self.add("Reshape", name, self.constant(np.array(shape)))

    def inline(self, model: Any, feeds: list[str], wanted: int) -> str:
        """Write all nodes that one output of another model needs, and return its name.

        Parameters
        ----------
        model : onnx.ModelProto
        feeds : list of str
            The tensors that replace its inputs, in their order.
        wanted : int
            The number of the output.
        """
        from onnx.compose import add_prefix

        prefix = self._scope.get_unique_variable_name("part") + "/"
        model = add_prefix(model, prefix)
        out = model.graph.output[wanted].name
        for entry, tensor in zip(model.graph.input, feeds, strict=True):
            self.add("Identity", tensor, out=entry.name)
        nodes, names = needed(model.graph, out)
        self._container.nodes.extend(nodes)
        kept = [each for each in model.graph.initializer if each.name in names]
        self._container.initializers.extend(kept)
        used = {(each.domain, each.version) for each in model.opset_import}
        self._container.node_domain_version_pair_sets.update(used)
        return out


def needed(graph: Any, out: str) -> tuple[list[Any], set[str]]:
    """Return the nodes of a graph that an output needs, in order, and the names of tensors."""
    needed: set[str] = {out}
    kept: list[Any] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            needed.update(_outer_names(node))
            kept.append(node)
    return kept[::-1], needed


def _outer_names(node: Any) -> Iterator[str]:
    """Yield the names that graphs within a node may take from the outer graph."""
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from inner.input
            yield from _outer_names(inner)
