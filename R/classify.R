#' Classify photos
#'
#' Photos are read as the model's card says, and computed in its precision where the device has it.
#' A photo that cannot be read is a row with its reason, never a lost row.
#'
#' @param photos A photo table (data.frame), a character vector of files, one file, one folder, or
#'   anything else [lucas_photos()] takes.
#' @param model What [lucas_train()] or [lucas_load()] returned, or a folder, zip or address that
#'   [lucas_load()] takes.
#' @param batch_size Photos computed at a time; `NULL`: what suits the device.
#' @inheritParams lucas_train
#' @param precision `NULL` for the model's own; or `"auto"`, `"float32"` (the same answer on every
#'   machine), `"bfloat16"`, `"int8"` (of a model that has eight bits, see [lucas_quantize()]).
#' @param flag_unlike Whether to mark photos that are unlike all that the model was trained on, by their
#'   features, in the column `unlike`: do not trust their class. About 1 in 100 photos of land like the
#'   training's is marked too.
#' @param out A file ending in `.csv` or `.parquet`, to which the table is written too; or the folder of a
#'   run (see details).
#' @param retry Whether a run that goes on tries photos again that could not be read before.
#' @param engine Where a run is computed: `"local"`, on this machine; `"ray"`, by Ray on the processes or
#'   machines of a cluster (`lucas_install(cluster = TRUE)`). Photos and `out`, which must be the folder of a
#'   run, must then lie where all machines see them under the same path.
#' @param address Of the Ray cluster, such as `"auto"` on one of its machines. `NULL`: Ray is started on this
#'   machine's cores for as long as the run takes.
#'
#' @details
#' For more photos than a table in memory can hold, or where a classification must not begin anew when it is
#' broken off, give a folder as `out`. Predictions then go to Parquet files in it, `part-*.parquet`, of at
#' most 4,096 photos each, which appear as photos are classified; any reader of Parquet takes the folder.
#' Photos are listed and classified as a stream: memory does not grow with their number, but for some 60
#' bytes each. Called again with the same folder it goes on: a photo with the path, size and time of one
#' that is done is done; where only size or time differ, its content decides. Broken off, at most the photos
#' of the part in hand are computed again. Another model or other settings are refused. New photos are added
#' as further parts; rows of photos that are not listed any more are kept, and counted in a message.
#'
#' @return With a folder as `out` a `lucas_run`: the path of the folder, which every function takes where it
#'   takes predictions; `as.data.frame()` reads it whole. Else a data.frame: the photo table's rows in their order, with `predicted` (factor with all
#'   classes), `confidence` (the largest probability), `p_<class>` (probabilities, rows sum to 1),
#'   `calibrated` (whether the model was), `vote_calibration` (how [lucas_vote()] puts points'
#'   probabilities right; only where the model knows), `status` (`"ok"` or a short reason) and `error`;
#'   with `flag_unlike` also `unlike` (`NA` where a photo could not be read).
#'   The attributes `engine` and `precision` say how it was computed.
#' @seealso [lucas_vote()] for the next step, [predict.lucas_model()].
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   parts <- lucas_split(lucas_photos(folder), test_size = 0.4)
#'   model <- lucas_train(parts$train, arch = "efficientnet_lite0", epochs = 3, cache = FALSE)
#'   pred <- lucas_classify(parts$test, model, cache = FALSE)
#'   print(head(pred[c("point_id", "direction", "predicted", "confidence", "status")]))
#'   table(pred$predicted, pred$habitat, useNA = "ifany")
#' }
#' @export
lucas_classify <- function(photos, model, batch_size = NULL, device = "auto", precision = NULL,
                           cache = TRUE, flag_unlike = FALSE, out = NULL, retry = FALSE,
                           engine = "local", address = NULL, verbose = TRUE) {
  pred <- call_core("classify", captured(), verbose)
  if (is.data.frame(pred)) with_habitat(pred) else pred
}

run_from_core <- function(x) {
  statuses <- unlist(from_core(x$statuses))
  structure(x$folder, class = "lucas_run", statuses = statuses, text = as.character(unlist(x$text)))
}

#' @param x A run.
#' @param row.names,optional As for [as.data.frame()].
#' @param ... Not used.
#' @rdname lucas_classify
#' @export
print.lucas_run <- function(x, ...) {
  writeLines(attr(x, "text"))
  invisible(x)
}

#' @rdname lucas_classify
#' @export
as.data.frame.lucas_run <- function(x, row.names = NULL, optional = FALSE, ...) {
  out <- with_habitat(call_core("read_run", list(run = file_path(x))))
  if (!is.null(row.names)) row.names(out) <- row.names
  out
}
