#' Shares of the classes in a region
#'
#' Counting predicted classes is wrong as far as the classifier is. `lucas_estimate_shares()` tells how much of a
#' region is of each class from many classified points: where some have a label, labels and predictions
#' together (prediction-powered estimation); without labels, by the shares that make the probabilities
#' likeliest (expectation maximisation). `lucas_adjust_shares()` puts probabilities of points right for the
#' class shares of the land they lie on.
#'
#' @param points What [lucas_vote()] returned for points of the region, or such a `.csv` or `.parquet` file:
#'   a random sample of it, or with `weights`.
#' @param labelled Classified points of the same region and date with their label: drawn from it at random,
#'   or with `weights`. By default those of `points` that carry a label. Points trained on are left out
#'   of both.
#' @param class_shares The class shares at which the probabilities are right: numbers named by all classes
#'   (shares or counts), or the model, or its folder, that classified. By default those that
#'   calibrated points carry. `lucas_estimate_shares()` needs it only where there are no labels.
#' @param reference The column of the labels: its name, or the column itself.
#' @param weights The column of design weights, 1 / inclusion probability (more than 0), in both tables. For a
#'   labelled point the probability is that of being labelled. By default all rows count alike.
#' @param level Of the intervals.
#' @param new_shares The shares (or areas, or counts) of all classes on that land: numbers named by the
#'   classes, or a data.frame (or file) with `class` and `share`, such as `lucas_estimate_shares()` returns.
#'
#' @return `lucas_estimate_shares()`: a data.frame, one row a class: `class` (a factor), `share` (the estimate),
#'   `se`, `low`, `high`, `share_predicted` (by counting predicted classes), `share_labelled` (of the labels
#'   alone), `n_labelled` (points with this label). Its attributes `method` and `power` say how it was
#'   estimated, and how far the predictions are trusted (0 to 1).
#'
#'   `lucas_adjust_shares()`: the points with new `p_<class>`, `predicted` (the likeliest class) and
#'   `confidence`.
#' @section What is taken for granted:
#' With labels: that labelled and other points are drawn from the region at random, or with `weights`.
#' Nothing is assumed of the classifier. All rows of a point, photos or years, are one observation.
#'
#' Without labels: that the probabilities are calibrated at `class_shares`, and that the region differs from
#' there in how much there is of each class, not in how a class looks (prior shift). No unlabelled point can
#' show whether that is so; intervals do not hold what is wrong with it. A message says so at run time.
#' @section Formulas:
#' With the predictions \eqn{f}, labels \eqn{Y} and the power \eqn{\lambda}, a share is
#' \eqn{\lambda \bar f + \overline{Y - \lambda f}}, the first mean over points without a label, the second over
#' those with one; \eqn{\lambda} between 0 and 1 makes the variances of all shares together least. Intervals are
#' Wilson's at the effective number of labelled points. Without labels the shares \eqn{\pi} maximise
#' \eqn{\sum \log \sum_c \pi_c p_c / \pi^0_c} with `class_shares` \eqn{\pi^0}. Adjusted probabilities are
#' proportional to \eqn{p_c \pi_c / \pi^0_c}.
#' @references
#' Angelopoulos, A. N., Duchi, J. C. & Zrnic, T. (2023). PPI++: efficient prediction-powered inference.
#' \doi{10.48550/arXiv.2311.01453}
#'
#' Saerens, M., Latinne, P. & Decaestecker, C. (2002). Adjusting the outputs of a classifier to new a
#' priori probabilities: a simple procedure. Neural Computation 14, 21-41.
#' \doi{10.1162/089976602753284446}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   # 500 plots, one in five cropland; the photos tell it four times in five.
#'   set.seed(1)
#'   cropland <- stats::runif(500) < 0.2
#'   p <- stats::plogis(1.7 * stats::rnorm(500, ifelse(cropland, 0.85, -0.85)))
#'   points <- data.frame(
#'     point_id = paste("plot", 1:500), n_photos = 5,
#'     predicted = factor(ifelse(p > 0.5, "cropland", "grassland")),
#'     p_cropland = p, p_grassland = 1 - p, calibrated = TRUE
#'   )
#'   points$habitat <- ifelse(1:500 <= 60, ifelse(cropland, "cropland", "grassland"), NA)
#'   shares <- lucas_estimate_shares(points)
#'   print(shares)
#'   adjusted <- lucas_adjust_shares(points, shares, class_shares = c(cropland = 0.5, grassland = 0.5))
#'   mean(adjusted$predicted == "cropland")
#' }
#' @export
lucas_estimate_shares <- function(points, labelled = NULL, class_shares = NULL, reference = "habitat",
                                  weights = NULL, level = 0.95) {
  call_core("estimate_shares", captured(weights = column_argument))
}

#' @rdname lucas_estimate_shares
#' @export
lucas_adjust_shares <- function(points, new_shares, class_shares = NULL) {
  with_habitat(call_core("adjust_shares", captured()))
}

# Numbers named by classes, or a table of shares.
new_shares_argument <- function(x, name) {
  if (is.numeric(x) && !is.null(names(x))) return(lapply(as.list(x), as.double))
  table_or_path(x, name)
}
