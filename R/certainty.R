#' Sets of classes that hold the true one
#'
#' Gives each point the set of classes that holds its true one as often as asked, by split conformal
#' prediction: a class is in a point's set unless its probability is lower than that of the true class
#' of nearly all labelled points. This asks nothing of the probabilities; better ones make smaller sets.
#'
#' @param points What [lucas_vote()] returned, any data.frame with `predicted` and `p_<class>`, or such a
#'   `.csv` or `.parquet` file.
#' @param labelled Such points with their true class (`habitat`), one row a point, that the model was not
#'   trained on. Rows whose `split` is `"train"` are left out. Of a point that was seen in several years
#'   one visit, drawn at random, counts.
#' @param coverage The share of points whose set holds the true class, between 0 and 1.
#' @param per_class Whether that shall be so for the points of each class, whatever the classes' shares of
#'   the land, instead of for all points together. Needs labelled points of every class.
#'
#' @return The points' rows, with `set` (the classes, likeliest first, joined by `|`), `n_classes` (how
#'   many) and `s_<class>` (whether it is in the set). Points without probabilities have `NA`. Attributes
#'   say `coverage`, `n_labelled` (points that the sets rest on) and, where not `per_class`,
#'   `coverage_low` and `coverage_high`: what the share is for labelled points such as these, drawn anew,
#'   in 19 of 20 cases.
#' @section What is taken for granted:
#' The share holds on average over labelled points, for points like them: drawn from the same land with
#' the same class shares (with `per_class` class shares may differ), photographed alike and classified by
#' the same model. It does not hold for each kind of point: hard land is covered less often. The points
#' that calibrated the model serve, though strictly other ones should.
#'
#' Where no class would be in a set, the likeliest one is, which only raises the share. A class of which
#' there are too few labelled points (fewer than `coverage / (1 - coverage)`) cannot be ruled out and is
#' in every set; a warning says so.
#' @references
#' Sadinle, M., Lei, J. & Wasserman, L. (2019). Least ambiguous set-valued classifiers with bounded error
#' levels. Journal of the American Statistical Association 114, 223-234. \doi{10.1080/01621459.2017.1395341}
#'
#' Vovk, V., Gammerman, A. & Shafer, G. (2005). Algorithmic learning in a random world. Springer.
#' @seealso [lucas_abstain()], [lucas_review_list()]
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   p <- seq(0.05, 0.95, length.out = 40)
#'   points <- data.frame(
#'     point_id = paste("plot", 1:40), predicted = ifelse(p > 0.5, "woody", "cropland"),
#'     p_woody = p, p_cropland = 1 - p, habitat = rep(c("cropland", "woody"), c(22, 18))
#'   )
#'   sets <- lucas_prediction_sets(points[1:10 * 4, ], points)
#'   sets[c("point_id", "predicted", "set", "n_classes")]
#' }
#' @export
lucas_prediction_sets <- function(points, labelled, coverage = 0.9, per_class = FALSE) {
  with_habitat(call_core("prediction_sets", captured()))
}

#' Points that are sure enough, and those for a person
#'
#' `lucas_abstain()` marks the points whose class is right as often as asked: from some confidence on,
#' predictions of labelled points are right so often that their accuracy lies above what is asked with the
#' probability `level`. `lucas_labelling_saved()` tells how much labelling by hand that saves.
#'
#' @inheritParams lucas_prediction_sets
#' @param accuracy The share of sure points whose class is right, between 0 and 1.
#' @param accuracies Several of them; `NULL`: 0.9, 0.95 and 0.99.
#' @param per_class Whether each predicted class gets a threshold of its own. `level` then holds for each
#'   class, not for all of them together.
#' @param level The probability that the accuracy is reached.
#'
#' @return `lucas_abstain()`: the points' rows, with `threshold` (of the confidence, `NA` where no threshold
#'   is high enough), `accuracy_low` (the accuracy at that threshold is at least this, one-sided) and
#'   `is_sure`. Attributes say `accuracy`, `level`, `n_labelled` and `n_sure`.
#'
#' `lucas_labelling_saved()`: a data.frame, one row an accuracy: `accuracy`, `threshold` (`NA` with
#' `per_class` and where none is high enough), `accuracy_labelled` (of the labelled points with that
#' confidence), `accuracy_low`, `n_sure`, `n_by_hand` (the other points) and `share_saved`. Where no point is
#' sure, a message says why.
#' @section What is taken for granted:
#' The surest 10, 20, ... 100 % of the labelled points are tried, from the surest on, by Clopper and
#' Pearson's one-sided bound; the risk `1 - level` is shared among those that are many enough to pass at
#' all, and that of one that passes goes on to the next (Wiens 2003). So trying several thresholds does
#' not make the accuracy look better than it is. It holds for points like the labelled ones: same land and
#' class shares, photographed alike, same model. At least some 60 labelled points are needed for 95 %, 300
#' for 99 %.
#' @references
#' Wiens, B. L. (2003). A fixed sequence Bonferroni procedure for testing multiple endpoints.
#' Pharmaceutical Statistics 2, 211-215. \doi{10.1002/pst.64}
#'
#' Clopper, C. & Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the case of
#' the binomial. Biometrika 26, 404-413. \doi{10.2307/2331986}
#' @seealso [lucas_prediction_sets()], [lucas_review_list()], [lucas_plot_labelling()]
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   p <- seq(0.5, 1, length.out = 200)
#'   points <- data.frame(
#'     point_id = paste("plot", 1:200), predicted = "woody", p_woody = p, p_cropland = 1 - p,
#'     habitat = ifelse(p < 0.7 & 1:200 %% 3 == 0, "cropland", "woody")
#'   )
#'   lucas_labelling_saved(points, points)
#'   table(lucas_abstain(points, points, accuracy = 0.9)$is_sure)
#' }
#' @export
lucas_abstain <- function(points, labelled, accuracy = 0.95, per_class = FALSE, level = 0.95) {
  with_habitat(call_core("abstain", captured()))
}

