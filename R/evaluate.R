#' Compare predicted with reference classes
#'
#' @param predictions What [lucas_classify()] or [lucas_vote()] returned (or such a `.csv` or
#'   `.parquet` file): `predicted` and the reference column, with `point_id` where photos have points.
#' @param reference The column that holds the true class: its name, or the column itself.
#' @param weights The column (by name, or itself) of design weights, 1 / inclusion probability (more than 0): numbers are then of
#'   the land that the points were drawn from. By default all rows count alike.
#' @param class_shares The classes' shares of the land: numbers named by the classes, such as
#'   `c(woody = 0.4, cropland = 0.6)`, or a data.frame (or file) with the columns `class` and `share`, in
#'   any unit. Numbers are then of land with these shares, of which the rows of each reference class
#'   are a sample. For samples balanced by class, whose overall accuracy, user's accuracies and kappa are
#'   those of land with equal shares.
#' @param levels What stands above the classes, as for [lucas_at_level()]: accuracy and kappa are told at
#'   each level too, and how far in the tree errors are off. Needed where [lucas_predict_level()] answered
#'   at several levels, each of which is judged at its own.
#' @param n_boot Bootstrap samples behind the interval of kappa; 0 gives no intervals. Whole points are
#'   drawn, because photos of one point, and a point's years, are not independent.
#' @param level Of the intervals.
#' @param seed For the bootstrap.
#'
#' @return An object of the class `lucas_evaluation`, to print and plot (`autoplot()` gives the ggplot of
#'   [lucas_plot_confusion()] where the package ggplot2 is loaded); `summary()` gives its measures as a
#'   data.frame (`measure`, `value`, `low` and `high`, which are `NA` where there is no interval): a list with
#'   `overall_accuracy` and `kappa` (shares; kappa is at most 1), `overall_accuracy_interval` and
#'   `kappa_interval` (low, high), `overall_accuracy_se` and `kappa_se` (standard errors by
#'   linearisation over points: the asymptotic one of kappa), `balanced_accuracy` (the mean of
#'   the producer's accuracies), `macro_f1` (the mean F1 of classes that occur), `matthews` (Matthews'
#'   correlation), `quantity_disagreement` and `allocation_disagreement` (what is wrong because classes
#'   are predicted too often or too seldom, and what is wrong besides; together 1 - overall accuracy),
#'   `log_loss` and `brier_score` (0 to 2) of the probabilities, `calibration_error` (the expected one in ten
#'   bins, see [lucas_reliability()]) and `calibration_error_if_perfect` (the mean of what it would be for
#'   rows as many, as sure and as alike within points if their probabilities were proportions: only
#'   what is above that tells against them), `proportions` (the confusion in shares of what rows
#'   stand for), `weights`, `class_shares`, `confusion` (a table, **rows predicted, columns reference**),
#'   `per_class` (a data.frame, also by `as.data.frame()`: `class`, `n_reference`, `n_predicted`,
#'   `producers_accuracy` with `producers_low` and `producers_high`, `users_accuracy` with
#'   `users_low` and `users_high`, `f1`, and `share`, of what rows stand for, by reference, each with `*_low` and
#'   `*_high`, and `producers_se`, `users_se`), `unit` (`"photo"` or `"point"`), `n`, `n_points`,
#'   `n_without_point` (rows that are photos without a point, each counted as one), `n_unlabelled`, `n_unread`, `level`, `n_boot`, `seed` and `notes`, what to know before
#'   quoting the numbers; with `levels`, `by_level` (a data.frame, one row a level, the coarsest first:
#'   `level`, `n_classes`, `n`, rows that answer at this level or a finer one, `overall_accuracy` and `kappa`
#'   with `*_low` and `*_high`, and `macro_f1`; there the likeliest label by summed probabilities
#'   counts), `mean_distance` and `error_distance` (how many levels an answer has to go up the tree until
#'   it is right: the mean of all rows, and of those that are wrong). A value that is undefined, such as the user's accuracy of a class never
#'   predicted, is `NA` with a note.
#' @section Formulas:
#' With \eqn{n_{ij}} the number of rows predicted as class \eqn{i} whose reference is \eqn{j}, row
#' sums \eqn{n_{i+}}, column sums \eqn{n_{+j}} and \eqn{n} in all: overall accuracy
#' \eqn{p_o = \sum_i n_{ii} / n}; agreement by chance \eqn{p_e = \sum_i n_{i+} n_{+i} / n^2}; kappa
#' \eqn{(p_o - p_e) / (1 - p_e)}; producer's accuracy (recall) \eqn{n_{jj} / n_{+j}}; user's accuracy
#' (precision) \eqn{n_{ii} / n_{i+}}; F1 \eqn{2 n_{ii} / (n_{i+} + n_{+i})}.
#' @section Intervals:
#' Wilson's (1927), with what Brown, Cai and DasGupta (2001) changed of it close to 0 and 1, on the
#' effective number of rows (Korn & Graubard 1998; Dean & Pagano 2015): rows over the design effect, that is,
#' how much more a share varies between points than it would if their rows were independent. It is
#' estimated by the jackknife over points, with a t quantile for the doubt in it, and lies between the number
#' of points and that of rows. It is told by points with errors; where a class has few of those, its rows
#' are taken to be as correlated as those of all classes, and where all have few, as copies of one. F1
#' is a function of the share that is right of all rows that are or are called the class. The
#' interval of kappa is Wilson's for the disagreement of the same relative variance, which the
#' bootstrap over points tells.
#'
#' With weights, shares are ratios of sums of weights (Hajek), with the standard errors of the package
#' survey for points drawn with replacement. With class shares, points within classes are a stratified
#' sample, also where they were drawn without regard to class (post-stratification, Holt & Smith
#' 1979); the effective number is that of the variance where each class is given a row more, half of
#' it right, because a class of much land whose few rows never showed an error leaves doubt. Intervals
#' of user's accuracies and F1 are then put together from Wilson's of single cells (Zou & Donner 2008),
#' because one error of a class of much land outweighs all rows of a rare one.
#'
#' In simulations of 30 to 300 points with one row or five correlated photos and accuracies of 0.7 to
#' 0.99, 92 to 98 % of 95 % intervals held the truth, and more where few errors are expected. Points are
#' taken as drawn at random: points nearby that err together are worth less.
#' @references
#' Brown, L. D., Cai, T. T. & DasGupta, A. (2001). Interval estimation for a binomial proportion.
#' Statistical Science 16, 101-133. \doi{10.1214/ss/1009213286}
#'
#' Cohen, J. (1960). A coefficient of agreement for nominal scales. Educational and Psychological
#' Measurement 20, 37-46. \doi{10.1177/001316446002000104}
#'
#' Congalton, R. G. (1991). A review of assessing the accuracy of classifications of remotely sensed
#' data. Remote Sensing of Environment 37, 35-46. \doi{10.1016/0034-4257(91)90048-B}
#'
#' Dean, N. & Pagano, M. (2015). Evaluating confidence interval methods for binomial proportions in
#' clustered surveys. Journal of Survey Statistics and Methodology 3, 484-503. \doi{10.1093/jssam/smv024}
#'
#' Fleiss, J. L., Cohen, J. & Everitt, B. S. (1969). Large sample standard errors of kappa and weighted
#' kappa. Psychological Bulletin 72, 323-327. \doi{10.1037/h0028106}
#'
#' Holt, D. & Smith, T. M. F. (1979). Post stratification. Journal of the Royal Statistical Society A
#' 142, 33-46. \doi{10.2307/2344652}
#'
#' Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number
#' of positive counts estimated from survey data. Survey Methodology 24, 193-201.
#'
#' Pontius, R. G. & Millones, M. (2011). Death to kappa: birth of quantity disagreement and allocation
#' disagreement for accuracy assessment. International Journal of Remote Sensing 32, 4407-4429.
#' \doi{10.1080/01431161.2011.552923}
#'
#' Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal
#' of the American Statistical Association 22, 209-212. \doi{10.2307/2276774}
#'
#' Zou, G. Y. & Donner, A. (2008). Construction of confidence limits about effect measures: a general
#' approach. Statistics in Medicine 27, 1693-1702. \doi{10.1002/sim.3095}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   classes <- c("cropland", "grassland", "woody")
#'   points <- data.frame(
#'     point_id = 1:8, n_photos = 5,
#'     habitat = rep(classes, c(3, 3, 2)), predicted = rep(classes, c(2, 4, 2))
#'   )
#'   found <- lucas_evaluate(points)
#'   print(found)
#'   as.data.frame(found)
#'   # The sample is balanced, the land is not.
#'   lucas_evaluate(points, class_shares = c(cropland = 0.6, grassland = 0.1, woody = 0.3))
#' }
#' @export
lucas_evaluate <- function(predictions, reference = "habitat", weights = NULL, class_shares = NULL,
                           levels = NULL, n_boot = 2000, level = 0.95, seed = 1) {
  call_core("evaluate", captured(weights = column_argument,
                                 class_shares = function(x, name) land_shares_argument(x)))
}

