"""Where work runs: in this process, in local worker processes, or on a Dask cluster that is already there.

Everything that takes an executor takes any ``concurrent.futures.Executor``; nothing here schedules.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, InvalidStateError, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from equipoise.errors import ExtraMissing, InvalidProblem, WorkerLost

Item = TypeVar("Item")
Result = TypeVar("Result")

_LAST_WISHES: list[Callable[[], None]] = []

RETRIES = 3
"""Times that Dask runs a task again after losing the worker that held it."""


def in_order(function: Callable[[Item], Result], items: Sequence[Item], executor: Executor | None) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in the order of the items; without an executor, in this process."""
    if executor is None:
        yield from map(function, items)
        return
    with _workers_that_die():
        yield from executor.map(function, items)


def as_they_finish(
    function: Callable[[Item], Result], items: Iterable[Item], executor: Executor | None
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, whichever is ready first; what has not begun is dropped on an error."""
    if executor is None:
        yield from map(function, items)
        return
    with _workers_that_die():
        futures = [executor.submit(function, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


@contextlib.contextmanager
def open_executor(workers: int | None = None, dask: str | None = None) -> Iterator[Executor | None]:
    """Open the executor that a command line asks for: None for one worker or none, then this process does the work.

    Raises
    ------
    ExtraMissing
        If Dask is asked for and not installed.
    InvalidProblem
        If there is no Dask scheduler at the address, or if both are asked for.
    """
    if dask is not None and workers is not None:
        raise InvalidProblem("--workers", f"given beside --dask {dask}", "one of the two")
    if dask is not None:
        with _dask(dask) as executor:
            yield executor
    elif workers is None or workers == 1:
        yield None
    else:
        with _processes(workers) as executor:
            yield executor


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Open fresh interpreters; interrupted, they end at once and not after what they have in hand."""
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        yield executor
    except BaseException:
        with _no_words_about_cancelled_futures():
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            executor.shutdown(cancel_futures=True)
        raise
    else:
        executor.shutdown()


@contextlib.contextmanager
def _no_words_about_cancelled_futures() -> Iterator[None]:
    """Keep quiet where the pool's own thread, its workers gone, sets an error on a future that we have cancelled."""
    shown = threading.excepthook

    def show(failed: threading.ExceptHookArgs) -> None:
        if not isinstance(failed.exc_value, InvalidStateError):
            shown(failed)

    threading.excepthook = show
    try:
        yield
    finally:
        threading.excepthook = shown


def when_terminated(function: Callable[[], None]) -> Callable[[], None]:
    """Have ``function`` called when a local worker process is told to end in the midst of its work; return it."""
    _LAST_WISHES.append(function)
    return function


def _begin() -> None:
    """Set a worker up: interrupts are the parent's, which then terminates the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of the process that gives the work: killed, it cannot tell its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _end()


def _end(*signalled: object) -> None:
    for function in _LAST_WISHES:
        function()
    os._exit(128 + signal.SIGTERM)


@contextlib.contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        import distributed
    except ImportError as error:
        raise ExtraMissing("--dask", "distributed", "cluster") from error
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        words = (str(error).strip().splitlines() or ["no answer"])[0]
        raise InvalidProblem("--dask", f"{address!r} ({words})", "the address of a Dask scheduler that runs") from error
    with client:
        executor: Executor = client.get_executor(retries=RETRIES)  # type: ignore[no-untyped-call]
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


@contextlib.contextmanager
def _workers_that_die() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise WorkerLost("a worker process died; what had finished is kept where the command keeps results") from error
