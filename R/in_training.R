#' Was this photo, or its point, trained on?
#'
#' Tells of photos whether a model was trained on them, or on others of their points. A photo is known by its
#' content, whatever it is called and wherever it lies; one that was compressed anew, cropped, or whose
#' metadata were changed is another ([lucas_near_duplicates()] finds such).
#'
#' @param photos A photo table, or anything [lucas_photos()] takes. The files are read.
#' @inheritParams lucas_classify
#'
#' @return The photo table with `in_training`: `photo` (the photo was trained on), `point` (others of its point
#'   were), `no`, `not recorded` (neither was found, and the model was made before contents were kept, or was
#'   shared without its points) or `unread`. `photo_in_training` and `point_in_training` have the two answers
#'   by themselves, `NA` where they cannot be told: of a photo without a point, of a file that cannot be
#'   read, or where nothing was recorded. Photos that could not be read are counted in a warning.
#' @details
#' Photos that the model was only validated or calibrated on were not trained on.
#'
#' A model keeps of each training photo its file name, point, year, direction and class, and a code of its
#' content (of 128 bits, by a keyed SHA-256). A code does not tell what is in the photo. Who has the same file,
#' byte for byte, can tell that it was trained on.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   parts <- lucas_split(lucas_photos(folder), test_size = 0.4)
#'   model <- lucas_train(parts$train, arch = "efficientnet_lite0", epochs = 2, verbose = FALSE)
#'   table(suppressWarnings(lucas_in_training(folder, model, verbose = FALSE))$in_training)
#' }
#' @export
lucas_in_training <- function(photos, model, verbose = TRUE) {
  classes <- if (is.data.frame(photos)) levels(photos$predicted)
  with_habitat(call_core("in_training", captured(), verbose), classes)
}
