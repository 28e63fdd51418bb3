#!/usr/bin/env bash
# Run the five workflow scripts as a user would, on a few small drawn photos.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
Rscript tools/dist.R "$folder" --only r --no-build-vignettes >/dev/null
mkdir "$folder/library"
R CMD INSTALL --no-docs --library="$folder/library" "$folder"/lucashabitat_*.tar.gz >/dev/null 2>&1
export R_LIBS="$folder/library" LUCAS_PHOTOS="$folder/mine billeder på ø" LUCAS_OUT="$folder/kør 1"
export LUCAS_HABITAT_CACHE="$folder/cache"
unset LUCAS_SURVEY LUCAS_POINTS LUCAS_ARCH
Rscript -e 'library(lucashabitat); lucas_demo_photos(Sys.getenv("LUCAS_PHOTOS"), n_points = 48, size = c(400, 300), verbose = FALSE)' >/dev/null
for script in r-wrapper/workflow/0*.R; do
  echo "-- $script"
  Rscript "$script" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
done
cat "$folder/log"
for file in photos.csv model/card.json predictions.csv points.csv points.rds accuracy_by_class.csv \
  history.pdf confusion.pdf covariates.csv; do
  [ -s "$LUCAS_OUT/$file" ] || { echo "the workflow made no $file" >&2; exit 1; }
done
echo "workflow: 5 scripts ran"
