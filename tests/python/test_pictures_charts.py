"""History and confusion matrix."""

import pandas as pd
import pytest
from pictures_support import cut_off

from lucas_habitat import evaluate
from lucas_habitat.pictures import charts


def test_history(model):
    figure = charts.plot_history(model, width="single")
    assert cut_off(figure) == []
    drawn = figure.axes[0].lines[0]
    assert drawn.get_ydata().tolist() == model.history["loss"].tolist()


def test_the_shade_is_the_share_and_the_number_the_count():
    table = pd.DataFrame({"predicted": list("aabb"), "habitat": list("abbb")})
    ax = charts.plot_confusion(evaluate(table, n_boot=0)).axes[0]
    assert ax.images[0].get_array().tolist() == [
        [1, pytest.approx(1 / 3)],
        [0, pytest.approx(2 / 3)],
    ]
    assert [t.get_text() for t in ax.texts] == ["1\n100 %", "1\n33 %", "·", "2\n67 %"]
    assert ax.get_xlabel() == "reference"
    assert ax.get_ylabel() == "predicted"
