#' Habitats from ground photos for species distribution models
#'
#' Train a classifier of habitat on ground photos such as those of the EU survey LUCAS, classify
#' photos, let the photos of a point vote, evaluate, and turn class probabilities into covariates
#' for species distribution models:
#'
#' [lucas_photos()] -> [lucas_split()] -> [lucas_train()] -> [lucas_classify()] -> [lucas_vote()]
#' -> [lucas_evaluate()] and [lucas_covariates()].
#'
#' Everything is computed by the Python package lucas-habitat, which [lucas_install()] sets up once;
#' [lucas_status()] tells what is there and what is missing. `library(lucashabitat)` starts no
#' Python. All tables are plain data frames, and no Python object is ever handed out.
#'
#' @section Which Python:
#' `RETICULATE_PYTHON`, `RETICULATE_PYTHON_ENV`, an activated virtualenv, or what
#' [reticulate::use_python()] and its kin were told, or lucas-habitat declared with reticulate's `py_require()`;
#' otherwise the virtualenv `r-lucas-habitat` that [lucas_install()] makes. Nothing else is searched for. A session has one
#' Python: that of whoever starts it first.
#'
#' @section Environment variables:
#' `LUCAS_HABITAT_WEIGHTS` names a folder of pretrained weights (`.safetensors`, `.pth`) for machines
#' without network; `LUCAS_HABITAT_CACHE` names the folder that features are cached in, `LUCAS_HABITAT_CACHE_GB` how much it may
#' hold. `LUCAS_HABITAT_SAFE_CELLS=true` escapes text in CSV that a spreadsheet would run. What [Sys.setenv()] says of them, of
#' proxies and of `AWS_...` is handed to Python at each call.
#'
#' @section Options:
#' `options(lucashabitat.verbose = FALSE)` shows no progress and no messages; warnings and errors are
#' told all the same. Where R is not interactive, progress is a line a step.
#'
#' @section Conditions:
#' Errors have the class `lucas_error` and a narrower one, such as `lucas_input_error`,
#' `lucas_split_error`, `lucas_weights_error`, `lucas_model_error`, `lucas_device_error`,
#' `lucas_calibration_error`, `lucas_python_error` or `lucas_version_error`. Warnings have the class
#' `lucas_warning`, messages the class `lucas_message`.
#'
#' @references
#' d'Andrimont, R. et al. (2020). Harmonised LUCAS in-situ land cover and use database for field
#' surveys from 2006 to 2018 in the European Union. Scientific Data 7, 352.
#' \doi{10.1038/s41597-020-00675-z}
#' @keywords internal
"_PACKAGE"
