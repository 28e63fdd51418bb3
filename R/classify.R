#' Classify photos
#'
#' Photos are read as the model's card says, and computed in its precision where the device has it.
#' A photo that cannot be read is a row with its reason, never a lost row.
#'
#' @param photos A photo table (data.frame), a character vector of files, one file, one folder, or
#'   anything else [lucas_photos()] takes.
#' @param model What [lucas_train()] or [lucas_load()] returned, or the folder of a saved model.
#' @param batch_size Photos computed at a time; `NULL`: what suits the device.
#' @inheritParams lucas_train
#' @param precision `NULL` for the model's own; or `"auto"`, `"float32"` (the same answer on every
#'   machine), `"bfloat16"`.
#' @param flag_unlike Whether to mark photos that are unlike all that the model was trained on, by their
#'   features, in the column `unlike`: do not trust their class. About 1 in 100 photos of land like the
#'   training's is marked too.
#'
#' @return A data.frame: the photo table's rows in their order, with `predicted` (factor with all
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
                           cache = TRUE, flag_unlike = FALSE, verbose = TRUE) {
  with_habitat(call_core("classify", captured(), verbose))
}
