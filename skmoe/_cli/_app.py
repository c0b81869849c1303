"""The command line: it compares models, prints the result, and returns an exit status."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence

from threadpoolctl import threadpool_limits

from ._arguments import parse_arguments
from ._classification import ClassificationTask
from ._comparison import Result, cross_validate, fit_mixture
from ._errors import UsageError
from ._experts import describe_experts
from ._from_table import problem_from_table
from ._html import Section, check_pictures, write_report
from ._problem import Problem, embedded_problems
from ._regression import RegressionTask
from ._report import (
    print_complaints,
    print_experts,
    print_heading,
    print_scores,
)
from ._table import read_table
from ._task import Task

_TASKS: dict[str, type[Task]] = {"regression": RegressionTask, "classification": ClassificationTask}

_OK, _USAGE_ERROR = 0, 2
# What a shell reports for a program ended by SIGINT and by SIGPIPE.
_INTERRUPTED, _PIPE_CLOSED = 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on `arguments` (default: ``sys.argv[1:]``) and return its status."""
    try:
        options = parse_arguments(arguments)
        if options.report is not None:
            check_pictures()
        # With one thread each, fit times are comparable, and other programs keep their cores.
        with threadpool_limits(1):
            sections = [_present(problem, options) for problem in _problems(options)]
        if options.report is not None:
            write_report(options.report, sections)
            print(f"The report is in {options.report}")
    except UsageError as error:
        print("skmoe:", " ".join(str(error).split()), file=sys.stderr)
        return _USAGE_ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more on its way out, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    return _OK


def _problems(options: Namespace) -> list[Problem]:
    """Return the problem of the user's table, or those embedded in scikit-learn."""
    if options.table is None:
        return embedded_problems(options.task)
    return [problem_from_table(read_table(options.table, options.delimiter), options)]


def _present(problem: Problem, options: Namespace) -> Section:
    """Compare the models on one problem, describe the experts, and return all results."""
    task = _TASKS[problem.task]()
    results: list[Result] = []
    print_heading(problem, options.folds)
    print_scores(task, _kept(cross_validate(problem, task, options), results))
    mixture, messages = fit_mixture(problem, task, options)
    experts = describe_experts(mixture, problem, task)
    print_experts(task, experts)
    print_complaints(messages)
    print(flush=True)
    return Section(problem, task, options.folds, results, mixture, experts, messages)


def _kept(results: Iterator[Result], kept: list[Result]) -> Iterator[Result]:
    """Yield results as they come, and append them to `kept`."""
    for result in results:
        kept.append(result)
        yield result
