#' What changed over the years, and what is only doubt
#'
#' Two visits that are right in 80 % each show different classes on more than a third of land that never
#' changed. Counting predicted classes therefore mistakes doubt for change. `lucas_transitions()`
#' estimates how much land went from each class to each other, with intervals; `lucas_changes()` tells
#' for each point and pair of visits the probability that its class really differs.
#'
#' @param points What [lucas_vote()] returned for points seen in several years, or such a `.csv` or
#'   `.parquet` file.
#' @param years Only these campaigns: `c(2009, 2018)` compares the two whatever came between.
#' @param class_shares What the probabilities took for granted: the class shares of the photos trained
#'   on. Numbers named by all classes (shares or counts), or a model, or its folder; by default equal
#'   shares, as in a balanced training set.
#' @param labelled Points with `habitat`, of the same model and way to vote, from which is learnt how far
#'   their probabilities can be trusted; see the section below. By default those of `points` that
#'   carry a label and were not trained on. At least 30 rows are needed.
#' @param sure The probability, above 0.5, from which on a verdict is given.
#' @param n_boot Bootstrap samples of points; 0 gives no intervals.
#' @param level Of the intervals.
#' @param seed For the bootstrap.
#'
#' @return `lucas_changes()`: a data.frame, one row a point and pair of consecutive visits:
#'   `point_id`, `year_from`, `year_to`, `predicted_from`, `predicted_to` (factors with all classes),
#'   `p_from`, `p_to` (probabilities of those), `p_changed` (0 to 1), `verdict` (a factor: `"changed"`
#'   if `p_changed` is at least `sure`, `"same"` if it is at most `1 - sure`, else `"in doubt"`),
#'   `likeliest_from`, `likeliest_to` (the likeliest pair of classes given both visits); where known
#'   `habitat_from`, `habitat_to`, `reference_changed`, and `x`, `y`, `lon`, `lat`. Points seen once are
#'   left out and counted in a message.
#'
#' `lucas_transitions()`: a data.frame, one row a pair of campaigns and pair of classes: `year_from`,
#' `year_to`, `class_from`, `class_to` (factors), `n_predicted` (points with these two predicted classes),
#' `share_predicted` (their share), `share` (the estimated share of points that really made this
#' transition), `low`, `high`, `n_points`; and, the same in all rows of two campaigns, the share of
#' points whose class changed: `changed_predicted` (by counting), `changed` (estimated), `changed_low`,
#' `changed_high`; `n_labelled` (points with a reference class in both years that were not trained on)
#'   and, from 30 of them on, `changed_labels` with `changed_labels_low` and `changed_labels_high`: the
#'   share by their labels, made surer by what was estimated of all points, which does not take errors
#'   of the two visits as independent. Shares are 0 to 1 and sum to 1 over two campaigns.
#'
#' With fewer than 10 points in common two campaigns cannot tell change from doubt: numbers are then
#' `NA`. The attribute `sharpness` of both is what was learnt from labels, 1 without.
#' @section What is taken for granted:
#' * Probabilities are proportions, as [lucas_calibrate()] makes them; a warning says where that is not
#'   known.
#' * The errors of two visits are independent given the classes. Where the same odd bush misleads both,
#'   change is underestimated: in simulations in which errors persist by half or more, 20 % came
#'   out as 0 to 6 %.
#'   `changed_labels` does not depend on that, if the labelled points are a random sample of all.
#' * The mean of a point's photos is less sure than the photos are together. Taken at its word, it
#'   explains change away as doubt: in simulations of five photos a point, 20 % of real change came
#'   out as 0 to 16 %, the less the less alike the photos' errors were. Labels put that right (`labelled`, or `habitat` in `points`); a warning says
#'   where there are none. [lucas_plot_reliability()] shows how far probabilities of points are from
#'   proportions.
#' * Shares are of the points, and of the land only as far as the points were drawn as it is.
#'
#' No share can be negative, so where little changes the estimate is rather too high, the more so the
#' fewer points there are: 4 % of 100 points that never changed, 0.7 % of 2000. The intervals allow for
#' it: in simulations with four classes, 100 to 2000 points and 0 to 20 % of change, 94 to 100 % of 95 %
#' intervals of the share changed held the truth, and 91 to 100 % of those of single changes, where
#' probabilities are calibrated and errors of the two visits independent. Where the sharpness is learnt
#' from labels, its doubt is in the intervals: 90 to 97 % with 40 labelled points.
#' @section Formulas:
#' With the probabilities \eqn{p_c} of a visit under the class shares \eqn{\pi_c}, its likelihood is
#' \eqn{L(c) = (p_c / \pi_c)^s}. The sharpness \eqn{s} makes the labels likeliest. The shares \eqn{T} of
#' transitions maximise \eqn{\sum \log \sum_{ab} T_{ab} L_1(a) L_2(b)} over the points seen in both
#' campaigns: the two-date form of Saerens et al. (2002). A point went from \eqn{a} to \eqn{b} with the
#' probability \eqn{T_{ab} L_1(a) L_2(b) / \sum_{cd} T_{cd} L_1(c) L_2(d)}; `p_changed` sums that over
#' \eqn{a \ne b}. Intervals reach from the lower to the upper end of the percentile and the basic
#' bootstrap interval together, and up to at least what none of so many points excludes (Davison &
#' Hinkley 1997).
#' @references
#' Saerens, M., Latinne, P. & Decaestecker, C. (2002). Adjusting the outputs of a classifier to new a
#' priori probabilities: a simple procedure. Neural Computation 14, 21-41.
#' \doi{10.1162/089976602753284446}
#'
#' Davison, A. C. & Hinkley, D. V. (1997). Bootstrap methods and their application. Cambridge
#' University Press.
#' @seealso [lucas_plot_transitions()]
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   # 300 plots in two years. One in ten changes; four visits in five are classified right.
#'   set.seed(1)
#'   before <- stats::runif(300) < 0.5
#'   cropland <- c(before, xor(before, stats::runif(300) < 0.1))
#'   p <- stats::plogis(1.7 * stats::rnorm(600, ifelse(cropland, 0.85, -0.85)))
#'   points <- data.frame(
#'     point_id = rep(paste("plot", 1:300), 2), year = rep(c(2012, 2018), each = 300), n_photos = 1,
#'     predicted = factor(ifelse(p > 0.5, "cropland", "grassland")),
#'     p_cropland = p, p_grassland = 1 - p, calibrated = TRUE
#'   )
#'   table <- lucas_transitions(points, n_boot = 200)
#'   print(table[c("class_from", "class_to", "share_predicted", "share", "low", "high")])
#'   print(table[1, c("changed_predicted", "changed", "changed_low", "changed_high")])
#'   lucas_plot_transitions(table)
#'   table(lucas_changes(points)$verdict)
#' }
#' @export
lucas_changes <- function(points, years = NULL, class_shares = NULL, labelled = NULL, sure = 0.9) {
  changes <- call_core("changes", captured())
  classes <- levels(changes$predicted_to)
  for (name in intersect(c("habitat_from", "habitat_to"), names(changes))) {
    changes[[name]] <- habitat_factor(changes[[name]], classes)
  }
  changes
}

#' @rdname lucas_changes
#' @export
lucas_transitions <- function(points, years = NULL, class_shares = NULL, labelled = NULL,
                              n_boot = 2000, level = 0.95, seed = 1) {
  call_core("transitions", captured())
}

# Numbers named by classes, or a model; a folder is read first, as only lucas_load() knows how.
class_shares_argument <- function(x) {
  if (is.numeric(x) || is.list(x) && !inherits(x, "lucas_model")) {
    if (is.null(names(x))) {
      stop_lucas("input", "class_shares must be numbers named by the classes, as in c(woody = 0.4, ",
                 "cropland = 0.6); got ", describe(x), " without names.")
    }
    return(lapply(as.list(x), as.double))
  }
  if (is.character(x)) x <- lucas_load(x)
  model_argument(x)
}
