#' Levels above the classes
#'
#' `lucas_levels()` tells what stands above each class: LC1 codes have their levels in them, B16 (maize)
#' stands under B10 (cereals), and that under B (cropland). `lucas_at_level()` sums predictions up that
#' tree.
#'
#' @param source A model or its folder; predictions, whose classes are LC1 codes; such codes
#'   (`c("B16", "C10")`); or a scheme or data.frame with the columns `class` and `level1`, `level2`, ...,
#'   which is checked. One text is taken as the name of a folder or file.
#' @param predictions What [lucas_vote()] or [lucas_classify()] returned, or such a `.csv` or `.parquet` file.
#'   Let photos vote first: a vote at the finest level knows more than one after summing, and the model's
#'   correction of votes is for its own classes.
#' @param level `"level1"` (the coarsest), `"level2"`, ... as far as the tree has them, or `"class"`.
#' @param levels What stands above the classes: `"lc1"` where they are LC1 codes, else a data.frame with the
#'   columns `class`, `level1`, ..., its file, or the model that classified, or its folder.
#'
#' @return `lucas_levels()`: a data.frame, one row a class: `class`, then `level1`, `level2`, ..., the
#'   coarsest first. A level that says no more than the classes is left out, so a model of groups (B10) has
#'   `level1` only. Where a class of another scheme has no label at a level, its tree ends at the level
#'   above, whose label it takes.
#'
#' `lucas_at_level()`: the rows with `predicted` (the likeliest label of the level), `confidence` where it
#'   was, `p_<label>` (sums, which add up to 1 as before), `v_<label>` and `agreement` of points, and
#'   `habitat` at that level. What was told of the finest classes (sets, thresholds, the correction of
#'   votes) is left out.
#' @section What sums are worth:
#' A label's probability is the sum of its classes'. The likeliest label need not stand above the likeliest
#' class: 0.4 wood, 0.3 wheat and 0.3 barley is cropland.
#'
#' Sums are proportions as far as the classes' probabilities are together: among rows with the same
#' probabilities, each class occurs as often as they say. Where only each class by itself is right on
#' average, as one temperature makes it, sums can be off, because classes that are taken for one another err
#' in opposite ways; commonly they are closer than the classes are, since errors within a label cancel.
#' [lucas_reliability()] of the table tells.
#' @seealso [lucas_habitat()] for schemes with levels, which [lucas_train()] keeps in the model
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   print(lucas_levels(c("B11", "B16", "C10")))
#'   points <- data.frame(
#'     point_id = 1:2, predicted = c("C10", "B16"),
#'     p_B11 = c(0.3, 0.2), p_B16 = c(0.3, 0.7), p_C10 = c(0.4, 0.1)
#'   )
#'   lucas_at_level(points, "level1")
#' }
#' @export
lucas_levels <- function(source) {
  call_core("class_levels", captured(source = function(x, name) {
    if (is.data.frame(x) || inherits(x, "lucas_model")) return(levels_argument(x))
    if (is.factor(x)) x <- as.character(x)
    if (!is.character(x) || anyNA(x)) {
      stop_lucas("input", "source must be a model, a data.frame, classes or the name of a file or folder; ",
                 "got ", describe(x), ".")
    }
    if (length(x) == 1L) file_path(x) else as.list(enc2utf8(x))
  }))
}

#' @rdname lucas_levels
#' @export
lucas_at_level <- function(predictions, level, levels = "lc1") {
  with_habitat(call_core("at_level", captured()))
}

# What stands above classes: the name of the nomenclature, a table, a file, or a model.
levels_argument <- function(x) {
  if (inherits(x, "lucas_model")) return(model_argument(x))
  if (identical(x, "lc1")) return(x)
  table_or_path(x, "levels")
}
