# The trained model as an R object: a list of plain values and the saved model's bytes.

model_from_core <- function(x, folder = NULL) {
  structure(
    list(
      id = x$id, classes = as.character(unlist(x$classes)), card = x$card,
      history = from_core(x$history), folder = folder,
      lines = as.character(unlist(x$lines)), bytes = x$bytes
    ),
    class = "lucas_model"
  )
}

#' Save and load models
#'
#' A saved model is a folder that needs nothing else to classify, in R and in Python alike: weights
#' as safetensors, a card as JSON, plain tables; nothing in it is ever executed. It appears whole or
#' not at all. A model object can also be kept with [saveRDS()]: it carries the same bytes, and is
#' read into Python again at its next use.
#'
#' @param model What [lucas_train()], [lucas_calibrate()] or [lucas_load()] returned.
#' @param folder The model's folder. `lucas_load()`, and every function that takes a model, also takes a zip
#'   that [lucas_share_model()] wrote, or where a model lies: `"https://....zip"`, a record of Zenodo's
#'   `"doi:10.5281/zenodo.<number>"` (with several zips, `"doi:10.5281/zenodo.<number>/<name>.zip"`), or a
#'   repository of Hugging Face's hub, `"hf://<owner>/<name>"` or `"hf://<owner>/<name>@<revision>"`. Each
#'   may end in `#sha256=<checksum>`. What was fetched is kept in the cache and never asked for again;
#'   [lucas_cache_clear()] lets go of it.
#' @param overwrite Replace a model that is there. Anything else is never replaced.
#' @param sha256 The checksum of the zip; another file is refused. `NULL`: none is known.
#' @param verbose Whether a progress bar is shown while a model is fetched.
#'
#' @return `lucas_save()`: the model, invisibly, knowing its `folder`. `lucas_load()`: the model, an
#'   object of the class `lucas_model`. Every file is checked against the card; a folder that is
#'   missing, damaged, foreign or newer is an error of the class `lucas_model_error`; a model that cannot be
#'   fetched, or is not what its checksum says, one of the class `lucas_download_error`.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   photos <- lucas_demo_photos(tempfile("photos"), n_points = 8, size = c(320, 240))
#'   model <- lucas_train(photos, arch = "efficientnet_lite0", epochs = 2, cache = FALSE)
#'   folder <- tempfile("model")
#'   lucas_save(model, folder)
#'   identical(lucas_load(folder)$classes, model$classes)
#' }
#' @export
lucas_save <- function(model, folder, overwrite = FALSE) {
  check_model(model)
  model$folder <- call_core("save_model", captured())
  invisible(model)
}

#' @rdname lucas_save
#' @export
lucas_load <- function(folder, sha256 = NULL, verbose = TRUE) {
  folder <- check_folder_name(folder, "folder")
  model <- call_core("load_model", captured(), verbose)
  if (dir.exists(folder)) model$folder <- folder
  model
}

check_model <- function(model) {
  if (!inherits(model, "lucas_model")) {
    stop_lucas("input", "model must be what lucas_train() or lucas_load() returned; got ",
               describe(model), ".")
  }
  model
}

#' Look at a trained model
#'
#' `print()` shows the model's card in short, `summary()` returns its figures and the shares of the
#' classes it was trained on, `plot()` draws loss and accuracy by epoch, `autoplot()` gives the same
#' picture as a ggplot where the package ggplot2 is loaded, and `predict()` classifies photos.
#'
#' @param x,object A model from [lucas_train()], [lucas_calibrate()] or [lucas_load()].
#' @param newdata Photos, as [lucas_classify()] takes them.
#' @param type What to predict: `"table"` for all that [lucas_classify()] returns, `"class"` for a
#'   factor, `"prob"` for a matrix of probabilities with a column a class.
#' @param ... For `predict()`, arguments of [lucas_classify()]; else not used.
#'
#' @return `print()` and `plot()`: the model, invisibly. `autoplot()`: a ggplot. `summary()`: a list of the class
#'   `summary.lucas_model` with `classes` (a data.frame: `class`, `photos`, `share`), `history`
#'   and `calibration`. `predict()`: see `type`; one row or element a photo, `NA` where a
#'   photo cannot be read.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   photos <- lucas_demo_photos(tempfile("photos"), n_points = 8, size = c(320, 240))
#'   model <- lucas_train(photos, arch = "efficientnet_lite0", epochs = 2, cache = FALSE)
#'   print(summary(model))
#'   head(predict(model, photos, type = "class"))
#' }
#' @name lucas_model_methods
NULL

#' @rdname lucas_model_methods
#' @export
print.lucas_model <- function(x, ...) {
  writeLines(x$lines)
  if (!is.null(x$folder)) cat("  saved in     ", x$folder, "\n", sep = "")
  invisible(x)
}

#' @rdname lucas_model_methods
#' @export
summary.lucas_model <- function(object, ...) {
  photos <- unlist(object$card$training$photos_per_class)[object$classes]
  structure(
    list(
      lines = object$lines, history = object$history, calibration = object$card$calibration,
      classes = data.frame(class = object$classes, photos = as.integer(photos),
                           share = as.vector(photos / sum(photos)))
    ),
    class = "summary.lucas_model"
  )
}

#' @export
print.summary.lucas_model <- function(x, digits = 3, ...) {
  writeLines(x$lines)
  cat("\nclasses in training\n")
  print(x$classes, digits = digits, row.names = FALSE)
  cat("\nhistory\n")
  print(x$history, digits = digits, row.names = FALSE)
  invisible(x)
}

#' @rdname lucas_model_methods
#' @export
plot.lucas_model <- function(x, ...) {
  lucas_plot_history(x)
  invisible(x)
}

#' @rdname lucas_model_methods
#' @usage \method{autoplot}{lucas_model}(object, ...)
#' @exportS3Method ggplot2::autoplot
autoplot.lucas_model <- function(object, ...) lucas_plot_history(object, as = "ggplot")

#' @rdname lucas_model_methods
#' @export
predict.lucas_model <- function(object, newdata, type = c("table", "class", "prob"), ...) {
  type <- chosen(type, "type", c("table", "class", "prob"))
  table <- lucas_classify(newdata, object, ...)
  if (type == "class") return(table$predicted)
  if (type == "table") return(table)
  p <- as.matrix(table[probability_columns(table)])
  dimnames(p) <- list(NULL, object$classes)
  p
}

probability_columns <- function(table) grep("^p_", names(table), value = TRUE)
