"""Nodes of an ONNX graph, written into a container of skl2onnx."""

import numpy as np

#: ONNX's names of types, by NumPy's kinds.
_TYPES = {"f": "DOUBLE", "i": "INT64", "U": "STRING"}


class Graph:
    """Writes nodes, and names what they answer with. Its numbers are in double precision.

    Parameters
    ----------
    scope : skl2onnx scope
    container : skl2onnx container
    """

    def __init__(self, scope, container):
        self._scope, self._container = scope, container

    @property
    def target_opset(self):
        """Newest operators that may be used, by domain."""
        return self._container.target_opset_all

    @property
    def options(self):
        """Options of the conversion, by class or number of the model."""
        return self._container.options or {}

    def add(self, kind, *inputs, out=None, domain="", version=None, **attributes):
        """Write a node, and return the name of its one output: `out`, or a new one."""
        out = self._scope.get_unique_variable_name(kind) if out is None else out
        self._add(kind, inputs, [out], domain, version, attributes)
        return out

    def add_pair(self, kind, *inputs, **attributes):
        """Write a node, and return the names of its two outputs."""
        outs = [self._scope.get_unique_variable_name(kind) for _ in range(2)]
        self._add(kind, inputs, outs, "", None, attributes)
        return outs

    def _add(self, kind, inputs, outs, domain, version, attributes):
        name = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, list(inputs), outs, domain, version, name=name, **attributes)

    def constant(self, values):
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

    def cast(self, name, kind, out=None):
        """Convert a tensor to the type that ONNX calls `kind`."""
        from onnx import TensorProto

        return self.add("Cast", name, out=out, to=getattr(TensorProto, kind))

    def give(self, name, variable):
        """Let a tensor be an output, in the type of the output."""
        from skl2onnx.common.data_types import guess_proto_type

        self.add("Cast", name, out=variable.full_name, to=guess_proto_type(variable.type))

    def repeat(self, row, like):
        """Write a constant row (m,) once for each row of the tensor `like`, (n, m)."""
        first = self.add("Shape", like, start=0, end=1)
        shape = self.add("Concat", first, self.constant(np.array([len(row)])), axis=0)
        return self.add("Expand", self.constant(row[None]), shape)

    def sum(self, name, axis):
        """Sum a tensor over an axis, which goes."""
        return self.add("ReduceSum", name, self.constant(np.array([axis])), keepdims=0)

    def select(self, name, columns):
        """Columns of a tensor (n, d)."""
        return self.add("Gather", name, self.constant(np.asarray(columns, dtype=int)), axis=1)

    def reshape(self, name, *shape):
        """The tensor in another shape."""
        return self.add("Reshape", name, self.constant(np.array(shape)))

    def inline(self, model, feeds, wanted):
        """Write all that one output of another model needs, and return its name.

        Parameters
        ----------
        model : onnx.ModelProto
        feeds : list of str
            The tensors that stand for its inputs, in their order.
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


def needed(graph, out):
    """The nodes of a graph, in their order, and the names of tensors that an output needs."""
    needed, kept = {out}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            needed.update(_outer_names(node))
            kept.append(node)
    return kept[::-1], needed


def _outer_names(node):
    """Names that the graphs within a node may take from around it."""
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from inner.input
            yield from _outer_names(inner)
