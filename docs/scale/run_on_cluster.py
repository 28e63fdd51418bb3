"""A run on the Ray cluster whose head this is: run_on_cluster.py PHOTOS MODEL RUN."""

import sys

from lucas_habitat import classify

photos, model, run = sys.argv[1:]
print(classify(photos, model, out=run, engine="ray", address="auto", cache=False))
