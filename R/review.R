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
#'   confidence. Photos that could not be read are not listed. Printed, it shows the reasons;
#'   `as.data.frame()` has all columns.
#' @details
#' The reasons: the class is unsure (its probability is below 0.5, another class is at least half as
#' likely, or the set of [lucas_prediction_sets()] holds several classes); the row has a label, which is
#' doubted (see [lucas_doubted_labels()]); photos of the point disagree (a
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
  as_list_to_print(with_habitat(call_core("review_list", captured())))
}

#' Labels that are doubted by a model that never saw them
#'
#' What [lucas_cross_validate()] returns holds predictions of all photos by models that never saw their
#' point: a label that speaks against what all other points teach is wrong more often than others, and
#' mending the few that matter is the cheapest way to a better model.
#'
#' @param predictions What [lucas_cross_validate()] returned, or [lucas_vote()] made of it; or labelled
#'   photos or points that the model was not trained on; or such a file. Rows whose `split` is `"train"`
#'   are left out: a model believes the labels it was trained on.
#' @param n How many rows to list, doubted or not. `NULL`: all doubted ones.
#' @return A data.frame in the order in which to look, the least likely labels first: `priority` (from 1),
#'   `is_doubted`, `label_probability`, `why` (in plain words), then the table's columns. Photos also get
#'   `sha256`, `time` and `label` (the label as it was), so that the list is a review table: written by
#'   [write.csv()] with `row.names = FALSE, na = ""`, with `habitat` put right, [lucas_train()] takes it as
#'   `corrections`, and [lucas_app()] adds to it. A row that is left as it is counts for nothing, unless
#'   something stands in `time`: so a label is confirmed. `split` is empty where [lucas_cross_validate()]
#'   said `test`. Printed, it shows the reasons; `as.data.frame()` has all columns.
#' @details
#' A label is doubted where it is not the likeliest class, and another class is at least as likely as on
#' the mean of the rows that are labelled so (the off-diagonal of the confident joint): it counts how sure
#' the model usually is of each class. A doubt is no proof: hard photos and land between two classes are
#' doubted, too, and errors that the model makes itself.
#' @references
#' Northcutt, C. G., Jiang, L. & Chuang, I. L. (2021). Confident learning: estimating uncertainty in
#' dataset labels. Journal of Artificial Intelligence Research 70, 1373-1411. \doi{10.1613/jair.1.12125}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   photos <- lucas_photos(folder)
#'   photos$habitat[1] <- if (photos$habitat[1] == "woody") "cropland" else "woody"
#'   predictions <- lucas_cross_validate(photos, folds = 3, arch = "efficientnet_lite0", verbose = FALSE)
#'   lucas_doubted_labels(predictions)[c("priority", "why", "path")]
#' }
#' @export
lucas_doubted_labels <- function(predictions, n = NULL) {
  as_list_to_print(with_habitat(call_core("doubted_labels", captured())))
}

as_list_to_print <- function(table) structure(table, class = c("lucas_list", "data.frame"))

#' @param x A list of what to look at.
#' @param ... Not used.
#' @rdname lucas_review_list
#' @export
print.lucas_list <- function(x, ...) {
  # Its many columns would hide what tells where to look, and why.
  shown <- c("priority", "why", if (is.null(x$path)) c("point_id", "year") else "path")
  table <- as.data.frame(x)
  if (ncol(table) <= 8L || is.null(table$why)) {
    print(table, ...)
    return(invisible(x))
  }
  table <- table[intersect(shown, names(table))]
  if (!is.null(table$path)) table$path <- sub("^.+(.{40})$", "...\\1", table$path)
  print(table, row.names = FALSE, right = FALSE)
  cat("[", nrow(x), " rows, ", ncol(x), " columns: ", paste(names(x), collapse = ", "), "]\n", sep = "")
  invisible(x)
}