# Shares of the land: numbers named by classes, or a table.
land_shares_argument <- function(x) {
  if (is.data.frame(x) || is.character(x)) return(table_or_path(x, "class_shares"))
  is_numbers <- is.numeric(x) || is.list(x) && !is.object(x) && all(vapply(x, is.numeric, logical(1)))
  if (!is_numbers || is.null(names(x))) {
    stop_lucas("input", "class_shares must be numbers named by the classes, as in c(woody = 0.4, ",
               "cropland = 0.6), or a data.frame with the columns class and share; got ", describe(x), ".")
  }
  lapply(as.list(x), as.double)
}

evaluation_from_core <- function(x) {
  classes <- as.character(unlist(x$classes))
  confusion <- matrix(as.integer(unlist(x$confusion)), nrow = length(classes),
                      dimnames = list(predicted = classes, reference = classes))
  proportions <- matrix(as.double(unlist(x$proportions)), nrow = length(classes),
                        dimnames = dimnames(confusion))
  number <- function(v) ifelse(is.nan(v), NA_real_, v)
  structure(
    c(list(
      overall_accuracy = number(x$overall_accuracy),
      overall_accuracy_interval = number(unlist(x$overall_accuracy_interval)),
      overall_accuracy_se = number(x$overall_accuracy_se),
      kappa = number(x$kappa), kappa_interval = number(unlist(x$kappa_interval)),
      kappa_se = number(x$kappa_se)
    ), lapply(x$further, number), list(
      confusion = as.table(confusion), proportions = as.table(proportions), per_class = from_core(x$per_class), unit = x$unit,
      n = x$n, n_points = x$n_points, n_without_point = x$n_without_point, n_unlabelled = x$n_unlabelled, n_unread = x$n_unread,
      weights = x$weights, class_shares = unlist(x$class_shares),
      level = x$level, n_boot = x$n_boot, seed = x$seed,
      notes = as.character(unlist(x$notes)),
      by_level = if (!is.null(x$by_level)) from_core(x$by_level),
      mean_distance = number(x$mean_distance), error_distance = number(x$error_distance)
    )),
    class = "lucas_evaluation"
  )
}

