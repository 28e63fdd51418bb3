"""Disks that are full, read-only or cut off: told before the work, nothing lost, nothing half."""

import argparse
import contextlib
import dataclasses
import errno
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lucas_habitat as lh
from lucas_habitat import load_model, save_model
from lucas_habitat._base import files
from lucas_habitat._base.files import (
    check_out_file,
    check_out_folder,
    write_atomically,
    write_json,
    write_or_rescue,
    write_text,
)
from lucas_habitat._base.tables import read_table, write_table
from lucas_habitat.cli import main
from lucas_habitat.cli.main import COMMANDS
from lucas_habitat.errors import InputError, LucasError, OutputError


class FullDisk:
    """A folder on a disk that gets full when it is told to."""

    def __init__(self, folder, fill, free):
        self.folder, self.fill, self.free = folder, fill, free


def _real(tmp_path):
    """A small disk in memory; it takes the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr}")
    ballast = folder / "ballast"

    def fill():
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    yield FullDisk(folder, fill, ballast.unlink)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _made_up(tmp_path, monkeypatch):
    """A disk that says that it is full when what was written is to come to it, as network disks do."""
    folder, full, fsync = tmp_path / "disk", [], os.fsync
    folder.mkdir()

    def refusing(number):
        place = os.path.realpath(f"/proc/self/fd/{number}")
        if full and (place.startswith(str(folder)) or not os.path.exists(place)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(number)

    monkeypatch.setattr(os, "fsync", refusing)
    yield FullDisk(folder, lambda: full.append(True), full.clear)


@pytest.fixture(params=["real", "made up"])
def disk(request, tmp_path, monkeypatch):
    """The second kind runs wherever the first cannot."""
    yield from _real(tmp_path) if request.param == "real" else _made_up(tmp_path, monkeypatch)


TABLE = pd.DataFrame({"a": np.random.default_rng(0).random(100_000)})


def shown(folder):
    return sorted(f.name for f in folder.iterdir() if f.name != "ballast")


# Files appear whole or not at all


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_full_disk_is_told_in_a_sentence_and_the_old_table_stays(disk, name):
    path = write_table(TABLE.head(10), disk.folder / name)
    disk.fill()
    message = (
        r"Cannot write .*: the disk is full \(\S+ MB are free\)\. Make room there, or write to "
    )
    with pytest.raises(OutputError, match=message.replace("MB", "[MG]B")) as caught:
        write_table(TABLE, path)
    assert isinstance(caught.value, LucasError)
    assert caught.value.errno == errno.ENOSPC
    assert read_table(path).equals(TABLE.head(10))
    assert shown(disk.folder) == [name]
    disk.free()
    assert len(read_table(write_table(TABLE.head(99), path))) == 99


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("EDQUOT", "your quota there is used up"),
        ("EROFS", "nothing may be written to this disk"),
        ("EACCES", "you may not write there, or another program has it open"),
        ("EFBIG", "the file would be larger than it may be there"),
        ("EIO", "the disk does not work as it should"),
    ],
)
def test_each_reason_is_said(tmp_path, monkeypatch, number, reason):
    def refused(*_):
        raise OSError(getattr(errno, number), "raw text")

    monkeypatch.setattr(os, "fsync", refused) if number == "EDQUOT" else monkeypatch.setattr(
        os, "replace", refused
    )
    with pytest.raises(OutputError, match=f"Cannot write .*t.json: {reason}") as caught:
        write_json({}, tmp_path / "t.json")
    assert "raw text" not in str(caught.value)
    assert "to another place" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no limits of a process")
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_limit_of_the_process_is_told(tmp_path, name):
    code = (
        "import resource, sys, numpy, pandas\n"
        "from lucas_habitat._base.tables import write_table\n"
        "table = pandas.DataFrame({'a': numpy.random.rand(100_000)})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "write_table(table, sys.argv[1])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / name], capture_output=True)
    assert b"OutputError: Cannot write" in ended.stderr
    assert b"the file would be larger than it may be there" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    events, fsync, replace = [], os.fsync, os.replace

    def flushed(number):
        events.append(("flush", stat.S_ISDIR(os.fstat(number).st_mode)))
        fsync(number)

    def renamed(source, target):
        events.append(("rename", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    write_text("x", tmp_path / "t.txt")
    folders = [("flush", True)] if os.name != "nt" else []
    assert events == [("flush", False), ("rename", "t.txt"), *folders]


def test_a_saved_model_is_on_the_disk_before_it_has_its_name(model, tmp_path, monkeypatch):
    events, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda n: (events.append("flush"), fsync(n))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append(Path(b).name), replace(a, b))[1])
    save_model(model, tmp_path / "model")
    before = events[: events.index("model")]
    # A trial, weights, features, photos, history, card.
    assert before.count("flush") >= 6
    if os.name != "nt":
        assert events[-1] == "flush"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_have_the_mode_that_the_umask_says(model, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_table(TABLE.head(3), tmp_path / "t.csv")
        write_table(TABLE.head(3), tmp_path / "t.parquet")
        save_model(model, tmp_path / "model")
        save_model(model, tmp_path / "model", overwrite=True)
    finally:
        os.umask(before)
    modes = {p.name: oct(stat.S_IMODE(p.stat().st_mode)) for p in tmp_path.rglob("*.*")}
    assert set(modes) > {"t.csv", "t.parquet", "model.safetensors", "training_features.npy"}
    assert set(modes.values()) == {oct(mode)}
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == mode | (mode & 0o444) >> 2


# What killed programs left behind


def aged(path, hours=2.0):
    os.utime(path, (time.time() - 3600 * hours,) * 2)
    return path


def test_old_temporary_files_go_and_what_others_write_stays(tmp_path):
    old = tmp_path / ".other-0123abcd.unfinished.csv"
    young = tmp_path / ".t-0123abcd.unfinished.parquet"
    mine = tmp_path / ".diary-20240101.csv"
    for path in (old, young, mine):
        path.write_text("half")
    aged(old), aged(mine)
    write_table(TABLE.head(3), tmp_path / "t.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == [mine.name, young.name, "t.csv"]


def test_a_killed_program_leaves_what_the_next_one_takes_for_its_own(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from lucas_habitat._base.files import write_atomically\n"
        "write_atomically(Path(sys.argv[1]), lambda tmp: (tmp.write_text('half'), os._exit(9)))\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "t.csv"])
    (left,) = tmp_path.iterdir()
    aged(left)
    write_text("x", tmp_path / "u.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["u.txt"]


def test_old_leftovers_of_models_go(model, tmp_path):
    folder = save_model(model, tmp_path / "model")
    half, young, foreign = (tmp_path / f".model-{i:08x}" for i in range(3))
    for left in (half, young, foreign):
        left.mkdir()
        (left / "model.safetensors").write_bytes(b"half")
    (foreign / "thesis.docx").write_text("years of work")
    for path in (*half.iterdir(), *foreign.iterdir(), half, foreign):
        aged(path)
    save_model(model, folder, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == [young.name, foreign.name, "model"]


# A full disk and a model


@pytest.fixture
def small(model):
    """A model that a disk of 2 MB holds once."""
    state = {k: np.zeros(2, np.float32) for k in list(model.backbone.state)[:2]}
    backbone = argparse.Namespace(
        spec=model.backbone.spec,
        state=state | {"x": np.ones(250_000, np.float32)},
        quantised=None,
    )
    return dataclasses.replace(model, backbone=backbone, head_weights={})


def test_a_model_that_does_not_fit_is_told_with_sizes_and_the_old_one_stays(disk, small):
    folder = save_model(small, disk.folder / "model")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    check, files_check = lh.saved_models.check_out_folder, []

    def then_full(parent):
        files_check.append(check(parent))
        disk.fill()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lucas_habitat.saved_models.check_out_folder", then_full)
        with pytest.raises(
            OutputError, match=r"the disk is full \(1\.\d MB are needed, \S+ [MG]B are free"
        ):
            save_model(dataclasses.replace(small, created="new"), folder, overwrite=True)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert shown(disk.folder) == ["model"]


def test_a_disk_is_asked_before_a_model_is_trained(disk, photo_folder, capsys, monkeypatch):
    disk.fill()
    monkeypatch.setattr(lh, "train", lambda *_, **__: pytest.fail("trained"))
    out = disk.folder / "model"
    assert main(["train", str(photo_folder), "--out", str(out)]) == 1
    assert "the disk is full" in capsys.readouterr().err


def test_a_trained_model_is_not_lost(disk, model, photo_folder, capsys, monkeypatch, tmp_path):
    def trained(*_, **__):
        disk.fill()
        return model

    monkeypatch.setattr(lh, "train", trained)
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    out = disk.folder / "model"
    assert main(["train", str(photo_folder), "--out", str(out)]) == 1
    place = re.search(r"is not lost: it is in (.*)\.\n", capsys.readouterr().err)[1]
    assert load_model(place).classes == model.classes
    assert not shown(disk.folder)


# Asked before the work, and not lost after it


@pytest.fixture
def votes(tmp_path):
    """Predictions to vote on."""
    table = pd.DataFrame(
        {"path": ["a.jpg", "b.jpg"], "point_id": ["1", "2"], "direction": ["N", "N"],
         "year": [2018, 2018], "predicted": ["x", "y"], "p_x": [0.9, 0.2], "p_y": [0.1, 0.8],
         "confidence": [0.9, 0.8], "calibrated": True, "status": "ok", "error": ""}
    )  # fmt: skip
    return str(write_table(table, tmp_path / "predictions.csv"))


def test_a_full_disk_is_told_before_the_first_point(disk, votes, capsys, monkeypatch):
    disk.fill()
    monkeypatch.setattr(lh, "vote", lambda *_, **__: pytest.fail("voted"))
    assert main(["vote", votes, "--out", str(disk.folder / "points.csv")]) == 1
    assert "the disk is full" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_disk_that_gets_full_meanwhile_loses_no_table(
    disk, votes, capsys, monkeypatch, tmp_path, ending
):
    points, vote = lh.vote(votes), lh.vote

    def voted(*given, **options):
        disk.fill()
        return vote(*given, **options)

    monkeypatch.setattr(lh, "vote", voted)
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    assert main(["vote", votes, "--out", str(disk.folder / f"points.{ending}")]) == 1
    told = capsys.readouterr().err
    assert "the disk is full" in told
    place = re.search(r"is not lost: it is in (.*)\.\n", told)[1]
    assert read_table(place)["p_x"].tolist() == points["p_x"].tolist()
    assert Path(place).name == f"points.{ending}"


def test_where_the_temporary_folder_is_full_too_the_users_cache_folder_is_taken(
    tmp_path, monkeypatch
):
    home = tmp_path / "home"
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path / "file"))
    monkeypatch.setattr(files, "user_cache_dir", lambda *_: str(home))
    with pytest.raises(OutputError, match=f"it is in {re.escape(str(home))}") as caught:
        write_or_rescue(tmp_path / "file" / "t.txt", lambda path: write_text("x", path))
    (saved,) = home.rglob("t.txt")
    assert str(saved) in str(caught.value)
    shutil.rmtree(home)
    home.write_text("in the way")
    with pytest.raises(OutputError) as caught:
        write_or_rescue(tmp_path / "file" / "t.txt", lambda path: write_text("x", path))
    assert "not lost" not in str(caught.value)


ENDINGS = {
    "OUT": ".csv",
    "FILE": ".csv",
    "FILE.json": ".json",
    "FILE.html": ".html",
    "FILE.csv": ".csv",
    "FILE.zip": ".zip",
    "DIR": "",
}
#: Options that name what a command writes.
OUTS = ("out", "saved", "changes", "adjusted", "plot", "problems", "table")


def written():
    """Each option of a command that names what it writes."""
    for command in COMMANDS:
        parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
        command.add_options(parser)
        for action in parser._actions:
            is_read = not action.option_strings or (
                action.dest == "table" and command.name in ("pilot", "odmap")
            )
            if action.dest in OUTS and not is_read:
                ways = ["a file where a folder must be"]
                ways += ["a folder of that name"] if action.metavar != "DIR" else []
                for way in ways:
                    name = f"{command.name} {action.dest}: {way}"
                    yield pytest.param(command, parser, action, way, id=name)


@pytest.mark.parametrize(("command", "parser", "action", "way"), written())
def test_every_command_asks_before_it_reads_its_input(
    tmp_path, monkeypatch, capsys, command, parser, action, way
):
    monkeypatch.chdir(tmp_path)
    ending = ".png" if action.dest == "plot" else ENDINGS[action.metavar]
    if way == "a folder of that name":
        out = tmp_path / f"there{ending}"
        out.mkdir()
    else:
        (tmp_path / "file").write_text("in the way")
        out = tmp_path / "file" / f"out{ending}"
    arguments = [command.name]
    for other in parser._actions:
        if other is action:
            continue
        if not other.option_strings:
            arguments.append("missing.tif" if other.dest == "raster" else "missing.csv")
        elif other.required:
            value = f"fine{ENDINGS.get(other.metavar, '')}" if other.dest in OUTS else "level1"
            arguments += [other.option_strings[0], next(iter(other.choices or [value]))]
    assert main([*arguments, action.option_strings[0], str(out)]) == 1
    told = capsys.readouterr().err
    reason = "a folder has this name" if "folder of" in way else "a file stands where a folder"
    assert f"Cannot write {out}" in told or f"Cannot write {out.parent}" in told
    assert reason in told
    assert shown(tmp_path) == (["file"] if way.startswith("a file") else [out.name])


@pytest.mark.parametrize("check", [check_out_file, check_out_folder])
def test_a_trial_leaves_nothing(tmp_path, check):
    place = check(tmp_path / "new" / "out")
    assert place == tmp_path / "new" / "out"
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="the name is too long"):
        check_out_file(tmp_path / f"{'x' * 300}.csv")


def test_pictures_ask_before_they_are_drawn(tmp_path):
    with pytest.raises(OutputError, match="a folder has this name"):
        lh.plot_map("missing.csv", out=_made(tmp_path / "p.png"))


def _made(folder):
    folder.mkdir()
    return folder


def test_errors_that_are_no_disks_stay_what_they_are(tmp_path):
    def refused(path):
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        write_atomically(tmp_path / "t", refused)
    assert not list(tmp_path.iterdir())
