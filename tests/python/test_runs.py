"""A run is a folder of predictions that goes on where it was broken off."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import colour_photo, write_photos
from filelock import FileLock

from lucas_habitat import (
    Run,
    classify,
    covariates,
    evaluate,
    list_photos,
    reliability,
    review_list,
    save_model,
    vote,
)
from lucas_habitat._base.runs import iter_run, open_run, part_files, read_run
from lucas_habitat.cli import main
from lucas_habitat.errors import InputError, LucasMessage, LucasWarning, OutputError
from lucas_habitat.runs import listing, plan

pytestmark = pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasMessage")


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Parts of ten photos, so that few photos make several."""
    monkeypatch.setattr(listing, "PART_ROWS", 10)
    monkeypatch.setattr(plan, "PART_ROWS", 10)


@pytest.fixture
def photos(tmp_path):
    """48 photos and a damaged one, of a name that sorts into their middle."""
    folder = write_photos(tmp_path / "fotos på ø")
    (folder / "cropland" / "43103601_north_2018.jpg").write_bytes(b"no photo at all")
    return folder


@pytest.fixture
def run(photos, model, tmp_path):
    return classify(photos, model, out=tmp_path / "run på ø", progress=False)


def classified(photos, model, out, **settings):
    """Classify, and give the messages that came."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = classify(photos, model, out=out, progress=False, **settings)
    return run, [
        str(w.message) for w in caught if issubclass(w.category, LucasMessage | LucasWarning)
    ]


def whole(run):
    return read_run(run).sort_values("path").reset_index(drop=True)


def files(run):
    return {f.name: f.stat().st_mtime_ns for f in part_files(run.folder)}


@pytest.fixture
def computed(monkeypatch):
    """The photos that are computed, as a list that grows."""
    from lucas_habitat import features

    done = []
    compute = features._compute

    def counted(*given):
        done.extend(given[-1])
        return compute(*given)

    monkeypatch.setattr(features, "_compute", counted)
    return done


def test_a_run_holds_what_the_table_holds(run, photos, model):
    table = classify(photos, model, progress=False)
    pd.testing.assert_frame_equal(read_run(run), table)
    assert read_run(run).attrs == table.attrs
    assert isinstance(run, Run)
    assert run.photos == 49
    assert run.statuses == {"not a photo": 1, "ok": 48}
    assert run.finished
    assert run.classes == model.classes
    assert "48 photos classified" in repr(run)
    assert "1 not a photo" in repr(run)
    assert [pq.read_metadata(f).num_rows for f in part_files(run.folder)] == [10, 10, 10, 10, 9]


def test_any_reader_of_parquet_takes_the_folder(run, photos, model):
    table = pd.read_parquet(run.folder)
    assert len(table) == 49
    assert table["predicted"].cat.categories.tolist() == model.classes
    assert {"stamp", "content"} <= set(table)
    assert table["content"].str.fullmatch("[0-9a-f]{32}").all()
    assert not [f for f in os.listdir(run) if not f.startswith(("part-", "_", "."))]
    assert not [f for f in os.listdir(run) if f.startswith((".part", ".photos"))]


@pytest.mark.filterwarnings("ignore:1 of 25 points have no readable photo")
def test_every_table_may_be_a_run(run, photos, model):
    table = classify(photos, model, progress=False)
    pd.testing.assert_frame_equal(vote(run), vote(table))
    assert evaluate(run, n_boot=50).kappa == evaluate(table, n_boot=50).kappa
    assert len(classify(run, model, progress=False)) == 49
    pd.testing.assert_frame_equal(
        pd.concat(iter_run(run, ["path"]), ignore_index=True), table[["path"]]
    )


def test_a_finished_run_says_so_and_computes_nothing(run, photos, model, computed):
    before = files(run)
    again, messages = classified(photos, model, run)
    assert not computed
    assert files(run) == before
    assert again == run
    assert any("is finished: all 49 photos are done" in m and "retry=True" in m for m in messages)


def test_a_run_that_was_broken_off_goes_on(photos, model, tmp_path, computed, run):
    expected = whole(run)
    broken = tmp_path / "broken"

    def stop(done, total, what):
        if done >= 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify(photos, model, out=broken, cache=False, progress=stop)
    kept = files(open_run(broken))
    n_kept = 10 * len(kept)
    assert 20 <= n_kept < 49
    assert not [f for f in os.listdir(broken) if f.startswith((".part", ".photos"))]
    with pytest.warns(LucasWarning, match="is not finished"):
        assert len(read_run(broken)) == n_kept
    assert "not finished" in repr(open_run(broken))
    computed.clear()
    went_on, messages = classified(photos, model, broken, cache=False)
    assert len(computed) == 49 - n_kept
    assert {name: files(went_on)[name] for name in kept} == kept
    assert any(f"goes on: {n_kept} of 49 photos are done" in m for m in messages)
    pd.testing.assert_frame_equal(whole(went_on), expected)
    for mine, other in zip(part_files(broken), part_files(run.folder), strict=True):
        assert pq.read_table(mine).equals(pq.read_table(other))


def test_new_photos_become_new_parts(run, photos, model, computed):
    before = files(run)
    colour_photo("woody", 9).save(photos / "artificial" / "40003600_north_2018.jpg")
    more, _ = classified(photos, model, run)
    assert len(computed) == 1
    assert files(more).items() >= before.items()
    assert more.photos == 50
    assert read_run(more)["path"].is_unique


def test_a_photo_that_changed_is_computed_again_in_its_place(run, photos, model, computed):
    order = read_run(run)["path"].tolist()
    path = photos / "grassland" / "43203602_north_2018.jpg"
    before = read_run(run).set_index("path").loc[str(path)]
    assert before["predicted"] == "grassland"
    colour_photo("artificial", 5).save(path, quality=90)
    now = read_run(classify(photos, model, out=run, progress=False))
    assert computed == [str(path)]
    assert now["path"].tolist() == order
    assert now.set_index("path").loc[str(path), "predicted"] == "artificial"
    pd.testing.assert_frame_equal(
        now[now["path"] != str(path)], read_run(run)[lambda t: t["path"] != str(path)]
    )


def test_a_photo_that_was_only_touched_is_not_computed_again(run, photos, model, computed):
    expected = whole(run)
    path = photos / "grassland" / "43203602_north_2018.jpg"
    os.utime(path, (1, 1))
    classify(photos, model, out=run, progress=False)
    assert not computed
    pd.testing.assert_frame_equal(whole(run), expected)
    stamps = pd.read_parquet(run.folder).set_index("path")["stamp"]
    assert stamps[str(path)].endswith("-1000000000")


def test_refused_photos_are_tried_again_when_asked_for(run, photos, model, computed, monkeypatch):
    table = pd.DataFrame({"path": [str(photos / "woody" / "43303600_north_2018.jpg"), "gone.jpg"]})
    monkeypatch.chdir(photos)
    out = run.folder.parent / "few"
    few = classify(table, model, out=out, progress=False)
    assert few.statuses == {"missing": 1, "ok": 1}
    computed.clear()
    again = classify(table, model, out=out, retry=True, progress=False)
    assert again.statuses == few.statuses
    assert len(computed) == 1
    # A file that is there now is seen without being asked for.
    colour_photo("woody", 9).save(photos / "gone.jpg")
    assert classify(table, model, out=out, progress=False).statuses == {"ok": 2}


def test_photos_that_are_gone_keep_their_rows(run, photos, model):
    shutil.rmtree(photos / "woody")
    now, messages = classified(photos, model, run)
    assert now.photos == 49
    assert any("holds 12 photos that are not among these 37" in m for m in messages)


def test_another_model_or_setting_is_refused_by_name(run, photos, model, tmp_path):
    import dataclasses

    other = dataclasses.replace(
        model, head_weights={k: v + 1 for k, v in model.head_weights.items()}
    )
    before = files(run)
    with pytest.raises(InputError, match=r"by another model or other settings \(model\.sha256"):
        classify(photos, other, out=run, progress=False)
    with pytest.raises(InputError, match=r"settings\.flag_unlike: False there, True now"):
        classify(photos, model, out=run, flag_unlike=True, progress=False)
    assert files(run) == before


def test_a_saved_model_is_the_same_model(run, photos, model, tmp_path, computed):
    folder = save_model(model, tmp_path / "model")
    classify(photos, folder, out=run, progress=False)
    assert not computed


def test_a_folder_that_holds_something_else_is_left_alone(photos, model, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(InputError, match="exists and holds no run"):
        classify(photos, model, out=tmp_path / "mine", progress=False)
    assert os.listdir(tmp_path / "mine") == ["notes.txt"]


def test_nothing_is_left_of_a_run_that_could_not_begin(model, tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="There is no photo"):
        classify(tmp_path / "nothing", model, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_disk_that_is_full_before_the_first_photo_is_told_in_a_sentence(
    photos, model, tmp_path, monkeypatch
):
    """The photo table is listed there first."""

    def full(table, file):
        raise OSError(errno.ENOSPC, "Error writing bytes to file. Detail: No space left on device")

    monkeypatch.setattr(listing.pq, "write_table", full)
    with pytest.raises(OutputError, match=r"Cannot write .*run: the disk is full .*Make room"):
        classify(photos, model, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_one_program_at_a_time_writes_a_run(run, photos, model):
    with (
        FileLock(run.folder / ".lock"),
        pytest.raises(InputError, match="Another program is writing the run"),
    ):
        classify(photos, model, out=run, progress=False)


def test_a_damaged_part_is_set_aside_and_computed_again(run, photos, model, computed):
    expected = whole(run)
    file = part_files(run.folder)[2]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"Cannot read .*part-000002"):
        read_run(run)
    with pytest.warns(LucasWarning, match="part-000002.parquet of the run is damaged"):
        classify(photos, model, out=run, progress=False)
    assert len(computed) <= 10  # what the cache has is not computed
    pd.testing.assert_frame_equal(whole(run), expected)
    assert (run.folder / "_damaged-part-000002.parquet").exists()


def test_a_damaged_manifest_is_refused(run, photos, model):
    (run.folder / "_run.json").write_text("{")
    with pytest.raises(InputError, match=r"_run\.json is damaged"):
        classify(photos, model, out=run, progress=False)
    (run.folder / "_run.json").write_text(
        json.dumps({"format": "lucas-habitat run", "format_version": 99})
    )
    with pytest.raises(InputError, match="newer lucas-habitat"):
        vote(run)
    (run.folder / "_run.json").write_text(
        json.dumps({"format": "lucas-habitat run", "format_version": 1, "model": {}})
    )
    for use in (vote, lambda run: classify(photos, model, out=run, progress=False)):
        with pytest.raises(
            InputError, match="damaged: it lacks finished, settings, statuses, versions"
        ):
            use(run)


def test_messages_of_the_listing_reach_the_user(photos, model, tmp_path):
    name = os.fsencode(photos / "woody") + b"/caf\xe9_north_2018.jpg"
    shutil.copy(photos / "woody" / "43303600_north_2018.jpg", name)
    run, messages = classified(photos, model, tmp_path / "run")
    assert run.photos == 50
    assert sum("names of files or folders are not UTF-8" in m for m in messages) == 1


def test_only_a_run_can_try_again(photos, model, tmp_path):
    for out in (None, tmp_path / "pred.csv"):
        with pytest.raises(InputError, match="retry=True is for a run that goes on"):
            classify(photos, model, out=out, retry=True, progress=False)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_photos_of_a_table_are_streamed_from_its_file(photos, model, tmp_path, ending):
    table = list_photos(photos)
    # Whole numbers in the first blocks, fractions and words in later ones.
    table["slope"] = [*range(30), *np.arange(19) + 0.5]
    table["note"] = [*[None] * 45, "wet", "dry", None, "7"]
    source = tmp_path / f"photos.{ending}"
    getattr(table, f"to_{ending}")(source, index=False)
    run = classify(source, model, out=tmp_path / "run", progress=False)
    expected = classify(source, model, progress=False)
    pd.testing.assert_frame_equal(read_run(run), expected)


def test_a_table_in_memory_and_a_list_are_photos_too(photos, model, tmp_path):
    table = list_photos(photos).sample(frac=1, random_state=2).reset_index(drop=True)
    run = classify(table, model, out=tmp_path / "table", progress=False)
    pd.testing.assert_frame_equal(read_run(run), classify(table, model, progress=False))
    paths = table["path"].tolist()
    run = classify(paths, model, out=tmp_path / "list", progress=False)
    assert read_run(run)["path"].tolist() == paths


def test_a_photo_has_one_row(photos, model, tmp_path):
    table = list_photos(photos)
    twice = pd.concat([table, table.head(3)], ignore_index=True)
    with pytest.warns(LucasWarning, match="3 rows stand twice and are left out"):
        run = classify(twice, model, out=tmp_path / "run", progress=False)
    pd.testing.assert_frame_equal(read_run(run), classify(table, model, progress=False))
    twice.loc[50, "habitat"] = "woody"
    with pytest.raises(
        InputError, match="1 photos stand in the table twice, with different labels"
    ):
        classify(twice, model, out=tmp_path / "other", progress=False)
    assert not (tmp_path / "other").exists()


def test_labels_that_differ_within_a_point_are_told_across_blocks(photos, model, tmp_path):
    table = list_photos(photos)
    point = table["point_id"].iloc[0]
    odd = table[table["point_id"] == point].head(1).assign(habitat="woody")
    table = pd.concat([table.iloc[1:], odd], ignore_index=True)
    with pytest.warns(LucasWarning, match="1 points carry different labels in one year"):
        classify(table, model, out=tmp_path / "run", progress=False)


def test_columns_that_came_later_are_refused(run, photos, model):
    table = list_photos(photos).assign(extra=1)
    colour_photo("woody", 9).save(photos / "artificial" / "40003600_north_2018.jpg")
    more = list_photos(photos).assign(extra=1)
    assert len(more) > len(table)
    with pytest.raises(InputError, match="columns that it had not when the run was begun: extra"):
        classify(more, model, out=run, progress=False)


def test_a_table_file_is_written_too(photos, model, tmp_path):
    table = classify(photos, model, out=tmp_path / "pred.parquet", progress=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "pred.parquet"), table)


def test_from_the_shell(photos, model, tmp_path, capsys):
    folder = save_model(model, tmp_path / "model")
    command = ["classify", str(photos), "--model", str(folder), "--out", str(tmp_path / "run")]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "48 photos classified" in said
    assert str(tmp_path / "run") in said
    assert main([*command, "--retry"]) == 0
    assert main(["vote", str(tmp_path / "run"), "--out", str(tmp_path / "points.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "points.csv")) == 25


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to handle")
def test_a_run_stops_cleanly_when_told_to(model, tmp_path):
    photos = write_photos(tmp_path / "photos", n_points=30)
    folder = save_model(model, tmp_path / "model")
    run = tmp_path / "run"
    command = [sys.executable, "-c", _SLOWED, str(photos), str(folder), str(run)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not part_files(run) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "what was finished is kept" in said
    assert not [f for f in os.listdir(run) if f.startswith((".part", ".photos"))]
    n = open_run(run).photos
    assert 0 < n < 240
    assert classify(photos, folder, out=run, progress=False).photos == 240


_SLOWED = """
import sys, time
from lucas_habitat import features
from lucas_habitat.runs import listing, plan
from lucas_habitat.cli import main
listing.PART_ROWS = plan.PART_ROWS = 10
read = features.read_bytes
features.read_bytes = lambda path: time.sleep(0.05) or read(path)
sys.exit(main(["classify", sys.argv[1], "--model", sys.argv[2], "--out", sys.argv[3], "--no-cache"]))
"""


@pytest.mark.filterwarnings("ignore::lucas_habitat.errors.LucasWarning")
def test_what_reads_predictions_reads_runs(run, tmp_path):
    table = read_run(run)
    for read in (
        lambda given: review_list(given, n=5),
        lambda given: reliability(given),
        lambda given: covariates(vote(given)),
    ):
        pd.testing.assert_frame_equal(read(run), read(table), check_exact=True)
        pd.testing.assert_frame_equal(read(str(run.folder)), read(table), check_exact=True)
