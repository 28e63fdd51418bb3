#!/bin/sh
# Runs the vignette and stores its output in vignettes/stored/, which is shown where no Python is; then makes
# the page inst/doc/pilot.html of it, so that vignette("pilot") is there also where the package is installed
# from its folder, or without building vignettes. Needs the installed package, Python, knitr and markdown.
# Run from the repository's root.
set -e
cd vignettes
LUCAS_STORE_VIGNETTE=true Rscript -e 'options(reticulate.poetry.project = tempdir()); knitr::knit("pilot.Rmd", tempfile(), quiet = TRUE)'
rm -rf figure
RETICULATE_PYTHON=/no/such/python Rscript -e 'tools::buildVignette("pilot.Rmd", quiet = TRUE)'
mkdir -p ../inst/doc
mv pilot.html ../inst/doc/pilot.html
rm -f pilot.R
