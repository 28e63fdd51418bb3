"""A short, seeded cut of tools/fuzz.py; `make test-slow` runs it for ten minutes."""

import subprocess
import sys
from pathlib import Path

import pytest

from lucas_habitat import save_model

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched by /proc")


def fuzzed(model, tmp_path, *options):
    command = [sys.executable, str(ROOT / "tools" / "fuzz.py"), "--kept", str(tmp_path / "kept")]
    saved = save_model(model, tmp_path / "model")
    return subprocess.run(
        [*command, "--model", str(saved), *options], capture_output=True, text=True, cwd=tmp_path
    )


def test_damaged_input_gives_an_answer_or_our_error(model, tmp_path):
    done = fuzzed(model, tmp_path, "--cases", "12", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 7
    assert all(row[1] == "12" for row in rows), done.stdout


def test_a_process_whose_time_is_up_before_it_starts_is_no_crash(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import fuzz, pathlib; "
        "print(fuzz.run('zips', 1, 0.01, None, pathlib.Path('kept')).faults)"
    )
    command = [sys.executable, "-c", code, str(ROOT / "tools")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "Counter()\n", done.stderr


@pytest.mark.slow
def test_damaged_input_for_ten_minutes(model, tmp_path):
    done = fuzzed(model, tmp_path, "--seconds", "600")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
