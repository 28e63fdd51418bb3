"""Runs on a Ray cluster: the same table as on one machine, whatever is killed meanwhile."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import colour_photo, write_photos
from PIL import Image

from lucas_habitat import classify, list_photos, save_model, vote
from lucas_habitat._base.runs import open_run, part_files, read_run
from lucas_habitat.cli import main
from lucas_habitat.errors import DependencyError, InputError, LucasWarning
from lucas_habitat.runs import jobs

pytestmark = [
    pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage"),
    pytest.mark.usefixtures("quiet_ray"),
]

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None and not os.environ.get("LUCAS_FORCE_TESTS"),
    reason="Ray is not installed",
)


def whole(run):
    """Everything in a run, in order of path."""
    parts = [pq.read_table(f).to_pandas() for f in part_files(Path(run))]
    return pd.concat(parts, ignore_index=True).sort_values("path").reset_index(drop=True)


def assert_equal_runs(one, other):
    pd.testing.assert_frame_equal(whole(one), whole(other), check_exact=True)
    schemas = {pq.read_schema(f) for run in (one, other) for f in part_files(Path(run))}
    assert len(schemas) == 1
    assert not (Path(one) / ".job").exists()


@needs_ray
@pytest.mark.slow
def test_a_run_on_ray_is_the_run_on_one_machine(model, tmp_path, capfd):
    import ray  # as a user may have, before it is told where to listen and whom to trust

    assert not ray.is_initialized()
    photos = write_photos(tmp_path / "fotos på ø")
    (photos / "cropland" / "43103601_north_2018.jpg").write_bytes(b"no photo at all")
    folder = save_model(model, tmp_path / "model")
    local = classify(photos, model, out=tmp_path / "local", flag_unlike=True, progress=False)
    told = []
    run = classify(
        photos,
        folder,
        out=tmp_path / "run på ø",
        flag_unlike=True,
        engine="ray",
        cache=False,
        progress=lambda *what: told.append(what),
    )
    assert_equal_runs(run, local)
    assert run.statuses == local.statuses
    assert run.finished
    assert (told[0], told[-1]) == ((0, 49, "photos"), (49, 49, "photos"))
    said = capfd.readouterr()
    assert "INFO" not in said.out + said.err
    with pytest.warns(LucasWarning, match="1 of 25 points have no readable photo"):
        assert len(vote(run)) == 25
    manifests = [json.loads((Path(r) / "_run.json").read_text()) for r in (run, local)]
    for name in ("model", "settings", "versions"):
        assert manifests[0][name].keys() == manifests[1][name].keys()
        assert {**manifests[0][name], "created": 0} == {**manifests[1][name], "created": 0}
    # What one machine began the other goes on with.
    colour_photo("woody", 9).save(photos / "woody" / "40003600_north_2018.jpg")
    more = classify(photos, model, out=run, flag_unlike=True, progress=False)
    assert more.photos == 50
    command = ["classify", str(photos), "--model", str(folder), "--out", str(run.folder)]
    assert main([*command, "--flag-unlike", "--engine", "ray"]) == 0
    assert "is finished: all 50 photos are done" in capfd.readouterr().err


def test_a_cluster_is_asked_for_as_a_whole(model, tmp_path):
    with pytest.raises(InputError, match="engine='ray' writes runs"):
        classify("photos", model, engine="ray")
    with pytest.raises(InputError, match="engine='ray' writes runs"):
        classify("photos", model, out=tmp_path / "table.csv", engine="ray")
    with pytest.raises(InputError, match="give engine='ray' too"):
        classify("photos", model, out=tmp_path / "run", address="auto")
    with pytest.raises(InputError, match="engine must be one of"):
        classify("photos", model, out=tmp_path / "run", engine="spark")


def test_without_ray_it_is_said_how_to_get_it(model, tmp_path, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "ray" else there(name, *a)
    )
    with pytest.raises(DependencyError, match=r"pip install 'lucas-habitat\[cluster\]'"):
        classify("photos", model, out=tmp_path / "run", engine="ray")
    assert not (tmp_path / "run").exists()


@needs_ray
def test_an_address_where_nothing_answers_is_refused_at_once(model, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match=rf"no Ray cluster at address='127.0.0.1:{port}'"):
        classify("photos", model, out=tmp_path / "run", engine="ray", address=f"127.0.0.1:{port}")
    assert not (tmp_path / "run").exists()


def job_of(folder, **parts):
    """A run's folder with parts, and notes of them as Ray writes them."""
    folder.mkdir()
    for name, note in parts.items():
        pq.write_table(pa.table({"path": [name]}), folder / f"{name.replace('_', '-')}.parquet")
        if note:
            checkpoint = folder / ".job" / "checkpoint"
            checkpoint.mkdir(parents=True, exist_ok=True)
            (checkpoint / f"{name.replace('_', '-')}{note}").write_bytes(b"note")
    return folder


