#' Find photos of different points that show the same
#'
#' A copy that was compressed, made smaller or cropped, or a photo of a burst under another point's name,
#' tells a test what it was trained on. Photos are compared by the features of a backbone, which are those
#' that training needs, and cached. Photos of one point are not compared: splits keep them together anyway.
#'
#' Where a table has the column this makes, [lucas_split()], [lucas_cross_validate()] and the
#' `validation_split` of [lucas_train()] keep near-duplicates on one side, with all photos of their points.
#'
#' @param photos A photo table, or anything [lucas_photos()] takes: training and test photos together.
#' @param arch The backbone, as in [lucas_train()].
#' @inheritParams lucas_classify
#'
#' @return The photo table with `near_duplicates`, the path of the first photo of the group that the photo
#'   belongs to, `NA` where it has none; and `duplicate_distance`, the cosine distance to the nearest of its
#'   near-duplicates. What is joined by a third photo is one group. Photos that could not be read have none,
#'   and are counted in a warning.
#' @details
#' Photos are near-duplicates where their distance is at most 0.4 of what is usual around them: of the
#' distance to their tenth nearest photo of another point (among n photos fewer than 200 the n/20th, the
#' third at least), the geometric mean of both photos; or at most 0.02. Larger groups than these ten, or
#' fewer, are complete only where they are as near as that. A photo taken from another spot is not found.
#' @seealso [lucas_split()], [lucas_check_split()]
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   photos <- lucas_near_duplicates(folder, arch = "efficientnet_lite0", verbose = FALSE)
#'   parts <- lucas_split(photos, test_size = 0.4)
#' }
#' @export
lucas_near_duplicates <- function(photos, arch = "xception", device = "auto", cache = TRUE,
                                  verbose = TRUE) {
  with_habitat(call_core("near_duplicates", captured(), verbose))
}
