#' Compare recipes of training on your photos
#'
#' Every photo is classified by models that never saw its point, once with each recipe and in each repeat;
#' folds are the same for all recipes. Features of a photo are computed once for each backbone and way of
#' reading photos, however many recipes and folds use them, so recipes of a frozen backbone cost seconds;
#' one that trains the whole network does so `folds` times `repeats` times.
#'
#' @param photos Labelled photos: a photo table, or anything [lucas_photos()] takes. A `split` they have is
#'   not used: to keep a test set aside, give the training photos only. Close-ups are not tested on.
#' @param recipes At least two; the first is what the others are compared with. Names of [lucas_train()]'s
#'   recipes, `c("pilot", "finetune")`; or a named list of arguments of [lucas_train()],
#'   `list(pilot = list(), small = list(arch = "efficientnet_lite0", credit = "keep"))`; or text,
#'   `"small:arch=efficientnet_lite0,credit=keep"`; or a `.toml` or `.json` file of such tables. `NULL` takes
#'   those of ours that keep the backbone frozen, and the pilot's with EfficientNet-Lite0.
#' @param out A folder that keeps what was finished: a comparison that was broken off, even killed, goes on
#'   where it was when it is started again. The same folder may be asked for more recipes or repeats; other
#'   photos, folds, seeds or arguments are refused. It will hold `recipes.csv` (the table), `recipes.png`,
#'   `comparison.json`, `recipes.json` (settings) and `results/` (the predictions of every fold).
#' @param folds At least 2; fewer where there are fewer blocks, countries or years.
#' @param repeats How often folds are drawn anew, each time with another seed of folds and training.
#' @param by,block,buffer What stands in one fold whole, as in [lucas_split()]; what is trained on keeps
#'   `buffer` kilometres away.
#' @param n_boot Bootstrap samples; 0 gives no intervals.
#' @param level Of the intervals.
#' @param seed Of the first repeat; the others count up from it.
#' @param device As in [lucas_train()].
#' @param verbose Whether a progress bar is shown for what takes longer.
#'
#' @return An object of the class `lucas_recipe_comparison`, to print (what can be quoted) and plot (as
#'   [lucas_plot_recipes()]; `autoplot()` gives the ggplot): a list with `table` (a data.frame, also by
#'   `as.data.frame()`), one row a recipe, in the order given: `recipe`; for each of `overall_accuracy`, `kappa`
#'   and `log_loss` its value over all repeats, `*_low`, `*_high`, `*_spread` (standard deviation over
#'   repeats), `*_difference` (from the first recipe) with `*_difference_low`, `*_difference_high` and
#'   `*_difference_spread`; `train_seconds` (median of the trainings with features on disk),
#'   `milliseconds` (to classify a photo, reading and decoding included, without the cache), `megabytes`
#'   (10^6 bytes of the saved model) and `error`, empty unless the recipe could not be tested: a recipe that
#'   fails is a row with its reason. Then `n` and `n_points` (photos that every recipe was tested on, and points
#'   behind them), `classes`, `design` and `sentences` (to quote), `reference`, `computer` (what the costs were
#'   measured on), `notes`, and the arguments.
#' @details
#' Measures are of the predictions of all repeats together. Their intervals are those of
#' [lucas_evaluate()], those of differences that of [lucas_compare()], for log loss a percentile bootstrap: whole
#' points are drawn, with the predictions of both recipes and all repeats, so repeats do not count as more
#' points. Intervals tell how the numbers could differ with other points of such land, for these trained
#' models. They do not hold how models differ from one set of training photos to another; of this the
#' spread over repeats shows a part, that of other folds and seeds on the same photos.
#'
#' `train_seconds` leaves out the first training, which computes features, too: expect `milliseconds` for
#' each photo more where photos are new. `milliseconds` is measured once, with 48 photos at most after a
#' first pass that is not counted, on a machine that does what else it does.
#' @references
#' Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial, hierarchical,
#' or phylogenetic structure. Ecography 40, 913-929. \doi{10.1111/ecog.02881}
#' @seealso [lucas_plot_recipes()], [lucas_cross_validate()], [lucas_compare()]
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 12, size = c(320, 240))
#'   few <- list(arch = "efficientnet_lite0", epochs = 2)
#'   many <- list(arch = "efficientnet_lite0", epochs = 10)
#'   lucas_compare_recipes(folder, list(few = few, many = many), folds = 2, repeats = 1, verbose = FALSE)
#' }
#' @export
lucas_compare_recipes <- function(photos, recipes = NULL, out = NULL, folds = 5, repeats = 3,
                                  by = "point", block = NULL, buffer = NULL, n_boot = 2000,
                                  level = 0.95, seed = 1, device = "auto", verbose = TRUE) {
  call_core("compare_recipes", captured(out = check_folder_name), verbose)
}

