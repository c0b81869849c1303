"""X in a graph: one tensor, or a tensor for each column of a data frame."""

from dataclasses import dataclass
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from ._graph import Graph


@dataclass(frozen=True)
class Column:
    """A tensor of one or all columns.

    Attributes
    ----------
    name : str
        Its name in the data frame.
    tensor : str
    type : skl2onnx type
    """

    name: str
    tensor: str
    type: Any


class Table:
    """The columns of X that a part uses.

    Parameters
    ----------
    graph : Graph
    columns : list of Column
        A single tensor may hold any number of columns of X.
    width : int
        Number of columns.
    """

    def __init__(self, graph: Graph, columns: Any, width: int) -> None:
        self.graph: Graph = graph
        self.columns: list[Column] = columns
        self.width: int = width
        self._numbers: str | None = None

    @classmethod
    def of(cls, graph: Graph, variables: Any, width: int) -> "Table":
        """Return the table of the inputs of an operator of skl2onnx."""
        columns = [Column(each.raw_name, each.full_name, each.type) for each in variables]
        if len(columns) not in (1, width):
            raise ValueError(
                "X must be one tensor, or a tensor for each of its columns; got "
                f"{len(columns)} tensors for {width} columns"
            )
        return cls(graph, columns, width)

    @classmethod
    def of_numbers(cls, graph: Graph, tensor: str, width: int) -> "Table":
        """Return the table of a tensor (n, width) in double precision."""
        from skl2onnx.common.data_types import DoubleTensorType

        return cls(graph, [Column("X", tensor, DoubleTensorType())], width)

    def select(self, columns: Any) -> "Table":
        """Return the table of some columns, by their numbers; of all columns for None."""
        if columns is None:
            return self
        if len(self.columns) == self.width:
            return Table(self.graph, [self.columns[k] for k in columns], len(columns))
        (all_of_them,) = self.columns
        chosen = self.graph.select(all_of_them.tensor, columns)
        column = Column(all_of_them.name, chosen, all_of_them.type)
        return Table(self.graph, [column], len(columns))

    def numbers(self) -> str:
        """Return all columns as one tensor in double precision."""
        if self._numbers is None:
            for column in self.columns:
                if not _is_numeric(column):
                    raise ValueError(f"column {column.name!r} must be numeric")
            columns = [self.graph.cast(column.tensor, "DOUBLE") for column in self.columns]
            alone = len(columns) == 1
            self._numbers = columns[0] if alone else self.graph.add("Concat", *columns, axis=1)
        return self._numbers

    def feeds(self, model: Any, single: bool) -> list[tuple[str, Any, str]]:
        """Return name, skl2onnx type and tensor of each input of a model.

        Parameters
        ----------
        model : estimator
        single : bool
            Whether floating-point numbers are in single precision.
        """
        table = self
        if self._is_one_tensor(model):
            table = Table.of_numbers(self.graph, self.numbers(), self.width)
        return [table._input(column, single) for column in table.columns]

    def _is_one_tensor(self, model: Any) -> bool:
        """Tell whether a model gets one tensor of numbers."""
        separate = len(self.columns) > 1 and _selects_by_name(model)
        return not separate and all(map(_is_numeric, self.columns))

    def _input(self, column: Column, single: bool) -> tuple[str, Any, str]:
        """Return name, type and tensor of an input; floating-point numbers in one precision."""
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

        kind, name = (FloatTensorType, "FLOAT") if single else (DoubleTensorType, "DOUBLE")
        width = self.width if len(self.columns) == 1 else 1
        if not isinstance(column.type, FloatTensorType | DoubleTensorType):
            return column.name, type(column.type)([None, width]), column.tensor
        return column.name, kind([None, width]), self.graph.cast(column.tensor, name)


def _is_numeric(column: Column) -> bool:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType

    return isinstance(column.type, FloatTensorType | DoubleTensorType | Int64TensorType)


def _selects_by_name(model: Any) -> bool:
    """Tell whether a model begins with a step that selects columns by name."""
    while isinstance(model, Pipeline):
        model = model.steps[0][1]
    return isinstance(model, ColumnTransformer)
