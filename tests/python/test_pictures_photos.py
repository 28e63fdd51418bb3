"""Photos of a point, and sheets of photos."""

import numpy as np
import pandas as pd
import pytest
from pictures_support import HARD, cut_off, made, overlapping

from lucas_habitat import vote
from lucas_habitat._base.classes import column_names
from lucas_habitat.pictures import photos
from lucas_habitat.pictures.colours import PILOT


@pytest.mark.parametrize("width", ["single", "double", 100])
@pytest.mark.parametrize("right", [True, False])
def test_sheets_of_photos(predictions, right, width):
    hard = dict(zip(PILOT, HARD, strict=False))
    table = predictions.rename(
        columns=dict(zip(column_names(PILOT), column_names(HARD[:4]), strict=True))
    )
    table["predicted"] = pd.Categorical(
        predictions["predicted"].astype(str).map(hard), categories=HARD[:4]
    )
    table["habitat"] = table["habitat"].map(hard) if right else HARD[0]
    figure = photos.plot_photos(table, right=right, width=width)
    assert cut_off(figure) == []
    assert overlapping(figure.axes[0].texts, figure.canvas.get_renderer()) == []
    assert len(figure.axes[0].images) == (12 if len(table) > 12 else len(table)) or not right


def test_a_points_photos_are_shown_where_they_are(predictions, tmp_path):
    point = predictions["point_id"].iloc[0]
    figure = photos.plot_point(predictions, point)
    assert len(figure.axes[0].images) == 2
    gone = photos.plot_point(predictions.assign(path=str(tmp_path / "gone.jpg")), point)
    assert len(gone.axes[0].images) == 0
    assert "missing" in [t.get_text() for t in gone.axes[0].texts]


def test_a_photo_without_probabilities_says_why():
    table = made()
    table.loc[1, ["predicted", "status", *column_names(list(PILOT))]] = [None, "damaged"] + 4 * [
        np.nan
    ]
    texts = [t.get_text() for t in photos.plot_point(table, "42303540").axes[0].texts]
    assert "not classified: damaged" in texts
    assert any("of 4 photos" in t for t in texts)


def test_closeups_are_shown_but_do_not_count():
    table = made(n_points=1)
    closeup = table.iloc[:1].assign(path="nowhere/c.jpg", direction="C", predicted="artificial")
    closeup[column_names(list(PILOT))] = [1.0, 0.0, 0.0, 0.0]
    table = pd.concat([table, closeup], ignore_index=True)
    for width in ("single", "double"):
        figure = photos.plot_point(table, "42303540", width=width)
        ax = figure.axes[0]
        texts = [t.get_text() for t in ax.texts]
        assert "close-up" in texts
        assert "mean, no close-ups" in texts
        assert cut_off(figure) == []
        assert overlapping(ax.texts, figure.canvas.get_renderer()) == []
        # The last bar; the keys, squares of 3 mm, come after it.
        bar = [r.get_width() for r in ax.patches if r.get_height() == 6][-len(PILOT) :]
        voted = vote(table.iloc[:5])[column_names(list(PILOT))].to_numpy()[0]
        assert np.array(bar) / sum(bar) == pytest.approx(voted)
    alone = photos.plot_point(table.iloc[4:], "42303540")  # one vote has no mean
    assert not [t for t in alone.axes[0].texts if t.get_text().startswith("mean")]
