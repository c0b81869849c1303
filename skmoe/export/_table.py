"""X in a graph: one tensor, or a tensor for each column of a data frame."""

from dataclasses import dataclass
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Column:
    """A tensor of one or all columns.

    Attributes
    ----------
    name : str
        As the data frame has it.
    tensor : str
    type : skl2onnx type
    """

    name: str
    tensor: str
    type: Any


class Table:
    """What a part sees of X.

    Parameters
    ----------
    graph : Graph
    columns : list of Column
        A single one may hold any number of columns of X.
    width : int
        Number of columns.
    """

    def __init__(self, graph, columns, width):
        self.graph, self.columns, self.width = graph, columns, width
        self._numbers = None

    @classmethod
    def of(cls, graph, variables, width):
        """The inputs of an operator of skl2onnx."""
        columns = [Column(each.raw_name, each.full_name, each.type) for each in variables]
        if len(columns) not in (1, width):
            raise ValueError(
                "X must be one tensor, or a tensor for each of its columns; got "
                f"{len(columns)} tensors for {width} columns"
            )
        return cls(graph, columns, width)

    @classmethod
    def of_numbers(cls, graph, tensor, width):
        """The table of a tensor (n, width) in double precision."""
        from skl2onnx.common.data_types import DoubleTensorType

        return cls(graph, [Column("X", tensor, DoubleTensorType())], width)

    def select(self, columns):
        """The table of some columns, by their numbers; all for None."""
        if columns is None:
            return self
        if len(self.columns) == self.width:
            return Table(self.graph, [self.columns[k] for k in columns], len(columns))
        (all_of_them,) = self.columns
        chosen = self.graph.select(all_of_them.tensor, columns)
        column = Column(all_of_them.name, chosen, all_of_them.type)
        return Table(self.graph, [column], len(columns))

    def numbers(self):
        """All columns as one tensor in double precision."""
        if self._numbers is None:
            for column in self.columns:
                if not _is_numeric(column):
                    raise ValueError(f"column {column.name!r} must be numeric")
            columns = [self.graph.cast(column.tensor, "DOUBLE") for column in self.columns]
            alone = len(columns) == 1
            self._numbers = columns[0] if alone else self.graph.add("Concat", *columns, axis=1)
        return self._numbers

    def feeds(self, model, single):
        """What a model is fed with: name, skl2onnx type and tensor of each of its inputs.

        Parameters
        ----------
        model : estimator
        single : bool
            Whether floating numbers are to be in single precision.
        """
        table = self
        if self._fits_one(model):
            table = Table.of_numbers(self.graph, self.numbers(), self.width)
        return [table._fed(column, single) for column in table.columns]

    def _fits_one(self, model):
        """Whether a model is to be fed with one tensor of numbers."""
        apart = len(self.columns) > 1 and _looks_at_names(model)
        return not apart and all(map(_is_numeric, self.columns))

    def _fed(self, column, single):
        """Name and type of an input, and its tensor; floating numbers in one precision."""
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

        kind, name = (FloatTensorType, "FLOAT") if single else (DoubleTensorType, "DOUBLE")
        width = self.width if len(self.columns) == 1 else 1
        if not isinstance(column.type, FloatTensorType | DoubleTensorType):
            return column.name, type(column.type)([None, width]), column.tensor
        return column.name, kind([None, width]), self.graph.cast(column.tensor, name)


def _is_numeric(column):
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType

    return isinstance(column.type, FloatTensorType | DoubleTensorType | Int64TensorType)


def _looks_at_names(model):
    """Whether a model begins with a step that picks columns by name."""
    while isinstance(model, Pipeline):
        model = model.steps[0][1]
    return isinstance(model, ColumnTransformer)