#' @rdname lucas_abstain
#' @export
lucas_labelling_saved <- function(points, labelled, accuracies = NULL, per_class = FALSE,
                                  level = 0.95) {
  call_core("labelling_saved", captured())
}

#' Answers at the level that a point is sure enough for
#'
#' A point that is not sure to be maize may be sure to be a cereal, or cropland. At each level, from the
#' finest on, points with at least some confidence are answered there; the others are left to the level
#' above. Thresholds are such that at every level the accuracy of its answers lies above what is asked.
#'
#' @inheritParams lucas_prediction_sets
#' @param labelled Such points with their true class (`habitat`), as for [lucas_prediction_sets()]; other
#'   points than those that accuracy is told of afterwards.
#' @param accuracy The share of right answers at each level, between 0 and 1.
#' @param levels What stands above the classes, as for [lucas_at_level()].
#' @param level The probability that the accuracy is reached at all levels.
#'
#' @return The points' rows, with `predicted` (the label that is answered; `NA` where no level is sure
#'   enough), `predicted_level` (`"class"`, `"level2"`, ...), `predicted_class` (the class that was
#'   predicted), `confidence` (of the answer), `threshold` (of the confidence at that level) and
#'   `accuracy_low` (the accuracy at that level is at least this, one-sided). `p_<class>` stay those of
#'   the classes. Attributes say `accuracy`, `level`, `n_labelled` and `n_answered`.
#' @section What is taken for granted:
#' A label's confidence is its summed probability (see [lucas_at_level()]), for classes that of the
#' predicted one. Thresholds are sought as [lucas_abstain()] does, among the labelled points that no finer
#' level has answered, each level with an equal part of the risk `1 - level`. That a finer level's
#' threshold was found on the same points is not reckoned with; where it failed to be lower, the points
#' left over have more errors than such points have on average, so the next level is judged too strictly
#' rather than too kindly. In simulations the promise was broken at some level in 2 of 300 draws of labelled
#' points. Points left over by a finer level are the hard ones, so many labelled points are needed to show
#' that a level above is right. It holds for points like the labelled ones: same land and class shares, photographed alike,
#' same model. With three levels at least 39 labelled points at a level are needed for 90 %, 80 for 95 %.
#'
#' [lucas_evaluate()] with `levels` judges each answer at its level; most others work with the predicted
#' classes.
#' @seealso [lucas_at_level()], [lucas_abstain()]
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   p <- seq(0.3, 0.95, length.out = 300)
#'   points <- data.frame(
#'     point_id = paste("plot", 1:300), predicted = "B16",
#'     p_B16 = p, p_B11 = (1 - p) * 0.9, p_C10 = (1 - p) * 0.1,
#'     habitat = ifelse(p < 0.8 & 1:300 %% 3 == 0, "B11", "B16")
#'   )
#'   found <- lucas_predict_level(points, points, accuracy = 0.9)
#'   table(found$predicted, found$predicted_level)
#' }
#' @export
lucas_predict_level <- function(points, labelled, accuracy = 0.9, levels = "lc1", level = 0.95) {
  with_habitat(call_core("predict_level", captured()), NULL)
}
