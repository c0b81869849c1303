"""The workers of one fit, and what they are given once."""

from concurrent.futures import CancelledError
from threading import Lock

from joblib import parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import delayed

#: How often jobs are handed out anew because a worker died with what they need.
_LOSSES = 5

#: Entries that jobs have looked up in this process, by their key on the cluster.
_KEPT = {}
_LOOKING = Lock()


class Pool:
    """Workers of joblib: threads or processes of this machine, or those of a Dask cluster.

    Parameters
    ----------
    parallel : joblib.Parallel
        Open as long as the fit lasts.
    """

    def __init__(self, parallel):
        self._parallel = parallel
        # Only the backend of a cluster has a client. Other processes of this machine map large
        # arrays into their memory, and threads have them.
        self._client = getattr(get_active_backend()[0], "client", None)
        self._shared = []

    def share(self, entries):
        """Return a list of entries as jobs can look them up."""
        share = (
            SharedEntries(entries)
            if self._client is None
            else ClusterEntries(entries, self._client)
        )
        self._shared.append(share)
        return share

    def close(self):
        """Let workers forget what they were given; jobs after that bring all they need."""
        for share in self._shared:
            share.close()

    def run(self, function, share, jobs):
        """Run ``function(entry, *arguments)`` for each job.

        Parameters
        ----------
        function : callable
            Of a module, so that it can be sent.
        board : SharedEntries or ClusterEntries
        jobs : dict of int to tuple
            The further arguments of each job, by the number of its entry.

        Returns
        -------
        dict of int to result
        """
        for losses in range(_LOSSES + 1):
            try:
                results = self._parallel(share.calls(function, jobs))
                return dict(zip(jobs, results, strict=True))
            except share.lost:
                if losses == _LOSSES:
                    raise
                share.forget()


class SharedEntries:
    """Entries that jobs are handed.

    Parameters
    ----------
    entries : list
    """

    #: Errors after which the same jobs may go well.
    lost = ()

    def __init__(self, entries):
        self.entries = entries

    def close(self):
        """Nothing: no worker keeps them."""

    def calls(self, function, jobs):
        """Return calls of ``function(entry, *arguments)``, as joblib wants them."""
        return [delayed(function)(self.entries[k], *arguments) for k, arguments in jobs.items()]


class ClusterEntries(SharedEntries):
    """Entries that each worker of a cluster gets once, with its first job, and keeps.

    Dask keeps data that no job waits for on one worker only, and would send them again and again.

    Parameters
    ----------
    entries : list
    client : distributed.Client
    """

    #: A worker took data with it, or was gone before it could take them; old releases of joblib
    #: take the first for a result, and trip over it. What an expert raises is another error,
    #: that names it.
    lost = (CancelledError, OSError, TypeError)

    def __init__(self, entries, client):
        super().__init__(entries)
        self._client, self._future, self._is_open = client, None, True

    def calls(self, function, jobs):
        """Return calls of ``function(entry, *arguments)``, whose arguments are on their way."""
        if not self._is_open:
            return super().calls(function, jobs)
        if self._future is None:
            self._future = self._sent(self.entries)
            self._client.publish_dataset(self._future, name=self._future.key)
        # joblib would send them from a thread of its own, and wait for ever where that fails.
        sent = [self._sent(arguments) for arguments in jobs.values()]
        return [
            delayed(_look_up)(
                self._future.key, k, given, _LocalOnly(self.entries[k], jobs[k]), function
            )
            for k, given in zip(jobs, sent, strict=True)
        ]

    def _sent(self, value):
        # Without `hash`, which a cluster that is asked by its own worker cannot bear.
        return self._client.scatter([value], hash=False)[0]

    def close(self):
        """Send the entries no more, but with each job."""
        self.forget()
        self._is_open = False

    def forget(self):
        """Let workers forget the entries; they are sent anew when they are needed again."""
        if self._future is not None:
            self._client.unpublish_dataset(self._future.key)
            self._client.run(_forget, self._future.key, on_error="ignore")
            self._future = None


class _LocalOnly:
    """What stays where it is: nothing of it is sent."""

    def __init__(self, *kept):
        self.kept = kept

    def __reduce__(self):
        return _LocalOnly, ()


def _look_up(key, k, arguments, here, function):
    """Run a job: on a worker, or here, where joblib finds a single worker not worth the way."""
    if here.kept:
        entry, arguments = here.kept
    else:
        entry = _entries(key)[k]
    # Threads of an ensemble's own would add its members up in another order every time.
    with parallel_config(backend="threading", n_jobs=1):
        return function(entry, *arguments)


def _entries(key):
    """The entries of a key, from another worker when they are first asked for."""
    from dask.distributed import get_client, get_worker

    with _LOOKING:
        if key not in _KEPT:
            try:
                # A client sends what its own worker has, too.
                found = get_worker().data.get(key)
                _KEPT[key] = found or get_client().get_dataset(key).result()
            except (CancelledError, KeyError) as error:
                raise ConnectionError("the worker that had the training rows is gone") from error
        return _KEPT[key]


def _forget(key):
    _KEPT.pop(key, None)
