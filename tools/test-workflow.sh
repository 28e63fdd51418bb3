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
# The made species must be there to be found: a plain GLM, tested on plots it was not fitted to, as biomod2 does.
Rscript - "$LUCAS_OUT" <<'EOF'
out <- commandArgs(trailingOnly = TRUE)
plots <- read.csv(file.path(out, "made_plots.csv"))
env <- read.csv(file.path(out, "covariates.csv"))
stopifnot(identical(plots$plot, env$site))
data <- cbind(env[grep("^p_", names(env))], present = plots$present)
set.seed(1)
fold <- sample(rep(1:5, length.out = nrow(data)))
p <- numeric(nrow(data))
for (i in 1:5) {
  fit <- suppressWarnings(glm(present ~ ., binomial, data[fold != i, ]))
  p[fold == i] <- predict(fit, data[fold == i, ], type = "response")
}
tss <- mean(p[data$present == 1] > 0.5) + mean(p[data$present == 0] <= 0.5) - 1
cat(sprintf("TSS of a GLM on the made plots: %.2f\n", tss))
if (is.na(tss) || tss < 0.3) stop("the made plots carry no signal")
EOF
echo "workflow: 5 scripts ran"
