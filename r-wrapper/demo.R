# The demo once more, from R: the same photos, split, settings and seed must give the same numbers.
#
# Rscript r-wrapper/demo.R demo-run [folder of photos]
#
# Run by `make demo` after the demo itself, whose features are cached: nothing is computed twice.

suppressPackageStartupMessages(library(lucashabitat))

arguments <- commandArgs(trailingOnly = TRUE)
run <- arguments[1]
own <- length(arguments) > 1
photos <- lucas_photos(if (own) arguments[2] else file.path(run, "photos"))
parts <- lucas_split(photos, test_size = if (all(is.na(photos$split))) 0.4, seed = 1)
model <- lucas_train(parts$train, arch = "efficientnet_lite0", validation_split = 0.2, seed = 1)
points <- lucas_vote(lucas_classify(parts$test, model))
from_r <- lucas_evaluate(points)

from_python <- jsonlite::fromJSON(file.path(run, "evaluation_points.json"))
cat(sprintf("From R: overall accuracy %.3f, kappa %.3f per point; Python had %.3f and %.3f.\n",
            from_r$overall_accuracy, from_r$kappa, from_python$overall_accuracy, from_python$kappa))
if (!isTRUE(all.equal(c(from_r$overall_accuracy, from_r$kappa),
                      c(from_python$overall_accuracy, from_python$kappa)))) {
  stop("R and Python disagree: please report this.")
}
