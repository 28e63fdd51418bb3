#' What a person should look at first, and why
#'
#' Lists the photos or points that a person should look at first, and says why.
#'
#' @param predictions Photos as [lucas_classify()] returned them, or points as [lucas_vote()] did, or such a
#'   file; columns of `lucas_classify(flag_unlike = TRUE)` and of [lucas_prediction_sets()] are used where
#'   they are there.
#' @param n The longest that the list may be.
#' @return A data.frame of the rows with a reason, in the order in which to look: `priority` (from 1),
#'   `n_reasons`, `why` (in plain words), then the table's columns. More reasons come first, then lower
#'   confidence. Photos that could not be read are not listed.
#' @details
#' The reasons: the class is unsure (its probability is below 0.5, another class is at least half as
#' likely, or the set of [lucas_prediction_sets()] holds several classes); photos of the point disagree (a
#' photo's class is not the commonest of its point and year, or fewer than 7 of 10 photos of a point
#' agree); the photo is unlike the training photos; the predicted class is rare (of less than 5 % of the
#' rows), so that each error weighs more. They rank rows; they are no probability of an error.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   predictions <- data.frame(
#'     path = c("a.jpg", "b.jpg", "c.jpg"), point_id = "31603628", year = 2018,
#'     predicted = c("cropland", "cropland", "woody"),
#'     p_cropland = c(0.55, 0.9, 0.1), p_woody = c(0.45, 0.1, 0.9)
#'   )
#'   lucas_review_list(predictions)[c("priority", "why", "path")]
#' }
#' @export
lucas_review_list <- function(predictions, n = 50) {
  with_habitat(call_core("review_list", captured()))
}
