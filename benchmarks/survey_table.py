"""How long does read_survey() take for a table as large as the harmonised one, and how much memory?

    python benchmarks/survey_table.py [rows]

writes a made table (default 1,350,000 rows x 117 columns, about 1.3 GB of CSV, taken away again)
to a temporary folder, reads it in a process of its own and prints one line.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pyproj import Transformer

NAMED = """
    id point_id year nuts0 nuts1 nuts2 nuts3 th_lat th_long survey_date gps_prec gps_lat gps_ew
    gps_long obs_dist obs_type lc1 lc1_label lc1_perc lc2 lu1 photo_point photo_north photo_south
    photo_east photo_west transect file_path_gisco_north file_path_gisco_south file_path_gisco_east
    file_path_gisco_west file_path_gisco_point
""".split()  # noqa: SIM905
COLUMNS = 117
READ = """
import resource, sys, time, warnings
warnings.simplefilter("ignore")
from lucas_habitat.survey import read_survey
start = time.perf_counter()
table = read_survey(sys.argv[1])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"{len(table):,} rows read in {seconds:.1f} s, peak memory {peak:.2f} GiB")
"""


def write_table(path, rows, chunk=50_000):
    """Rows like the survey's: each point in several campaigns, other columns filled with words."""
    rng = np.random.default_rng(1)
    others = [f"other_{i}" for i in range(COLUMNS - len(NAMED))]
    fill = [
        ",".join(rng.choice(["", "8", "88.0", "Not relevant", "No", "0.0"], len(others)))
        for _ in range(200)
    ]
    years = np.array([2006, 2009, 2012, 2015, 2018])
    to_wgs84 = Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True)
    base = "https://gisco-services.ec.europa.eu/lucas/photos"
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join([*NAMED, *others]) + "\n")
        for first in range(0, rows, chunk):
            number = np.arange(first, min(first + chunk, rows))
            point = number // 5
            east, north = 2600 + 2 * (point % 2000), 1200 + 2 * (point // 2000)
            lon, lat = np.round(to_wgs84.transform(east * 1000.0, north * 1000.0), 9)
            year = years[number % 5]
            dist, draw = (
                rng.gamma(1.0, 20.0, len(number)).round(4),
                rng.integers(0, 200, len(number)),
            )
            lines = []
            for i, e, n, x, y, t, d, k in zip(
                number, east, north, lon, lat, year, dist, draw, strict=True
            ):
                pid = f"{e:04d}{n:04d}"
                photo = f"{base}/{t}/FR/{pid[:3]}/{pid[3:6]}/{pid}"
                lines.append(
                    f"{i},{pid},{t},FR,FR1,FR10,FR101,{y},{x},{1 + k % 28:02d}/07/{t % 100:02d},3,"
                    f"{45 + d / 1000:.5f},West,{d / 100:.6f},{d},In situ < 100 m,"
                    f"{'ABCDEFGH'[k % 8]}{1 + k % 3}{k % 4},Some words of a label,"
                    f"{('< 10 %', '10 - 25 %', '25 - 50 %', '> 75 %')[k % 4]},8,U111,"
                    + "Photo taken," * 5
                    + f'"B13 24, {k}",{photo}N.jpg,{photo}S.jpg,{photo}E.jpg,{photo}W.jpg,{photo}P.jpg,'
                    + fill[k]
                )
            file.write("\n".join(lines) + "\n")


def main(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lucas_made.csv"
        start = time.perf_counter()
        write_table(path, rows)
        made = time.perf_counter() - start
        read = subprocess.run(
            [sys.executable, "-c", READ, path], capture_output=True, text=True, check=True
        )
        found = re.search(r".* GiB", read.stdout)
        size = path.stat().st_size / 2**30
        print(f"{found[0]}; {COLUMNS} columns, {size:.2f} GiB of CSV, made in {made:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_350_000)
