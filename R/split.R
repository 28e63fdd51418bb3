#' Split photos into training and test photos by point, block of land, country or year
#'
#' All photos of a point, of all its years, fall on one side: views of one place are so alike that a
#' split by photo overstates accuracy. A photo without a point is a point of its own. Points are
#' drawn at random within each class, so both sides have the same class shares. A table whose column
#' `near_duplicates` is filled, by [lucas_near_duplicates()], keeps all points that they tie together on one
#' side; by block, country or year training leaves out what is tied to a test point. A table whose
#' column `split` is filled, as from the folders `train/` and `test/`, keeps its split after a check.
#'
#' Points that lie near one another are alike, too. Accuracy by point holds for points among those
#' trained on; for land elsewhere split by block or country, for years to come by year.
#'
#' @param photos A photo table, or anything [lucas_photos()] takes.
#' @param test_size Share of points to test on, between 0 and 1; 0.2 where nothing is said.
#' @param n_per_class Draw a balanced sample of this many photos of each class first, point by
#'   point, as the pilot did. Class shares then differ from the land's: proportions predicted for a
#'   region need them back (prior shift).
#' @param regroup Ignore a split that the photos came with.
#' @param seed The same seed and the same photos, in any order, give the same split.
#' @param by What is drawn whole: `"point"`; `"block"`, squares of land that points lie in (EPSG:3035, by
#'   `x` and `y`, `lon` and `lat` or the survey's ids); `"country"` (`nuts0`); or `"year"`. Of many
#'   random draws the one is taken whose classes are closest to `test_size`, and groups are exchanged as
#'   long as that brings them closer; with few or large groups it may be far off, which is told. By year, training leaves out points that are tested on.
#' @param block Kilometres of a block's side; 50 where nothing is said. Blocks should be larger than
#'   the distance over which points are alike.
#' @param buffer Leave out of training what lies within so many kilometres of a test point; counted in
#'   a message. Without it, points on both sides of a block's edge are neighbours.
#'
#' @return A list of two data.frames, `train` and `test`: the photos of either side in their order,
#'   with `split` filled in. Photos without a class, or without the position, country or year that is
#'   needed, are on neither side and counted in a warning; so are classes that are not on both sides.
#'   Points that stand on both sides of a split that was given, or nothing left to train on, are an
#'   error of the class `lucas_split_error`.
#' @references
#' Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial,
#' hierarchical, or phylogenetic structure. Ecography 40, 913-929. \doi{10.1111/ecog.02881}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   parts <- lucas_split(lucas_photos(folder), test_size = 0.4, seed = 1)
#'   print(sapply(parts, nrow))
#'   intersect(parts$train$point_id, parts$test$point_id)
#' }
#' @export
lucas_split <- function(photos, test_size = NULL, n_per_class = NULL, regroup = FALSE, seed = 1,
                        by = "point", block = NULL, buffer = NULL) {
  parts <- call_core("split_photos", captured())
  names(parts) <- c("train", "test")
  labels <- unlist(lapply(parts, function(part) as.character(part$habitat)))
  classes <- levels(if (is.data.frame(photos)) photos$habitat)
  classes <- levels(habitat_factor(labels, intersect(classes, labels)))
  lapply(parts, with_habitat, classes = classes)
}

#' Tell what leaks from training into the test
#'
#' @param train,test The photos of either side: photo tables, or anything [lucas_photos()] takes. Without
#'   `test`, the column `split` of `train` says which is which.
#' @param near Kilometres within which points are neighbours.
#' @param arch The backbone by whose features near-duplicates are looked for, such as that which is trained:
#'   see [lucas_near_duplicates()]. Without it, the column `near_duplicates` of both sides tells, where there
#'   is one.
#' @inheritParams lucas_near_duplicates
#'
#' @return An object of the class `lucas_split_check`, to print: a list with `table` (a data.frame, also by
#'   `as.data.frame()`, one row a question: `question`, which is `points`, `content`,
#'   `near-duplicates`, `distance`, `years`, `countries` or `classes`, `verdict`, `n_test`, the test photos concerned, and `finding`, a sentence),
#'   `n_train`, `n_test` and `leaks`, whether anything leaks. Verdicts are `leak` (accuracy is overstated),
#'   `limit` (accuracy holds, but for less than one may think), `fine` and `unknown`.
#' @details
#' Photos are the same where their files have the same content, under whatever name. Near-duplicates are a
#' leak from 2 % of the test photos on, because of photos of other places fewer are taken for some. Class shares are
#' those of points; they differ where a chi-squared test says more than chance, and by at least 5
#' percentage points.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   parts <- lucas_split(lucas_photos(folder), test_size = 0.4)
#'   lucas_check_split(parts$train, parts$test)
#' }
#' @export
lucas_check_split <- function(train, test = NULL, near = 10, arch = NULL, device = "auto", cache = TRUE,
                              verbose = TRUE) {
  photos <- function(x, what) photos_argument(x)
  call_core("check_split", captured(train = photos, test = photos), verbose)
}

split_check_from_core <- function(x) {
  structure(list(table = from_core(x$table), n_train = x$n_train, n_test = x$n_test, leaks = x$leaks),
            class = "lucas_split_check")
}

#' @param x A check.
#' @param row.names,optional As for [as.data.frame()].
#' @param ... Not used.
#' @rdname lucas_check_split
#' @export
print.lucas_split_check <- function(x, ...) {
  cat("Check of a split: ", x$n_train, " training photos, ", x$n_test, " test photos\n", sep = "")
  findings <- sprintf("%s: %s", x$table$question, x$table$finding)
  for (i in seq_along(findings)) {
    lines <- strwrap(findings[i], indent = 9, exdent = 9)
    substr(lines[1], 1, 9) <- sprintf("%-9s", x$table$verdict[i])
    writeLines(lines)
  }
  invisible(x)
}

#' @rdname lucas_check_split
#' @export
as.data.frame.lucas_split_check <- function(x, row.names = NULL, optional = FALSE, ...) {
  out <- x$table
  if (!is.null(row.names)) row.names(out) <- row.names
  out
}