#' @param x,object An evaluation.
#' @param digits Decimals shown.
#' @param row.names,optional As for [as.data.frame()].
#' @param ... Not used.
#' @rdname lucas_evaluate
#' @export
print.lucas_evaluation <- function(x, digits = 3, ...) {
  shown <- function(v) ifelse(is.na(v), "undefined", formatC(v, digits = digits, format = "f"))
  interval <- function(v) {
    if (anyNA(v)) return("")
    sprintf("   %g%% interval %s to %s", 100 * x$level, shown(v[1]), shown(v[2]))
  }
  land <- c(if (length(x$weights)) paste0(", weighted by ", x$weights),
            if (length(x$class_shares)) ", at the land's class shares")
  cat("Evaluation of ", rows_in_words(x), land, "\n\n",
      "Overall accuracy  ", shown(x$overall_accuracy), interval(x$overall_accuracy_interval), "\n",
      "Kappa             ", shown(x$kappa), interval(x$kappa_interval), "\n",
      "Balanced accuracy ", shown(x$balanced_accuracy), "   macro F1 ", shown(x$macro_f1),
      "   Matthews ", shown(x$matthews), "\n",
      "Disagreement: quantity ", shown(x$quantity_disagreement), "   allocation ",
      shown(x$allocation_disagreement), "\n",
      if (!is.na(x$brier_score)) {
        c("Log loss ", shown(x$log_loss), "   Brier ", shown(x$brier_score), "   calibration error ",
          shown(x$calibration_error), " (", shown(x$calibration_error_if_perfect), " if perfect)\n")
      },
      "\nConfusion (rows predicted, columns reference):\n", sep = "")
  print(x$confusion)
  cat("\nBy class:\n")
  print(x$per_class[c("class", "producers_accuracy", "users_accuracy", "f1", "n_reference")],
        digits = digits, row.names = FALSE)
  if (!is.null(x$by_level)) {
    cat("\nBy level:\n")
    print(x$by_level[c("level", "n_classes", "n", "overall_accuracy", "kappa")], digits = digits,
          row.names = FALSE)
    cat("Levels up to what is right: ", formatC(x$mean_distance, digits = 2, format = "f"), " on average, ",
        formatC(x$error_distance, digits = 2, format = "f"), " for errors\n", sep = "")
  }
  if (length(x$notes)) cat("\n", paste0("Note: ", x$notes, "\n"), sep = "")
  invisible(x)
}

