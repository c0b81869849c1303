"""Who looks on while EM runs: what `verbose` prints, and scikit-learn's callbacks."""

from contextlib import contextmanager


class SilentMonitor:
    """Looks at nothing, and stops nothing."""

    stopped = False

    @contextmanager
    def run(self, label, training, most):
        """Watch one run; yield what `begin` and `end` are called of for every iteration.

        Parameters
        ----------
        label : str
        training : RowTrainer or None
            What is trained; None for a stand-in.
        most : int
            Iterations it takes at most.
        """
        yield self

    def begin(self):
        """Note that an iteration begins."""

    def end(self, number, state):
        """Note what the iteration of a number ended in."""


class PrintingMonitor(SilentMonitor):
    """Prints the objective of every iteration."""

    @contextmanager
    def run(self, label, training, most):
        """Watch one run."""
        yield _PrintingRun(label)


class _PrintingRun(SilentMonitor):
    def __init__(self, label):
        self.label = label

    def end(self, number, state):
        """Print the objective."""
        print(f"[skmoe] {self.label}: iteration {number}, objective {state.objective:.6f}")


class CallbackMonitor:
    """Tells scikit-learn's callbacks of runs and iterations, as nested tasks.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Of the call of ``fit``.
    known : dict
        What callbacks are told of the estimator and its data.
    assemble : callable
        Makes the fitted attributes of a training and a state.
    other : SilentMonitor
        Who else looks on.

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
        """Watch one run, which is one task."""
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
        fitted = None
        if self.training is not None:

            def fitted():
                return self.monitor.assemble(self.training, state)

        self.stopped = self.iteration.call_on_fit_task_end(
            **self.monitor.known, reconstruction_attributes=fitted
        )


@contextmanager
def monitoring(context, known, assemble, finished, verbose):
    """Watch a call of ``fit``; yield who looks on.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext or None
        None without callbacks.
    known : dict
        What callbacks are told of the estimator and its data.
    assemble : callable
        Makes the fitted attributes of a training and a state.
    finished : callable
        Makes those of the whole fit, at its end.
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
