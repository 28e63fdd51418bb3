#' One page on a finished run
#'
#' Writes a self-contained HTML page: what was trained on what, accuracy and kappa with intervals per
#' photo and per point, pictures, examples, refused photos with their reasons, and warnings. It loads
#' nothing from elsewhere and runs no script. Each picture's numbers are CSV files in a folder beside
#' it, named like the page with `_data`.
#'
#' @param predictions What [lucas_classify()] returned, its file, the folder that its `out` wrote, or
#'   that of a run as `lucas-habitat demo` writes it: `predictions.csv` and, where they are, `points.csv` and `model/`.
#'   Without labels the page has no accuracy, and says so.
#' @param out The page; an earlier one is replaced.
#' @param model The model, or where [lucas_load()] finds it; without one the page says nothing of training.
#' @param points What [lucas_vote()] returned, or its file. By default the photos vote by majority.
#' @param title Of the page; default "Habitats from ground photos".
#' @param class_shares The classes' shares of the land, as in [lucas_evaluate()]: the points' figures, such as
#'   those of a sample balanced by class, then stand beside those of land with these shares. Where points
#'   have design weights (`weight`), these count, too.
#'
#' @return The page's file name, invisibly.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   predictions <- data.frame(
#'     path = c("a.jpg", "b.jpg"), point_id = "31603628", year = 2018, habitat = "cropland",
#'     predicted = c("cropland", "woody"), p_cropland = c(0.9, 0.4), p_woody = c(0.1, 0.6)
#'   )
#'   lucas_report(predictions, tempfile(fileext = ".html"))
#' }
#' @export
lucas_report <- function(predictions, out = "report.html", model = NULL, points = NULL,
                         title = NULL, class_shares = NULL) {
  invisible(call_core("report", captured(
    class_shares = function(x, name) land_shares_argument(x)
  )))
}