def test_parts_that_a_killed_job_did_not_finish_are_no_rows(tmp_path):
    run = job_of(tmp_path / "run", part_000000="")
    first = jobs.begin_job(run, 3)
    assert (first.first, first.number, first.goes_on) == (1, 1, False)
    first.checkpoint.mkdir()
    for number, note in ((1, ".parquet"), (2, ".pending.parquet"), (3, None)):
        pq.write_table(pa.table({"path": ["a"]}), run / f"part-{number:06d}.parquet")
        if note:
            (first.checkpoint / f"part-{number:06d}{note}").write_bytes(b"")
    again = jobs.begin_job(run, 3)
    assert (again.first, again.number, again.goes_on) == (1, 4, True)
    assert [f.name[5:11] for f in part_files(run)] == ["000000", "000001"]
    assert [f.name for f in first.checkpoint.iterdir()] == ["part-000001.parquet"]
    # A worker of the first start, which outlived it for a moment.
    pq.write_table(pa.table({"path": ["a"]}), run / "part-000002.parquet")
    assert jobs.first_of_open_job(run) == 1
    jobs.close_job(run)
    assert [f.name[5:11] for f in part_files(run)] == ["000000", "000001"]
    assert jobs.first_of_open_job(run) is None
    assert not (run / ".job").exists()
    jobs.close_job(run)
    assert len(part_files(run)) == 2


def test_one_machine_goes_on_with_what_a_cluster_finished(model, tmp_path):
    photos = write_photos(tmp_path / "photos", n_points=2)
    expected = classify(photos, model, out=tmp_path / "expected", progress=False)
    table = list_photos(photos)
    run = classify(table[:4], model, out=tmp_path / "run", progress=False)
    job = jobs.begin_job(run.folder, 8)
    job.checkpoint.mkdir()
    for number, rows in ((1, slice(4, 8)), (2, slice(8, 12))):
        few = classify(table[rows], model, out=tmp_path / f"few{number}", progress=False)
        os.rename(part_files(few.folder)[0], run.folder / f"part-{number:06d}.parquet")
    (job.checkpoint / "part-000001.parquet").write_bytes(b"")
    (job.checkpoint / "part-000002.pending.parquet").write_bytes(b"")
    now = classify(photos, model, out=run, progress=False)
    assert_equal_runs(now, expected)
    assert now.photos == 16


@needs_ray
def test_photos_that_workers_do_not_see_are_no_missing_photos(model, tmp_path):
    from lucas_habitat.cluster import worker
    from lucas_habitat.engines import choose_target
    from lucas_habitat.predicting import Block

    photos = list_photos(write_photos(tmp_path / "photos", n_points=1))
    photos["stamp"] = "1-1"
    block = Block(photos, model, choose_target("cpu"))
    worker._check_visible(photos, block)  # the folders are there: photos went meanwhile
    away = photos.assign(path=photos["path"].str.replace("photos", "elsewhere"))
    with pytest.raises(InputError, match="does not have the folders of the photos"):
        worker._check_visible(away, block)
    worker._check_visible(away.assign(stamp=None), block)  # nor had the machine that listed them