# Names, texts or one file as they are; a list as arguments of lucas_train() by name.
recipes_argument <- function(x) {
  if (is.character(x) && !anyNA(x) && is.null(names(x))) {
    if (length(x) != 1L) return(as.list(enc2utf8(x)))
    return(if (grepl("\\.(json|toml)$", x, ignore.case = TRUE)) file_path(x) else enc2utf8(x))
  }
  if (!is.list(x)) {
    stop_lucas("input", "recipes must be names of recipes, or a list of named lists of arguments of ",
               "lucas_train(); got ", describe(x), " instead.")
  }
  names <- if (is.null(names(x))) rep("", length(x)) else names(x)
  # list("pilot", small = list(...)): what has no name is one.
  bare <- names == "" & vapply(x, function(recipe) is.character(recipe) && length(recipe) == 1L, NA)
  names[bare] <- unlist(x[bare])
  if (anyDuplicated(names) || any(names == "")) {
    stop_lucas("input", "Each of the recipes needs a name of its own.")
  }
  recipes <- Map(function(recipe, is_bare) {
    if (is_bare || is.character(recipe)) return(list(recipe = enc2utf8(recipe)))
    # With names, though there are none: it is a dict in Python.
    if (length(recipe)) training_argument(recipe) else structure(list(), names = character())
  }, x, bare)
  stats::setNames(recipes, enc2utf8(names))
}

recipe_comparison_from_core <- function(x) {
  table <- from_core(x$table)
  table$error[is.na(table$error)] <- ""
  table[] <- lapply(table, function(v) ifelse(is.nan(v), NA, v))
  texts <- c("classes", "sentences", "notes", "lines")
  x[texts] <- lapply(x[texts], function(text) as.character(unlist(text)))
  x$lucas_kind <- NULL
  x$table <- table
  structure(x, class = "lucas_recipe_comparison")
}

#' @param x A comparison of recipes.
#' @param row.names,optional As for [as.data.frame()].
#' @param ... Not used; for `plot()`, arguments of [lucas_plot_recipes()].
#' @rdname lucas_compare_recipes
#' @export
print.lucas_recipe_comparison <- function(x, ...) {
  cat(x$lines, sep = "\n")
  invisible(x)
}

#' @rdname lucas_compare_recipes
#' @export
as.data.frame.lucas_recipe_comparison <- function(x, row.names = NULL, optional = FALSE, ...) {
  out <- x$table
  if (!is.null(row.names)) row.names(out) <- row.names
  out
}

#' @rdname lucas_compare_recipes
#' @export
plot.lucas_recipe_comparison <- function(x, ...) {
  lucas_plot_recipes(x, ...)
  invisible(x)
}

#' @param object A comparison of recipes.
#' @rdname lucas_compare_recipes
#' @usage \method{autoplot}{lucas_recipe_comparison}(object, ...)
#' @exportS3Method ggplot2::autoplot
autoplot.lucas_recipe_comparison <- function(object, ...) lucas_plot_recipes(object, as = "ggplot")
