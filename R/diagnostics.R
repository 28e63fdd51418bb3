#' What each further photo that votes gains
#'
#' For 1, 2, ... photos, so many of each point's photos are drawn at random and vote by majority, as
#' [lucas_vote()] does. Only points with at least as many readable photos as most points have (five
#' at most) count, so that every number of photos is judged on the same points.
#'
#' @param predictions What [lucas_classify()] returned for labelled photos of points, or such a file.
#' @param n_draws How often directions, or points, are drawn.
#' @param seed For the draws.
#' @param by `"photos"`, or `"method"`: all photos of each point with several vote by each method of
#'   [lucas_vote()], also the one that the model learned, if it did, and are compared with one of them,
#'   drawn at random, and with the majority. A learned vote must be judged on points that the model was
#'   not calibrated on.
#' @return A data.frame, one row a number of photos: `n_photos`, `accuracy` and `kappa` (means over
#'   the draws), `kappa_gain` (kappa less that with one photo fewer), each with `*_low` and `*_high`,
#'   and `n_points`. Intervals hold 95 % of draws of directions and, as in [lucas_evaluate()], of
#'   points. By method one row a method (`method`, the first `"one photo"`): `accuracy`, `kappa`, and by
#'   how much accuracy exceeds that of one photo (`gain_photo`) and of the majority (`gain_majority`), on
#'   the same points, each with `*_low` and `*_high`; `log_loss` and `n_points`.
#' @seealso [lucas_plot_votes()]
#' @export
lucas_vote_gain <- function(predictions, n_draws = 500, seed = 1, by = "photos") {
  call_core("vote_gain", captured())
}

#' Whether a probability of 0.8 is right in 8 of 10 cases
#'
#' Rows are sorted by the probability of their predicted class into ten bins of equal width.
#'
#' @param predictions What [lucas_classify()] or [lucas_vote()] returned for labelled photos, or such
#'   a file.
#' @return A data.frame, one row a bin: `low`, `high` (its edges), `n` (rows), `n_points`,
#'   `confidence` (mean probability), `accuracy` (share that is right) with `accuracy_low` and
#'   `accuracy_high`: Wilson's 95 % interval, as [lucas_evaluate()] gives it, for as many independent
#'   cases as there are points, because photos of one point are not independent. Empty bins have `n` 0
#'   and `NA`. The attribute `ece` is the expected calibration error, the mean over rows of
#'   `|accuracy - confidence|` of their bin: 0 is perfect.
#' @references
#' Guo, C. et al. (2017). On calibration of modern neural networks. ICML 2017, arXiv:1706.04599.
#'
#' Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
#' Journal of the American Statistical Association 22, 209-212. \doi{10.2307/2276774}
#' @seealso [lucas_plot_reliability()]
#' @export
lucas_reliability <- function(predictions) {
  table <- call_core("reliability", captured())
  table[] <- lapply(table, function(v) ifelse(is.nan(v), NA, v))
  table
}
