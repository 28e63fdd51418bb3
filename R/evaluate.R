#' Compare predicted with reference classes
#'
#' @param predictions What [lucas_classify()] or [lucas_vote()] returned (or such a `.csv` or
#'   `.parquet` file): `predicted` and the reference column, with `point_id` where photos have points.
#' @param reference The column that holds the true class.
#' @param n_boot Bootstrap samples behind the interval of kappa; 0 gives no intervals. Whole points are
#'   drawn, because photos of one point, and a point's years, are not independent.
#' @param level Of the intervals.
#' @param seed For the bootstrap.
#'
#' @return An object of the class `lucas_evaluation`, to print and plot (`autoplot()` gives the ggplot of
#'   [lucas_plot_confusion()] where the package ggplot2 is loaded): a list with
#'   `overall_accuracy` and `kappa` (shares; kappa is at most 1), `overall_accuracy_interval` and
#'   `kappa_interval` (low, high), `confusion` (a table, **rows predicted, columns reference**),
#'   `per_class` (a data.frame, also by `as.data.frame()`: `class`, `n_reference`, `n_predicted`,
#'   `producers_accuracy` with `producers_low` and `producers_high`, `users_accuracy` with
#'   `users_low` and `users_high`, `f1`, and `share`, of the rows, by reference, each with `*_low` and
#'   `*_high`), `unit` (`"photo"` or `"point"`), `n`, `n_points`,
#'   `n_unlabelled`, `n_unread`, `level`, `n_boot`, `seed` and `notes`, what to know before
#'   quoting the numbers. A value that is undefined, such as the user's accuracy of a class never
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
#' In simulations of 30 to 300 points with one row or five correlated photos and accuracies of 0.7 to
#' 0.99, 93 to 97 % of 95 % intervals held the truth, and more where few errors are expected. Points are
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
#' Korn, E. L. & Graubard, B. I. (1998). Confidence intervals for proportions with small expected number
#' of positive counts estimated from survey data. Survey Methodology 24, 193-201.
#'
#' Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. Journal
#' of the American Statistical Association 22, 209-212. \doi{10.2307/2276774}
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
#' }
#' @export
lucas_evaluate <- function(predictions, reference = "habitat", n_boot = 2000, level = 0.95, seed = 1) {
  call_core("evaluate", captured())
}

evaluation_from_core <- function(x) {
  classes <- as.character(unlist(x$classes))
  confusion <- matrix(as.integer(unlist(x$confusion)), nrow = length(classes),
                      dimnames = list(predicted = classes, reference = classes))
  number <- function(v) ifelse(is.nan(v), NA_real_, v)
  structure(
    list(
      overall_accuracy = number(x$overall_accuracy),
      overall_accuracy_interval = number(unlist(x$overall_accuracy_interval)),
      kappa = number(x$kappa), kappa_interval = number(unlist(x$kappa_interval)),
      confusion = as.table(confusion), per_class = from_core(x$per_class), unit = x$unit,
      n = x$n, n_points = x$n_points, n_unlabelled = x$n_unlabelled, n_unread = x$n_unread,
      level = x$level, n_boot = x$n_boot, seed = x$seed,
      notes = as.character(unlist(x$notes))
    ),
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
  # lucas_vote() gives a point a row for each of its years.
  rows <- if (x$unit == "photo") {
    paste(x$n, "photos of", x$n_points, "points")
  } else if (x$n != x$n_points) {
    paste(x$n_points, "points in", x$n, "point-years")
  } else paste(x$n_points, "points")
  cat("Evaluation of ", rows, "\n\n",
      "Overall accuracy  ", shown(x$overall_accuracy), interval(x$overall_accuracy_interval), "\n",
      "Kappa             ", shown(x$kappa), interval(x$kappa_interval), "\n\n",
      "Confusion (rows predicted, columns reference):\n", sep = "")
  print(x$confusion)
  cat("\nBy class:\n")
  print(x$per_class[c("class", "producers_accuracy", "users_accuracy", "f1", "n_reference")],
        digits = digits, row.names = FALSE)
  if (length(x$notes)) cat("\n", paste0("Note: ", x$notes, "\n"), sep = "")
  invisible(x)
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
