#' Compare two models on the same points
#'
#' @param a,b What [lucas_classify()] or [lucas_vote()] returned for the same photos or points with two
#'   models (or such `.csv` or `.parquet` files): `predicted`, the reference column, and what tells rows
#'   apart, `path` or `point_id` with `year` (and `direction`). Their order does not matter.
#' @param reference The column that holds the true class: its name, or the column itself.
#' @param n_boot Bootstrap samples; 0 gives no intervals.
#' @param level Of the intervals.
#' @param seed For the bootstrap.
#'
#' @return An object of the class `lucas_comparison`, to print: a list with `table` (a data.frame, also by
#'   `as.data.frame()`: `measure`, which is `overall_accuracy`, `kappa` or `macro_f1`, its values `a` and `b`,
#'   `difference`, which is b - a, `low` and `high`), `n_both`, `n_only_a`, `n_only_b`, `n_neither` (rows
#'   that both, one or neither of the models classified right), `p_value` (of no difference in overall
#'   accuracy: McNemar's exact test; where points have several rows, the signs of the points'
#'   differences are drawn at random instead), `unit`, `n`, `n_points`, `n_without_point` (rows that are
#'   photos without a point, each counted as one), `n_left_out` (rows without a
#'   reference or a prediction), `level`, `n_boot`, `seed` and `notes`. Tables of different photos or points
#'   are an error.
#' @details
#' Two models err on the same hard points, so the difference is surer than the intervals of each suggest.
#' Whole points are drawn, with both models' predictions. Where the models hardly differ, resampling
#' would show no doubt; so two made points are drawn along with the others, on which only one of the
#' models is right (Bonett & Price 2012 do this for proportions; ours have as many rows as count for one
#' independent row, of reference classes as common as they are).
#' @references
#' Bonett, D. G. & Price, R. M. (2012). Adjusted Wald confidence interval for a difference of binomial
#' proportions based on paired data. Journal of Educational and Behavioral Statistics 37, 479-488.
#' \doi{10.3102/1076998611411915}
#'
#' McNemar, Q. (1947). Note on the sampling error of the difference between correlated proportions or
#' percentages. Psychometrika 12, 153-157. \doi{10.1007/BF02295996}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   set.seed(1)
#'   classes <- c("cropland", "grassland", "woody")
#'   a <- b <- data.frame(point_id = 1:60, n_photos = 5, habitat = rep(classes, 20))
#'   a$predicted <- ifelse(stats::runif(60) < 0.7, a$habitat, sample(classes, 60, TRUE))
#'   b$predicted <- ifelse(stats::runif(60) < 0.9, b$habitat, sample(classes, 60, TRUE))
#'   lucas_compare(a, b)
#' }
#' @export
lucas_compare <- function(a, b, reference = "habitat", n_boot = 2000, level = 0.95, seed = 1) {
  call_core("compare", captured(a = table_or_path, b = table_or_path))
}

comparison_from_core <- function(x) {
  table <- from_core(x$table)
  table$measure <- as.character(table$measure)
  counts <- c("n_both", "n_only_a", "n_only_b", "n_neither")
  structure(
    c(list(table = table), x[counts], x[c("p_value", "unit", "n", "n_points", "n_without_point", "n_left_out", "level",
                                         "n_boot", "seed")],
      list(notes = as.character(unlist(x$notes)))),
    class = "lucas_comparison"
  )
}

#' @param x A comparison.
#' @param digits Decimals shown.
#' @param row.names,optional As for [as.data.frame()].
#' @param ... Not used.
#' @rdname lucas_compare
#' @export
print.lucas_comparison <- function(x, digits = 3, ...) {
  cat("Comparison of two models on ", rows_in_words(x), "\n\n", sep = "")
  table <- x$table
  for (name in setdiff(names(table), "measure")) table[[name]] <- formatC(table[[name]], digits, format = "f")
  print(if (x$n_boot) table else table[c("measure", "a", "b", "difference")], row.names = FALSE)
  cat("\n", if (x$n_boot) sprintf("low, high: %g%% interval of b - a\n", 100 * x$level),
      "Right: both ", x$n_both, ", only a ", x$n_only_a, ", only b ", x$n_only_b, ", neither ", x$n_neither,
      "; p-value of no difference in accuracy ", format(x$p_value, digits = 3), "\n", sep = "")
  if (length(x$notes)) cat(paste0("Note: ", x$notes, "\n"), sep = "")
  invisible(x)
}

#' @rdname lucas_compare
#' @export
as.data.frame.lucas_comparison <- function(x, row.names = NULL, optional = FALSE, ...) {
  out <- x$table
  if (!is.null(row.names)) row.names(out) <- row.names
  out
}