@needs_ray
def test_workers_take_the_cores_or_the_gpus_that_there_are():
    from lucas_habitat.cluster.connection import Cluster
    from lucas_habitat.cluster.photos_job import _rows_in_block, _workers
    from lucas_habitat.engines import Target

    cpu, gpu = Target("openvino", "cpu", "float32"), Target("torch", "cuda:0", "float32")
    assert _workers(Cluster(160, 0, False), cpu, goes_on=False) == (160, 1, 0)
    # What leaves out the finished photos needs a core, too.
    assert _workers(Cluster(160, 0, False), cpu, goes_on=True) == (159, 1, 0)
    assert _workers(Cluster(2, 0, True), cpu, goes_on=True) == (2, 1, 0)
    assert _workers(Cluster(64, 4, False), gpu, goes_on=False) == (4, 16, 1)
    assert _workers(Cluster(64, 4, False), cpu, goes_on=False) == (64, 1, 0)
    assert _rows_in_block(5_400_000, 160) == 4096
    assert _rows_in_block(2_000, 2) == 125
    assert _rows_in_block(10, 160) == 64


@pytest.fixture(scope="module")
def big_photos(tmp_path_factory):
    """Photos that take a while: 480 links to eight of 12 million pixels."""
    folder = tmp_path_factory.mktemp("big")
    rng = np.random.default_rng(1)
    for i in range(8):
        pixels = np.kron(
            rng.integers(0, 255, (30, 40, 3), np.uint8), np.ones((100, 100, 1), np.uint8)
        )
        Image.fromarray(pixels).save(folder / f"{43003600 + 2 * i}_north_2018.jpg", quality=90)
    for i in range(8, 480):
        os.link(
            folder / f"{43003600 + 2 * (i % 8)}_north_2018.jpg",
            folder / f"{43003600 + 2 * i}_north_2018.jpg",
        )
    return folder


@pytest.fixture
def cluster():
    """Two machines of one and two cores, as far as Ray can tell."""
    from ray.cluster_utils import Cluster

    store = 100_000_000
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "object_store_memory": store, "include_dashboard": False},
    )
    cluster.add_node(num_cpus=1, object_store_memory=store)
    yield cluster
    cluster.shutdown()


def descendants(pid):
    """The processes that a process started, and those that they did, with their names."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            names[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rsplit(")", 1)[1].split()[1])
    mine, more = set(), {pid}
    while more:
        mine |= more
        more = {p for p, parent in parents.items() if parent in mine} - mine
    return {p: names[p] for p in mine}


def workers():
    """The processes of this test's cluster that classify."""
    return [p for p, name in descendants(os.getpid()).items() if "MapWorker" in name]


def until(is_so, process=None, seconds=240):
    """Wait for something, while a process runs."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it takes too long"
        assert process is None or process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="workers are told by /proc")
def test_workers_and_drivers_that_are_killed_cost_no_row(model, big_photos, cluster, tmp_path):
    folder = save_model(model, tmp_path / "model")
    run = tmp_path / "run"
    command = [sys.executable, "-m", "lucas_habitat.cli", "classify", str(big_photos)]
    command += ["--model", str(folder), "--out", str(run), "--no-cache"]
    command += ["--engine", "ray", "--address", cluster.address]
    start = partial(subprocess.Popen, command, stderr=subprocess.PIPE, text=True)

    # A worker is lost: the job goes on without a word.
    driver = start()
    until(lambda: part_files(run), driver)
    lost = workers()
    assert lost
    os.kill(lost[0], signal.SIGKILL)
    n = len(part_files(run))
    until(lambda: len(part_files(run)) >= n + 2, driver)

    # The driver is lost: started again it goes on.
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    until(lambda: not workers())
    assert (run / ".job" / "job.json").exists()
    kept = {
        f.name: (run / f.name).stat().st_mtime_ns
        for f in (run / ".job" / "checkpoint").glob("part-*.parquet")
        if "pending" not in f.name
    }
    n_kept = sum(pq.read_metadata(run / name).num_rows for name in kept)
    assert 0 < n_kept < 480
    with pytest.warns(LucasWarning, match="is not finished"):
        assert read_run(run)["path"].is_unique

    # And a worker again, while it does.
    driver = start()
    until(lambda: len(part_files(run)) > len(kept), driver)
    os.kill(workers()[0], signal.SIGKILL)
    _, said = driver.communicate(timeout=300)
    assert driver.returncode == 0, said
    assert {name: (run / name).stat().st_mtime_ns for name in kept} == kept  # nothing done twice
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        local = classify(big_photos, model, out=tmp_path / "local", progress=False)
    assert open_run(run).photos == 480
    assert_equal_runs(run, local)
