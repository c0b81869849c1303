"""The workers of one fit, and the entries that they share."""

from collections.abc import Callable
from concurrent.futures import CancelledError
from threading import Lock
from typing import Any

from joblib import parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import delayed

#: How often jobs are run again because a worker died that held the entries.
_LOSSES = 5

#: Shared entries that jobs have loaded in this process, by their key on the cluster.
_LOADED: dict[str, list[Any]] = {}
_LOADING = Lock()


class Workers:
    """Workers of joblib: threads or processes of this machine, or workers of a Dask cluster.

    Parameters
    ----------
    parallel : joblib.Parallel
        Open during the fit.
    """

    def __init__(self, parallel: Any) -> None:
        self._parallel = parallel
        # Only the backend of a cluster has a client. Other processes of this machine map large
        # arrays into their memory, and threads use the same memory.
        self._client = getattr(get_active_backend()[0], "client", None)
        self._shared: list[SharedEntries] = []

    def share(self, entries: list[Any]) -> "SharedEntries":
        """Return entries that jobs can use, each by its number."""
        share = (
            SharedEntries(entries)
            if self._client is None
            else ClusterEntries(entries, self._client)
        )
        self._shared.append(share)
        return share

    def close(self) -> None:
        """Delete shared entries on the workers; later jobs are sent with their entries."""
        for share in self._shared:
            share.close()

    def run(
        self,
        function: Callable[..., Any],
        share: "SharedEntries",
        jobs: dict[int, tuple[Any, ...]],
    ) -> dict[int, Any]:
        """Run ``function(entry, *arguments)`` for each job.

        Parameters
        ----------
        function : callable
            Function of a module, so that it can be pickled.
        share : SharedEntries
            Entries that `share` has returned.
        jobs : dict of int to tuple
            The further arguments of each job, by the number of its entry.

        Returns
        -------
        dict of int to result
        """
        for _ in range(_LOSSES):
            try:
                return self._results(function, share, jobs)
            except share.lost:
                share.forget()
        return self._results(function, share, jobs)

    def _results(
        self, function: Callable[..., Any], share: "SharedEntries", jobs: dict[int, tuple[Any, ...]]
    ) -> dict[int, Any]:
        results = self._parallel(share.calls(function, jobs))
        return dict(zip(jobs, results, strict=True))


class SharedEntries:
    """Entries that are sent with each job.

    Parameters
    ----------
    entries : list
    """

    #: Errors after which the same jobs may succeed.
    lost: tuple[type[Exception], ...] = ()

    def __init__(self, entries: list[Any]) -> None:
        self.entries = entries

    def close(self) -> None:
        """Delete the entries on workers; no worker keeps these."""

    def forget(self) -> None:
        """Delete the entries on workers, to send them again; no worker keeps these."""

    def calls(self, function: Callable[..., Any], jobs: dict[int, tuple[Any, ...]]) -> list[Any]:
        """Return the jobs as joblib's delayed calls of ``function(entry, *arguments)``."""
        return [delayed(function)(self.entries[k], *arguments) for k, arguments in jobs.items()]


class ClusterEntries(SharedEntries):
    """Entries that each worker of a cluster loads once, with its first job, and keeps.

    Dask keeps data on one worker only while no job waits for them, and would send them again for
    every job.

    Parameters
    ----------
    entries : list
    client : distributed.Client
    """

    #: A worker died with data, or before they arrived. Old releases of joblib take the first error
    #: for a result, which leads to a TypeError. Errors of experts have another type, and name the
    #: expert.
    lost: tuple[type[Exception], ...] = (CancelledError, OSError, TypeError)

    def __init__(self, entries: list[Any], client: Any) -> None:
        super().__init__(entries)
        self._client, self._future, self._is_open = client, None, True

    def calls(self, function: Callable[..., Any], jobs: dict[int, tuple[Any, ...]]) -> list[Any]:
        """Return the jobs as joblib's delayed calls; their arguments are sent at once."""
        if not self._is_open:
            return super().calls(function, jobs)
        if self._future is None:
            self._future = self._sent(self.entries)
            self._client.publish_dataset(self._future, name=self._future.key)
        # joblib would send arguments from another thread, and would never return where that fails.
        sent = [self._sent(arguments) for arguments in jobs.values()]
        return [
            delayed(_run_job)(
                self._future.key, k, given, _LocalOnly(self.entries[k], jobs[k]), function
            )
            for k, given in zip(jobs, sent, strict=True)
        ]

    def _sent(self, value: Any) -> Any:
        # With `hash`, a call by one of the cluster's own workers would fail.
        return self._client.scatter([value], hash=False)[0]

    def close(self) -> None:
        """Delete the entries on workers; from now on they are sent with each job."""
        self.forget()
        self._is_open = False

    def forget(self) -> None:
        """Delete the entries on workers; they are sent again with the next jobs."""
        if self._future is not None:
            self._client.unpublish_dataset(self._future.key)
            self._client.run(_forget, self._future.key, on_error="ignore")
            self._future = None


class _LocalOnly:
    """Objects that are not pickled: empty in another process."""

    def __init__(self, *kept: Any) -> None:
        self.kept = kept

    def __reduce__(self) -> tuple[Any, ...]:
        return _LocalOnly, ()


def _run_job(
    key: str,
    k: int,
    arguments: tuple[Any, ...],
    local: _LocalOnly,
    function: Callable[..., Any],
) -> Any:
    """Run a job on a worker, or in this process, where joblib runs the jobs of a single worker."""
    if local.kept:
        entry, arguments = local.kept
    else:
        entry = _entries(key)[k]
    # With several threads, an ensemble would add up its members in a different order each time.
    with parallel_config(backend="threading", n_jobs=1):
        return function(entry, *arguments)


def _entries(key: str) -> list[Any]:
    """Return the entries of a key, which the first call loads from another worker."""
    from dask.distributed import get_client, get_worker

    with _LOADING:
        if key not in _LOADED:
            try:
                # A client would copy even the data of its own worker.
                found: Any = get_worker().data.get(key)
                if not found:
                    client: Any = get_client()
                    found = client.get_dataset(key).result()
                _LOADED[key] = found
            except (CancelledError, KeyError) as error:
                raise ConnectionError("the worker that had the training rows is gone") from error
        return _LOADED[key]


def _forget(key: str) -> None:
    _LOADED.pop(key, None)
