#' Classify every photo by a model that never saw its point
#'
#' Photos are divided into folds, and one model a fold is trained on all others. With a frozen
#' backbone features are computed once and cached, so a fold costs the training of a head.
#'
#' @param photos Labelled photos: a photo table, or anything [lucas_photos()] takes. A `split` they have
#'   is not used: to keep a test set aside, give the training photos only.
#' @param folds At least 2; fewer where there are fewer blocks, countries or years.
#' @param by,block,buffer What stands in one fold whole, as in [lucas_split()]; what is trained on keeps
#'   `buffer` kilometres away. Points that the column `near_duplicates` ties together count as one.
#' @inheritParams lucas_train
#' @param arch,recipe As in [lucas_train()].
#' @param validation_split With it each model is calibrated, on points drawn from those it may train on:
#'   for land like the training's.
#' @param training A list of further arguments of [lucas_train()], such as `list(epochs = 20)`.
#' @param seed Of the folds and of training.
#'
#' @return What [lucas_classify()] returns, for all photos that have a class, in their order, with `fold`
#'   (from 1), `km_to_training` (kilometres from the photo's point to the nearest one its model was
#'   trained on; `NA` without positions) and `split`, which says `test` throughout. It goes into
#'   [lucas_vote()], [lucas_evaluate()] and [lucas_error_by_distance()] as it is. Photos without a class,
#'   or without the position, country or year that is needed, are left out with a warning.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   predictions <- lucas_cross_validate(folder, folds = 2, arch = "efficientnet_lite0",
#'                                       training = list(epochs = 3), verbose = FALSE)
#'   lucas_evaluate(lucas_vote(predictions))
#' }
#' @export
lucas_cross_validate <- function(photos, folds = 5, by = "point", block = NULL, buffer = NULL,
                                 arch = NULL, recipe = "pilot", validation_split = 0,
                                 training = NULL, seed = 1, device = "auto", cache = TRUE,
                                 verbose = TRUE) {
  with_habitat(call_core("cross_validate", captured(), verbose))
}

#' Accuracy by distance to what was trained on
#'
#' Where accuracy falls with distance, a test among the training points says nothing of land farther off.
#' The distance from which it no longer falls is how large blocks should be. Intervals take points for
#' independent; bins differ in their land and classes, not only in distance.
#'
#' @param predictions Labelled photos or points that were not trained on: what [lucas_cross_validate()]
#'   returned, or [lucas_vote()] made of it; or what [lucas_classify()] or [lucas_vote()] returned, with
#'   positions; or such a file.
#' @param training The photos trained on, with positions. Not needed where predictions have
#'   `km_to_training`.
#' @param breaks Kilometres at which bins begin; the last has no end. By default 0, 1, 2, 5, 10, 20, 50,
#'   100, 200, 500.
#' @param level Of the intervals.
#' @return A data.frame, one row a bin: `low`, `high` (kilometres), `n` (rows), `n_points`, `distance` (their
#'   mean), `accuracy` with `accuracy_low` and `accuracy_high` (Wilson's interval on as many independent
#'   rows as the points are worth). Empty bins have `n` 0 and `NA`. The attribute `accuracy` is that of all.
#' @seealso [lucas_plot_distance()]
#' @export
lucas_error_by_distance <- function(predictions, training = NULL, breaks = NULL, level = 0.95) {
  table <- call_core("error_by_distance", captured(training = function(x, what) photos_argument(x)))
  table[] <- lapply(table, function(v) ifelse(is.nan(v), NA, v))
  table
}
