"""Hessians of multinomial problems that are too large to be formed, and their preconditioners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .._data.design import Design
from .._data.numerics import Floats
from ._parts import hessian_diagonal

#: Up to this many probabilities (32 MB) are kept from one Hessian product to the next, or as
#: many as a sparse X has entries.
_KEPT_SIZE = 2**22

#: Maps a block of b rows to probabilities (b, G, C) and weights (b, G).
BlockProbabilities = Callable[[slice], tuple[Floats, Floats]]


class MultinomialProblem(Protocol):
    """What a Hessian depends on besides probabilities: G problems, C classes, p columns."""

    design: Design
    ridge: Floats
    mass: Floats

    @property
    def shape(self) -> tuple[int, int, int]: ...


def kept_probabilities(
    problem: MultinomialProblem, of_block: BlockProbabilities
) -> BlockProbabilities:
    """Return the probabilities of blocks, in memory if they are few enough."""
    design = problem.design
    n_problems, n_classes, _ = problem.shape
    if design.shape[0] * n_problems * n_classes > max(_KEPT_SIZE, design.n_entries):
        return of_block
    kept = {rows.start: of_block(rows) for rows in design.blocks()}
    return lambda rows: kept[rows.start]


def hessian_product(
    problem: MultinomialProblem, block_probabilities: BlockProbabilities, vector: Floats
) -> Floats:
    """Return negative Hessians times (G, C p) vectors, without forming the Hessians."""
    coef = vector.reshape(problem.shape)
    of_classes = _product_of_two if problem.shape[1] == 2 else _product_of_classes
    total = of_classes(problem, block_probabilities, coef)
    total = total + hessian_diagonal(problem.mass, problem.ridge)[:, None] * coef
    return total.reshape(problem.shape[0], -1)


def _product_of_two(
    problem: MultinomialProblem, block_probabilities: BlockProbabilities, coef: Floats
) -> Floats:
    """Return the products (G, 2, p) of two classes, which have opposite signs."""
    images = problem.design.functions(coef[:, 1] - coef[:, 0])

    def curved(rows: slice) -> Floats:
        probabilities, weights = block_probabilities(rows)
        return images(rows) * (probabilities[:, :, 0] * probabilities[:, :, 1] * weights)

    total = problem.design.cross_blocks(curved, len(coef))
    return np.stack([-total, total], axis=1)


def _product_of_classes(
    problem: MultinomialProblem, block_probabilities: BlockProbabilities, coef: Floats
) -> Floats:
    """Return the products (G, C, p) of any number of classes."""
    images = problem.design.functions(coef.reshape(-1, problem.shape[2]))

    def curved(rows: slice) -> Floats:
        probabilities, weights = block_probabilities(rows)
        image = images(rows).reshape(probabilities.shape)
        image = image - (probabilities * image).sum(axis=2, keepdims=True)
        image *= probabilities
        image *= weights[:, :, None]
        return image.reshape(len(image), -1)

    n_functions = problem.shape[0] * problem.shape[1]
    return problem.design.cross_blocks(curved, n_functions).reshape(problem.shape)


def simple_inverse(problem: MultinomialProblem, block_probabilities: BlockProbabilities) -> Floats:
    """Return inverses (G, C, p, p) of the diagonal blocks of the negative Hessians, one per class.

    Of sparse columns, which are nearly uncorrelated, the inverse of the diagonal (G, C, p).
    """
    design: Any = problem.design
    n_problems, n_classes, p = problem.shape
    # Two classes have the same variances.
    n_different = 1 if n_classes == 2 else n_classes
    m = n_problems * n_different
    diagonal = hessian_diagonal(problem.mass, problem.ridge)[:, None]

    def variances(rows: slice) -> Floats:
        probabilities, weights = block_probabilities(rows)
        probabilities = probabilities[:, :, :n_different]
        product = probabilities * (1.0 - probabilities) * weights[:, :, None]
        return product.reshape(len(product), -1)

    if design.matrix is None:
        inverse = design.cross_squares(variances, m).reshape(n_problems, n_different, p)
        inverse += diagonal
        np.divide(1.0, inverse, out=inverse)
        return inverse.repeat(n_classes // n_different, axis=1)
    weights = np.empty((m, design.shape[0])).T
    for rows in design.blocks():
        weights[rows] = variances(rows)
    grams = design.grams(weights).reshape(n_problems, n_different, p, p)
    columns = np.arange(p)
    grams[:, :, columns, columns] += diagonal
    return np.linalg.inv(grams).repeat(n_classes // n_different, axis=1)


def blockwise(inverses: Floats, vector: Floats) -> Floats:
    """Return products of (G, C, p, p) or diagonal (G, C, p) matrices and (G, C p) vectors."""
    parts = vector.reshape(inverses.shape[:3])
    if inverses.ndim == 3:
        return (inverses * parts).reshape(vector.shape)
    return np.matmul(inverses, parts[..., None]).reshape(vector.shape)