# What rows are: photos, with their points; or points, which lucas_vote() gives a row for each year. A
# photo without a point is no point, although it is counted as one.
rows_in_words <- function(x) {
  if (x$n_without_point >= x$n) return(paste(x$n, "photos"))
  alone <- if (x$n_without_point) paste0(", ", x$n_without_point, " of them ")
  if (x$unit == "photo") {
    return(paste0(x$n, " photos of ", x$n_points - x$n_without_point, " points",
                  if (length(alone)) paste0(alone, "without a point")))
  }
  paste0(x$n_points, " points", if (x$n != x$n_points) paste(" in", x$n, "point-years"),
         if (length(alone)) paste0(alone, "photos without a point"))
}

#' @rdname lucas_evaluate
#' @export
summary.lucas_evaluation <- function(object, ...) {
  measures <- c("overall_accuracy", "kappa", "balanced_accuracy", "macro_f1", "matthews",
                "quantity_disagreement", "allocation_disagreement", "log_loss", "brier_score",
                "calibration_error")
  ends <- vapply(measures, function(name) {
    interval <- object[[paste0(name, "_interval")]]
    if (is.null(interval)) c(NA_real_, NA_real_) else as.double(interval)
  }, double(2))
  values <- vapply(measures, function(name) as.double(object[[name]]), 0)
  data.frame(measure = measures, value = unname(values), low = ends[1, ], high = ends[2, ], row.names = NULL)
}

#' @rdname lucas_evaluate
#' @export
as.data.frame.lucas_evaluation <- function(x, row.names = NULL, optional = FALSE, ...) {
  out <- x$per_class
  if (!is.null(row.names)) row.names(out) <- row.names
  out
}

#' @rdname lucas_evaluate
#' @export
plot.lucas_evaluation <- function(x, ...) {
  lucas_plot_confusion(x)
  invisible(x)
}

#' @rdname lucas_evaluate
#' @usage \method{autoplot}{lucas_evaluation}(object, ...)
#' @exportS3Method ggplot2::autoplot
autoplot.lucas_evaluation <- function(object, ...) lucas_plot_confusion(object, as = "ggplot")
