"""Python to R: what to_r() and save_rds() make is what R itself would have made.

R runs in processes of its own: rpy2 in the one that writes, Rscript in the one that reads.
"""

import importlib.util
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from lucas_habitat import save_rds, to_r
from lucas_habitat.errors import DependencyError, InputError

MAKE = """
import sys, pandas as pd
from lucas_habitat import save_rds
table = pd.DataFrame({
    "point_id": ["04300001", None, "plot ø"],
    "year": pd.array([2018, None, 2015], dtype="Int64"),
    "predicted": pd.Categorical(["woody", None, "cropland"], categories=["cropland", "grass land", "woody"]),
    "habitat": pd.array(["woody", "sea", None], dtype="str"),
    "p_cropland": [0.7, None, 2 / 3],
    "p_grass_land": [0.0, None, 0.0],
    "p_woody": [0.1 + 0.2, None, 1 / 3],
    "calibrated": [True, False, True],
    "maybe": pd.array([True, None, False], dtype="boolean"),
    "big": [1, 2**40, 3],
    "day": pd.to_datetime(["2018-06-01", None, "1969-12-31"]),
    "time": pd.to_datetime(["2018-06-01T10:20:30Z", None, "2018-06-01T00:00:00Z"]),
})
save_rds(table, sys.argv[1])
save_rds(table[["p_woody"]].set_axis(pd.Index(["a", "b", "c"], name="site")), sys.argv[2])
"""
CHECK = """
args <- commandArgs(TRUE)
x <- readRDS(args[1])
stopifnot(
  identical(class(x), "data.frame"), identical(dim(x), c(3L, 12L)),
  identical(x$point_id, c("04300001", NA, "plot \\u00f8")),
  identical(x$year, c(2018L, NA, 2015L)),
  identical(x$predicted, factor(c("woody", NA, "cropland"), levels = c("cropland", "grass land", "woody"))),
  identical(x$habitat, factor(c("woody", "sea", NA), levels = c("cropland", "grass land", "woody", "sea"))),
  identical(x$p_woody, c(0.1 + 0.2, NA, 1 / 3)), !is.nan(x$p_woody[2]),
  identical(x$calibrated, c(TRUE, FALSE, TRUE)), identical(x$maybe, c(TRUE, NA, FALSE)),
  identical(x$big, c(1, 2^40, 3)),
  identical(x$day, as.Date(c("2018-06-01", NA, "1969-12-31"))),
  identical(x$time, as.POSIXct(c("2018-06-01 10:20:30", NA, "2018-06-01 00:00:00"), tz = "UTC"))
)
y <- readRDS(args[2])
stopifnot(identical(row.names(y), c("a", "b", "c")), identical(names(y), "p_woody"))
cat("as R would have it")
"""


@pytest.fixture(scope="module")
def r():
    missing = [n for n, there in (("R", shutil.which("Rscript")),
                                  ("rpy2", importlib.util.find_spec("rpy2"))) if not there]  # fmt: skip
    if missing and os.environ.get("LUCAS_FORCE_TESTS") == "true":
        pytest.fail(f"{' and '.join(missing)} missing, and LUCAS_FORCE_TESTS is set")
    if missing:
        pytest.skip(f"{' and '.join(missing)} missing")


def test_readrds_reads_what_r_would_have_made(r, tmp_path):
    files = [str(tmp_path / "tabel ø.rds"), str(tmp_path / "sites.rds")]
    subprocess.run([sys.executable, "-c", MAKE, *files], check=True)
    found = subprocess.run(
        ["Rscript", "--vanilla", "-e", CHECK, *files], capture_output=True, text=True, check=False
    )
    assert found.stdout.endswith("as R would have it"), found.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sites.rds", "tabel ø.rds"]


def test_a_model_can_be_fitted_in_r_on_what_to_r_gives(r):
    code = (
        "import pandas as pd\n"
        "from lucas_habitat import to_r\n"
        "import rpy2.robjects as ro\n"
        "t = pd.DataFrame({'p_crop': [.1, .2, .35, .8, .9, .5], 'present': [0, 1, 0, 1, 1, 0]})\n"
        "ro.globalenv['t'] = to_r(t)\n"
        "print(ro.r('class(t)')[0], ro.r('coef(glm(present ~ p_crop, binomial, t))[[2]]')[0] > 0)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "data.frame True"


def test_another_ending(tmp_path):
    with pytest.raises(InputError, match=r"its ending must be \.rds"):
        save_rds(pd.DataFrame({"a": [1]}), tmp_path / "t.csv")


def test_without_rpy2_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rpy2", None)
    monkeypatch.setitem(sys.modules, "rpy2.robjects", None)
    with pytest.raises(DependencyError, match=r"R and rpy2 are needed.*pip install"):
        to_r(pd.DataFrame({"a": [1]}))


def test_what_r_has_no_vector_for(r):
    code = (
        "import pandas as pd\n"
        "from lucas_habitat import to_r\n"
        "try: to_r(pd.DataFrame({'a': [[1, 2], {'b': 1}]}))\n"
        "except ValueError as error: print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "The column a holds dict, list, not text or numbers."
