#!/bin/sh
# Makes NAMESPACE and man/ from the comments in R/ (needs roxygen2). Run from the repository's root.
set -e
Rscript -e 'options(reticulate.poetry.project = tempdir()); roxygen2::roxygenise(load_code = "source")'
