"""Work spread over processes and clusters: the same results, nothing lost, nothing twice, nothing left behind."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from child_tasks import die, hang, square
from command_line import wait_until
from equipoise.audits.run import choose, judge_units
from equipoise.balancers.find import Target
from equipoise.errors import ExtraMissing, InvalidProblem, WorkerLost
from equipoise.executors import as_they_finish, in_order, open_executor
from equipoise.study.report.markdown import markdown
from equipoise.study.run import run_study
from equipoise.traces import drifting
from study_cases import FAILING, small


@pytest.fixture(scope="module")
def two_workers():
    with open_executor(2) as executor:
        yield executor


def test_results_are_those_of_this_process_in_order_and_as_they_finish(two_workers):
    items = list(range(20))
    for executor in (None, two_workers):
        assert list(in_order(square, items, executor)) == [square(item) for item in items]
        assert sorted(as_they_finish(square, items, executor)) == [square(item) for item in items]


def test_one_worker_is_this_process():
    with open_executor(1) as executor:
        assert executor is None


def test_a_worker_that_dies_is_an_error_in_words():
    with open_executor(2) as executor, pytest.raises(WorkerLost, match="a worker process died"):
        list(as_they_finish(die, [1, 2], executor))


def test_an_error_ends_local_workers_at_once():
    def interrupted():
        with open_executor(2) as executor:
            executor.submit(hang)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # and the test ends
        interrupted()


def streams():
    return drifting(3, 24, 4, 2, seed=1) + drifting(3, 24, 4, 2, seed=2)


def audited(names, executor, **options):
    """The rows of routers on the streams, but for what was timed."""
    chosen, settings = choose("router", options)
    targets = [Target(name, name, role="router") for name in names]
    units = chosen.units(streams(), settings)
    rows = judge_units(chosen, targets, units, settings, None, executor=executor)
    return [{name: value for name, value in row.to_dict().items() if name != "seconds"} for row in rows]


def test_audits_do_not_depend_on_who_works(two_workers):
    def rows(executor):
        return audited(["topk", "loss-free"], executor, passes=2)

    assert rows(two_workers) == rows(None)
    with ThreadPoolExecutor(1) as threads:
        assert rows(threads) == rows(None)


def test_stream_audits_do_not_depend_on_who_works(two_workers):
    assert audited(["loss-free"], two_workers, stream=True) == audited(["loss-free"], None, stream=True)


def test_studies_do_not_depend_on_who_works(two_workers, tmp_path):
    description = small(["topk", "quantile"])
    alone = run_study(description, tmp_path / "alone")
    spread = run_study(description, tmp_path / "spread", two_workers)
    assert markdown(spread) == markdown(alone)


def test_workers_and_dask_exclude_each_other_and_a_wrong_address_is_refused():
    with pytest.raises(InvalidProblem, match="--workers"), open_executor(2, "tcp://127.0.0.1:1"):
        pass
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    with pytest.raises(InvalidProblem, match="the address of a Dask scheduler"), open_executor(None, "nonsense://x"):
        pass


def test_dask_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ExtraMissing, match=r"equipoise\[cluster\]"), open_executor(None, "tcp://127.0.0.1:1"):
        pass


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A real Dask scheduler and two worker processes on loopback: the scheduler's address and the workers."""
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.syspath_prepend(str(tmp_path))
    paths = os.pathsep.join([str(tmp_path), os.path.dirname(__file__), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "30s"}
    where = tmp_path / "scheduler.json"

    def start(program, *options):
        command = [sys.executable, "-m", f"distributed.cli.{program}", *options]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=environment, cwd=tmp_path, start_new_session=True, **silent)

    place = ["--scheduler-file", str(where), "--no-dashboard"]
    scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", *place)
    worker = ["--no-nanny", "--nthreads", "1", "--host", "127.0.0.1", *place]
    workers = [start("dask_worker", *worker), start("dask_worker", *worker)]
    try:
        wait_until(where.exists)
        import distributed

        with distributed.Client(scheduler_file=str(where), timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            address = client.scheduler.address
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.filterwarnings("ignore")
def test_a_dask_worker_killed_mid_run_loses_nothing_and_nothing_counts_twice(cluster, tmp_path):
    address, workers = cluster
    description = small(["topk", "failing:slow"], skew="[0.0, 1.0, 2.0]")
    counts = []

    def progress(done, total):
        counts.append((done, total))
        if len(counts) == 3:
            os.killpg(workers[0].pid, signal.SIGKILL)

    with open_executor(None, address) as executor:
        study = run_study(description, tmp_path / "cluster", executor, progress=progress)
    assert workers[0].poll() is not None
    assert counts[-1] == (24, 24)
    assert len({row.key for row in study.rows}) == len(study.rows) == 24
    assert not [row.error for row in study.rows if row.error is not None]
    assert markdown(study) == markdown(run_study(description, tmp_path / "alone"))
