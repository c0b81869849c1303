"""Monitors of EM: the output of `verbose`, and scikit-learn's callbacks."""

from contextlib import contextmanager
from functools import partial


class SilentMonitor:
    """Monitor that does nothing, and the interface of all monitors.

    Attributes
    ----------
    stopped : bool
        Whether no further run, or iteration, is to begin.
    """

    stopped = False

    @contextmanager
    def run(self, label, training, most):
        """Monitor one run; yield the object whose `begin` and `end` each iteration calls.

        Parameters
        ----------
        label : str
        training : Trainer or None
            The trainer of the run; None for that of a surrogate.
        most : int
            Maximal number of iterations.
        """
        yield self

    def begin(self):
        """Record that an iteration begins."""

    def end(self, number, state):
        """Record the state that the iteration of a number ends in."""


class PrintingMonitor(SilentMonitor):
    """Monitor that prints the objective of every iteration."""

    @contextmanager
    def run(self, label, training, most):
        """Print the iterations of one run."""
        yield _PrintingRun(label)


class _PrintingRun(SilentMonitor):
    def __init__(self, label):
        self.label = label

    def end(self, number, state):
        """Print the objective."""
        print(f"[skmoe] {self.label}: iteration {number}, objective {state.objective:.6f}")


class CallbackMonitor:
    """Monitor that calls scikit-learn's callbacks for runs and iterations, as nested tasks.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Of the call of ``fit``.
    known : dict
        Arguments of all callbacks: the estimator and its data.
    assemble : callable
        Makes the fitted attributes of a training and a state.
    other : SilentMonitor
        Another monitor, which is called too.

    Attributes
    ----------
    stopped : bool
        Whether a callback has asked to begin no further run.
    """

    def __init__(self, context, known, assemble, other):
        self.context, self.known, self.assemble, self.other = context, known, assemble, other
        self.stopped = False

    @contextmanager
    def run(self, label, training, most):
        """Call callbacks for one run, which is one task."""
        task = self.context.subcontext(task_name=label, max_subtasks=most)
        task.call_on_fit_task_begin(**self.known)
        with self.other.run(label, training, most) as other:
            yield _CallbackRun(self, task, training, other)
        self.stopped |= task.call_on_fit_task_end(**self.known)


class _CallbackRun:
    def __init__(self, monitor, task, training, other):
        self.monitor, self.task, self.training, self.other = monitor, task, training, other
        self.stopped = False

    def begin(self):
        """Begin the task of an iteration."""
        self.iteration = self.task.subcontext(task_name="EM iteration")
        self.iteration.call_on_fit_task_begin(**self.monitor.known)
        self.other.begin()

    def end(self, number, state):
        """End the task of an iteration."""
        self.other.end(number, state)
        assemble = partial(self.monitor.assemble, self.training, state)
        fitted = None if self.training is None else assemble
        self.stopped = self.iteration.call_on_fit_task_end(
            **self.monitor.known, reconstruction_attributes=fitted
        )


@contextmanager
def monitoring(context, known, assemble, finished, verbose):
    """Monitor a call of ``fit``; yield the monitor of its runs.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext or None
        None without callbacks.
    known : dict
        Arguments of all callbacks: the estimator and its data.
    assemble : callable
        Makes the fitted attributes of a training and a state.
    finished : callable
        Makes the fitted attributes of the whole fit, at its end.
    verbose : int
        Whether to print.
    """
    monitor = PrintingMonitor() if verbose else SilentMonitor()
    if context is None:
        yield monitor
        return
    context.call_on_fit_task_begin(**known)
    yield CallbackMonitor(context, known, assemble, monitor)
    context.call_on_fit_task_end(**known, reconstruction_attributes=finished)
