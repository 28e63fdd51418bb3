#!/bin/sh
# Runs the vignette and stores its output in vignettes/stored/, which is shown where no Python is.
# Needs the installed package, Python, knitr and markdown. Run from the repository's root.
set -e
cd vignettes
LUCAS_STORE_VIGNETTE=true Rscript -e 'options(reticulate.poetry.project = tempdir()); knitr::knit("pilot.Rmd", tempfile(), quiet = TRUE)'
rm -rf figure
