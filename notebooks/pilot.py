# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From photos to a species distribution model
#
# This is the pilot study from beginning to end: a folder of ground photos becomes a trained classifier,
# the five photos of a point vote on its habitat, the result is evaluated, and the proportions of
# habitats become covariates of a species distribution model. The R vignette
# `vignette("pilot", "lucashabitat")` is its twin.
#
# It needs no network. From a checkout, `pip install ".[offline]" jupyter` brings what it uses.

# %%
import tempfile
from pathlib import Path

import pandas as pd
from IPython.display import display

import lucas_habitat as lh

# %% [markdown]
# ## Photos
#
# **With photos of your own, change this one line** to their folder (a folder a class, the survey's
# folders, or a table with a column `path`). What needs points (votes) or their places (map, covariates)
# is left out where your photos have none. As it stands, photos are drawn: they show that the way works, and
# say nothing about real land.

# %%
PHOTOS = None

# %%
work = Path(tempfile.mkdtemp())
if PHOTOS is None:
    PHOTOS = lh.draw_demo_photos(work / "photos", n_points=80, size=(400, 300), progress=False)
photos = lh.list_photos(PHOTOS)
photos[["point_id", "year", "direction", "habitat"]].head()

# %%
pd.crosstab(photos["habitat"], photos["direction"])

# %% [markdown]
# ## Train
#
# The split is by **point**: views of one place are so alike that a split by photo overstates accuracy.
# `train()` is the pilot's recipe: a network trained on ImageNet and left as it is, a dense layer of
# 1024, a softmax. The default `arch="xception"` is the pilot's; `"efficientnet_lite0"` is smaller, and
# its weights come with the extra `offline`. Photos that cannot be read are refused, with their reason:
# three of the drawn ones are broken on purpose.

# %%
training, test = lh.split_photos(photos, test_size=0.4, seed=1)
model = lh.train(training, arch="efficientnet_lite0", validation_split=0.3, progress=False)
model

# %%
lh.plot_history(model)

# %% [markdown]
# A model is kept as a folder, which R reads too.

# %%
lh.save_model(model, work / "model")
model = lh.load_model(work / "model")

# %% [markdown]
# ## Classify and vote
#
# One row a photo; a photo that cannot be read is a row with its reason. Then the photos of a point
# vote: a single direction may show a neighbour's land, five together seldom do.

# %%
predictions = lh.classify(test, model, progress=False)
predictions[["point_id", "direction", "predicted", "confidence", "status"]].head()

# %%
points = lh.vote(predictions)
points[["point_id", "n_photos", "predicted", "agreement", "habitat"]].head()

# %%
have_points = points["n_photos"].max() > 1
if have_points:
    one = points.loc[points["n_photos"].idxmax()]
    display(lh.plot_point(predictions, one["point_id"], one["year"]))

# %% [markdown]
# ## Evaluate
#
# Intervals are bootstrapped over points, because photos of one point are no independent witnesses.

# %%
by_point = lh.evaluate(points)
by_point

# %%
lh.plot_confusion(by_point)

# %%
if have_points:
    display(lh.plot_votes(predictions))

# %%
lh.plot_reliability(predictions)

# %%
located = "x" in points and points["x"].notna().any()
if located:
    display(lh.plot_map(points))

# %% [markdown]
# ## Covariates of a species distribution model
#
# Occurrences seldom lie where the survey's points do, so the proportions are needed at *your* sites: here
# the mean of the three nearest points, weighted by the inverse of the squared distance. `max_distance` gives
# sites no value whose nearest point is farther, in metres; `radius` uses only points within so many. Shares
# sum to one, so the last class is left out. `support()` tells what stands behind each row.

# %%
if located:
    near = points.dropna(subset=["x"]).head(5)
    plots = [f"plot {i}" for i in range(1, len(near) + 1)]
    sites = pd.DataFrame({"plot": plots, "x": near["x"] + 1000, "y": near["y"] - 1000})
    year = "latest" if points["year"].notna().all() else None
    proportions = lh.covariates(
        points, sites, crs="EPSG:3035", id="plot", year=year, k=3, max_distance=5000
    )
    display(proportions)

# %%
if located:
    display(lh.support(proportions))

# %% [markdown]
# The table goes into any model. For biomod2 in R, `lh.save_rds(proportions, "env.rds")` (extra `r`) writes
# what `readRDS()` reads; `r-wrapper/workflow/04_biomod2.R` goes on from there.
#
# ## All of it on one page
#
# The report holds the pictures above, the photos that were refused, and how to cite; each picture's
# numbers lie beside it as CSV.

# %%
lh.report(predictions, work / "report.html", model=model, points=points).name

# %% [markdown]
# Probabilities are proportions only as far as the model was calibrated (`validation_split` above did that)
# and as its training classes have the shares of the land it is used in.
