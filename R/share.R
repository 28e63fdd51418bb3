# A model in one zip, for others.

#' Share a model
#'
#' Writes a model into one zip that others can use, with a page on what it is. The zip holds the files of a
#' model's folder and `README.md`, whose head is in the form that hubs of models read and whose text says what
#' it was trained on, accuracy and kappa with their intervals, calibration, limits, licence and credit.
#' Unpacked, it is a folder that [lucas_load()] takes, and what is uploaded to a hub. The same model with the
#' same words gives the same bytes.
#'
#' What tells of you or your photos is left out: names of photos and of files of weights, ids of points.
#' Codes of the photos' contents stay, by which [lucas_in_training()] knows a photo that one has, and features
#' of at most 20,000 photos, by which photos unlike all of them are flagged.
#'
#' @param model What [lucas_train()] or [lucas_load()] returned, or a folder, zip or address that
#'   [lucas_load()] takes.
#' @param out The zip to write, `.zip`.
#' @param licence Under which others may use the model, best by its SPDX name, such as `"CC-BY-4.0"`.
#' @param authors Whom to name; may be several.
#' @param title `NULL`: what the classes are.
#' @param description Markdown for the page: where the photos are from, what the model is for, whom to ask.
#' @param evaluation What [lucas_evaluate()] returned for photos, or votes, that took no part in training; or a
#'   `.json` file that [lucas_pilot()] wrote; or a list of these. Without, the page tells what the model's card
#'   has of held-out photos, or that nothing is known.
#' @param lucas Whether the photos are those of LUCAS, whose credit line then stands on the page. `NULL`: where
#'   ids of points and years are the survey's.
#' @param name_points Keep the ids of points, so that photos of points trained on are marked when others
#'   classify them. For surveys whose points are public, such as LUCAS.
#'
#' @return A list of the class `lucas_shared_model`: `file`, `sha256` (its checksum, which also lies beside it in
#'   `<file>.sha256`) and `size` in bytes. Printed, it says how others use the model.
#' @seealso [lucas_load()] for using one.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   parts <- lucas_split(lucas_photos(folder), test_size = 0.4)
#'   model <- lucas_train(parts$train, arch = "efficientnet_lite0", epochs = 3, cache = FALSE)
#'   test <- lucas_classify(parts$test, model, cache = FALSE)
#'   shared <- lucas_share_model(model, tempfile(fileext = ".zip"), licence = "CC0-1.0",
#'                               authors = "A. Author", evaluation = lucas_evaluate(test), lucas = FALSE)
#'   print(shared)
#'   lucas_load(shared$file, sha256 = shared$sha256)
#' }
#' @export
lucas_share_model <- function(model, out, licence, authors, title = NULL, description = NULL,
                              evaluation = NULL, lucas = NULL, name_points = FALSE) {
  call_core("share_model", captured())
}

shared_model_from_core <- function(x) {
  structure(list(file = x$file, sha256 = x$sha256, size = x$size, lines = as.character(unlist(x$lines))),
            class = "lucas_shared_model")
}

#' @param x A shared model.
#' @param ... Not used.
#' @rdname lucas_share_model
#' @export
print.lucas_shared_model <- function(x, ...) {
  writeLines(x$lines)
  invisible(x)
}

# Evaluations as the core takes them: the numbers of one, or where one was written.
evaluation_argument <- function(x, name) {
  if (inherits(x, "lucas_evaluation")) return(list(evaluation_to_core(x)))
  if (is.character(x) && !anyNA(x)) return(as.list(file_path(x)))
  if (is.list(x) && length(x) > 0 && is.null(dim(x))) {
    return(unlist(lapply(unname(x), evaluation_argument, name), recursive = FALSE))
  }
  stop_lucas("input", name, " must be what lucas_evaluate() returned, or the .json file of that, or a list of ",
             "these; got ", describe(x), ".")
}

evaluation_to_core <- function(x) {
  single <- c("unit", "n", "n_points", "overall_accuracy", "kappa", "level", "weights", "balanced_accuracy",
              "macro_f1", "matthews", "quantity_disagreement", "allocation_disagreement", "log_loss",
              "brier_score", "calibration_error", "calibration_error_if_perfect")
  c(
    lapply(x[intersect(single, names(x))], scalar),
    list(
      overall_accuracy_interval = lapply(unname(x$overall_accuracy_interval), scalar),
      kappa_interval = lapply(unname(x$kappa_interval), scalar),
      per_class = table_argument(x$per_class),
      class_shares = if (length(x$class_shares)) as.list(x$class_shares),
      notes = as.list(x$notes)
    )
  )
}
