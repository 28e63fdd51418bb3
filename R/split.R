#' Split photos into training and test photos by point
#'
#' All photos of a point, of all its years, fall on one side: views of one place are so alike that a
#' split by photo overstates accuracy. A photo without a point is a point of its own. Points are
#' drawn at random within each class, so both sides have the same class shares. A table whose
#' column `split` is filled, as from the folders `train/` and `test/`, keeps its split after a check.
#'
#' @param photos A photo table, or anything [lucas_photos()] takes.
#' @param test_size Share of points to test on, between 0 and 1; 0.2 where nothing is said.
#' @param n_per_class Draw a balanced sample of this many photos of each class first, point by
#'   point, as the pilot did. Class shares then differ from the land's: proportions predicted for a
#'   region need them back (prior shift).
#' @param regroup Ignore a split that the photos came with.
#' @param seed The same seed and the same photos, in any order, give the same split.
#'
#' @return A list of two data.frames, `train` and `test`: the photos of either side in their order,
#'   with `split` filled in. Photos without a class are on neither side and counted in a warning.
#'   Points that stand on both sides of a split that was given are an error of the class
#'   `lucas_split_error`.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   parts <- lucas_split(lucas_photos(folder), test_size = 0.4, seed = 1)
#'   print(sapply(parts, nrow))
#'   intersect(parts$train$point_id, parts$test$point_id)
#' }
#' @export
lucas_split <- function(photos, test_size = NULL, n_per_class = NULL, regroup = FALSE, seed = 1) {
  parts <- call_core("split_photos", captured())
  names(parts) <- c("train", "test")
  labels <- unlist(lapply(parts, function(part) as.character(part$habitat)))
  classes <- levels(if (is.data.frame(photos)) photos$habitat)
  classes <- levels(habitat_factor(labels, intersect(classes, labels)))
  lapply(parts, with_habitat, classes = classes)
}
