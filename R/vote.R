#' Let the photos of a point vote
#'
#' The photos of a point in a year vote on its class.
#'
#' @param predictions What [lucas_classify()] returned, or such a `.csv` or `.parquet` file.
#' @param method `"majority"`: each photo votes for its likeliest class, the commonest wins; ties go
#'   to the tied class with the larger mean probability. `p_<class>` are the mean probabilities then too,
#'   so the class that won need not be the one with the largest. `"mean"`: the class with the largest mean
#'   probability. `"product"`: with the largest product of probabilities, as if photos of one point
#'   were independent, which they are not: it is surer than it should be. `"learned"`: as the points
#'   showed that the model was calibrated on, with a weight a direction or more where that paid there
#'   (see [lucas_calibrate()]); the likeliest class wins. With fewer than 50 such points, or where nothing
#'   paid, it is `"mean"`, and says so. Predictions of a model that learned no vote are an error.
#' @param closeups Whether close-ups (direction C) vote too.
#'
#' @return A data.frame, one row a point and year, in order of first appearance. A missing year is a
#'   year of its own, and a photo without a point a point of its own, named by its path. Columns:
#'   `point_id`, `year`, `n_photos` (that voted), `predicted` (factor with all classes), `agreement`
#'   (share of voting photos whose own class is the predicted one), `p_<class>` (rows sum to 1),
#'   `v_<class>` (shares of votes), `calibrated`, then `habitat`, `split`, `lc1`, `nuts0` and mean
#'   `obs_dist`, `x`, `y`, `lon`, `lat`, `km_to_training` and `fold` (of [lucas_cross_validate()]; a fold
#'   that photos of a point do not share is `NA`), and `inclusion_probability` and `weight` (of [lucas_select()]; `NA` where photos of a point
#'   differ) where known, and `n_unlike` (photos flagged as unlike the training photos) where
#'   [lucas_classify()] flagged them. A point none of whose photos could be read is a row with `n_photos` 0
#'   and `NA`.
#' @section Probabilities of points:
#' Where the model was calibrated on points with several photos, `p_<class>` are put right as such
#' points showed (the column `vote_calibration` of the predictions carries how; see
#' [lucas_calibrate()]), and `calibrated` is `TRUE`. Otherwise they are mean probabilities, for
#' `"product"` the normalised product, and `calibrated` is `FALSE` for points with several photos: the
#' mean of five photos is less sure than the five are together, and their product surer than it
#' should be. `predicted` is the vote's either way.
#'
#' Whether `"learned"` gains anything depends on the land and the photos: [lucas_vote_gain()] with
#' `by = "method"` tells, on points that the model was neither trained nor calibrated on.
#' @section Formulas:
#' With the probabilities \eqn{p_{ik}} of photo \eqn{i = 1 \dots n} for class \eqn{k}: the mean is
#' \eqn{\sum_i p_{ik} / n}, the product \eqn{\prod_i p_{ik} / \sum_l \prod_i p_{il}}, the share of
#' votes \eqn{\#\{i : p_{ik} = \max_l p_{il}\} / n}. A learned vote is proportional to
#' \eqn{s_k E_k^{m^g t^{1 - 1/m}} \exp(b_k (1 - 1/m))}: \eqn{E} is the mean of photos' probabilities at
#' equal class shares, or of their logarithms, with weights \eqn{a} of directions (those of one direction
#' share its weight; photos without direction weigh 1), \eqn{m = (\sum a)^2 / \sum a^2}, \eqn{s} are the
#' class shares, and \eqn{g}, \eqn{t}, \eqn{b} and \eqn{a} stand on the card; or a multinomial logistic
#' regression on all views. One view keeps its probabilities.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   predictions <- data.frame(
#'     path = c("a.jpg", "b.jpg", "c.jpg"), point_id = "31603628", year = 2018,
#'     predicted = c("cropland", "cropland", "woody"),
#'     p_cropland = c(0.6, 0.9, 0.1), p_woody = c(0.4, 0.1, 0.9)
#'   )
#'   lucas_vote(predictions)[c("point_id", "n_photos", "predicted", "agreement", "p_cropland")]
#' }
#' @export
lucas_vote <- function(predictions, method = "majority", closeups = FALSE) {
  with_habitat(call_core("vote", captured()))
}
