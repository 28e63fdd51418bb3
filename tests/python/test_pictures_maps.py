"""Points on a map."""

import matplotlib
import numpy as np
import pytest
from pictures_support import made

from lucas_habitat import vote
from lucas_habitat.pictures import maps
from lucas_habitat.pictures.colours import PILOT, class_styles
from lucas_habitat.pictures.tables import (
    map_table,
)


def test_no_sign_on_the_map_covers_a_smaller_one():
    points = vote(made(skill=1.0))
    signs = maps.plot_map(points).axes[0].collections
    sizes = np.concatenate([s.get_sizes() for s in signs])
    assert len(sizes) == 40
    assert (np.diff(sizes) <= 0).all()
    # Each keeps its place, colour and shape.
    table = map_table(points).sort_values("confidence", ascending=False)
    places = np.concatenate([np.asarray(s.get_offsets()) for s in signs])
    assert places == pytest.approx(table[["x", "y"]].to_numpy())
    styles = class_styles(PILOT).set_index("class").loc[table["predicted"].astype(str)]
    (signs,) = signs
    colours = [matplotlib.colors.to_hex(c).upper() for c in signs.get_facecolors()]
    assert colours == styles["colour"].tolist()
    corners = [len(path.vertices) for path in signs.get_paths()]
    alone = {m: matplotlib.markers.MarkerStyle(m).get_path() for m in styles["marker"]}
    assert corners == [len(alone[m].vertices) for m in styles["marker"]]
