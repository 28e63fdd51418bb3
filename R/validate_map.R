#' Tell how accurate a land-cover map is
#'
#' Compares a map with points whose photos were classified: the error matrix, and accuracies and areas
#' with standard errors, both as if the points' classes were true and with the classifier's own errors
#' taken out, so that they are not charged to the map.
#'
#' @param raster A SpatRaster of the package terra (its first layer), or the file of one, in any
#'   coordinate reference system.
#' @param points What [lucas_vote()] returned (or such a `.csv` or `.parquet` file): `point_id`, the
#'   class, and where points are: `x` and `y` (EPSG:3035, metres), else `lon` and `lat` (WGS84,
#'   degrees), else an 8-digit LUCAS id. Of a point with several years, the latest that has a class
#'   counts. A point on the border of pixels belongs to the one on its right and below.
#' @param legend The class of each value of the map: a data.frame (or file) with the columns `value`
#'   and `class`, or a named vector such as `c("1" = "cropland", "2" = "woody")`. Several values may
#'   have one class.
#' @param reference The column that holds the points' class; `"habitat"` where it was seen in the
#'   field.
#' @param confusion How the classifier errs: what [lucas_evaluate()] returned for test points (or the
#'   JSON that `lucas-habitat evaluate` writes), or the table of test points that [lucas_vote()]
#'   returned. Its errors are then taken out of the map's, which is right only if
#'   classifier and map err independently.
#' @param labelled Points whose class was seen (`habitat`), with `point_id`, their place and, where they
#'   were classified, `predicted` and `p_<class>`: drawn at random within map classes, or with
#'   `weights`. By default those of `points` that have a `habitat`. The accuracy that they tell is the
#'   one to quote.
#' @param weights The column of design weights, 1 / inclusion probability (more than 0), for samples
#'   that favour some points over others, such as balanced ones. By default all points of a map class
#'   count alike.
#' @param areas The areas of the map's values: a data.frame (or file) with `value` (or `class`) and
#'   `area`, in any unit. By default pixels are counted, in a geographic system times the cosine of
#'   their latitude.
#' @param n_boot Bootstrap samples behind the corrected numbers; 0 gives them without errors.
#' @param level Of the intervals.
#' @param seed For the bootstrap.
#'
#' @return An object of the class `lucas_map_accuracy`, to print: a list with `confusion` (a table of
#'   points, **rows map, columns reference**), `as_if_true` and `corrected` (`NULL` without
#'   `confusion`), `left_out` (a data.frame: `reason` and `n` of rows that were not used), `n`,
#'   `judged` (the share of the map's area that all numbers are about), `level`, `n_boot`, `seed`
#'   and `notes`, what to know before quoting the numbers; where labelled points lie on the map
#'   `from_labels` (by their labels) and, with points that were only classified, `prediction_powered`
#'   (surer, and right whatever the classifier is worth), else `NULL`; `independence`, a list
#'   (`errors_where_map_is_right`, `errors_where_map_is_wrong`, `p_value`, `is_doubtful`, `n`), whether
#'   classifier and map err independently, as `corrected` assumes; `to_quote`, the name of the estimate
#'   to quote. `as_if_true`, `corrected`, `from_labels` and `prediction_powered` are lists:
#'   `overall_accuracy`, `overall_accuracy_se`, `overall_accuracy_interval` (low, high);
#'   `per_class`, a data.frame with `class`, `n_map` and `n_reference` (points), `users_accuracy` (of
#'   the area mapped as the class, how much is it), `producers_accuracy` (of the class' area, how much is
#'   mapped so), `area_mapped` and `area_estimated` (shares of the judged area), with `*_se`, `*_low`
#'   and `*_high`; `proportions`, the error matrix in shares of the area. `as.data.frame()` gives the
#'   tables by class of all, told apart by `reference`. What is undefined is `NA` with a note.
#' @section Formulas:
#' With the map's area shares \eqn{W_i} and the share \eqn{q_{ij}} of class \eqn{j} among the points on
#' map class \eqn{i}, the error matrix is \eqn{p_{ij} = W_i q_{ij}}; accuracies, areas and their standard
#' errors are those of Olofsson et al. (2014). With weights \eqn{w}, \eqn{q_{ij}} is the ratio of the
#' weights' sums, and its variance \eqn{n_i / (n_i - 1) \sum w^2 (y_j - q_{ij})^2 / (\sum w)^2}.
#'
#' With the probability \eqn{C_{jk}} that the classifier calls a point \eqn{j} that is \eqn{k}, as the test
#' points show it, \eqn{q_i = C t_i}, so the true shares are \eqn{t_i = C^{-1} q_i} (Rogan and Gladen
#' 1978). Sums over them are cut at 0 and 1; cells of `proportions` may lie a little below 0, because
#' making each positive would charge our errors to a good map. Points are drawn anew within map
#' classes and test points within true classes, so that both uncertainties are carried. It is assumed
#' that, given what is there, the classifier errs independently of the map; where both err on the
#' same land, the map is worse than the corrected numbers say.
#' @references
#' Olofsson, P. et al. (2014). Good practices for estimating area and assessing accuracy of land
#' change. Remote Sensing of Environment 148, 42-57. \doi{10.1016/j.rse.2014.02.015}
#'
#' Rogan, W. J. & Gladen, B. (1978). Estimating prevalence from the results of a screening test.
#' American Journal of Epidemiology 107, 71-76. \doi{10.1093/oxfordjournals.aje.a112510}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready && requireNamespace("terra", quietly = TRUE)) {
#'   map <- terra::rast(nrows = 20, ncols = 20, xmin = 4e6, xmax = 4.02e6, ymin = 3e6, ymax = 3.02e6,
#'                      crs = "EPSG:3035", vals = rep(rep(1:2, each = 10), 20))
#'   set.seed(1)
#'   classes <- c("cropland", "woody")
#'   flip <- function(x, p) ifelse(runif(length(x)) < p, 3 - x, x)  # wrong with probability p
#'   points <- data.frame(point_id = 1:500, x = runif(500, 4e6, 4.02e6), y = runif(500, 3e6, 3.02e6))
#'   points$predicted <- classes[flip(flip(ifelse(points$x < 4.01e6, 1, 2), 0.1), 0.2)]
#'   truth <- rep(1:2, 100)
#'   tested <- data.frame(point_id = 1:200, habitat = classes[truth],
#'                        predicted = classes[flip(truth, 0.2)])
#'   lucas_validate_map(map, points, c("1" = "cropland", "2" = "woody"),
#'                      confusion = lucas_evaluate(tested))
#' }
#' @export
lucas_validate_map <- function(raster, points, legend, reference = "predicted", confusion = NULL,
                               labelled = NULL, weights = NULL, areas = NULL, n_boot = 2000, level = 0.95, seed = 1) {
  arguments <- captured(weights = column_argument, leave_out = "raster")
  map <- map_argument(raster)
  at_points <- map_values(map, arguments$points, counted = is.null(areas))
  if (is.null(areas)) arguments$areas <- table_argument(map_areas(map))
  at_labelled <- if (!is.null(labelled)) {
    table_argument(map_values(map, arguments$labelled, counted = FALSE))
  }
  call_core("judge_map", c(arguments, list(at_points = table_argument(at_points),
                                           at_labelled = at_labelled)))
}

# At each point: whether its place is known, whether that lies on the map, and the map's value there.
# Where pixels are counted the core warns if they differ in area.
map_values <- function(map, points, counted) {
  edges <- as.vector(terra::ext(map))[c("xmin", "ymin", "xmax", "ymax")]
  positions <- call_core("map_positions", list(
    points = points, crs = terra::crs(map), bounds = if (counted) as.list(unname(edges))
  ))
  cell <- terra::cellFromXY(map, as.matrix(positions))
  inside <- !is.na(cell)
  value <- rep(NA_real_, length(cell))
  if (any(inside)) value[inside] <- as.double(terra::extract(map, cell[inside])[[1]])
  data.frame(located = !is.na(positions$x), inside = inside, value = value)
}

map_argument <- function(raster) {
  need_package("terra", "maps")
  if (is.character(raster) && length(raster) == 1L && !is.na(raster)) {
    file <- file_path(raster)
    if (!file.exists(file)) stop_lucas("input", "There is no map ", file, ".")
    raster <- tryCatch(terra::rast(file), error = function(error) {
      stop_lucas("input", "Cannot read the map ", file, ": ", conditionMessage(error))
    })
  }
  if (!inherits(raster, "SpatRaster")) {
    stop_lucas("input", "raster must be a SpatRaster of the package terra or the file of one; got ",
               describe(raster), ".")
  }
  if (!nzchar(terra::crs(raster))) {
    stop_lucas("input", "The map has no coordinate reference system. Give it the right one, for ",
               "instance by terra::crs(raster) <- \"EPSG:3035\".")
  }
  if (terra::nlyr(raster) > 1) {
    relay("message", paste0("The map has ", terra::nlyr(raster), " layers; the first is taken."))
    raster <- raster[[1]]
  }
  levels(raster) <- NULL  # the legend speaks of values, not of their labels
  raster
}

map_areas <- function(raster) {
  areas <- if (terra::is.lonlat(raster)) {
    terra::zonal(cos(terra::init(raster, "y") * pi / 180), raster, "sum")
  } else terra::freq(raster, digits = NA)[c("value", "count")]
  data.frame(value = as.double(areas[[1]]), area = as.double(areas[[2]]))
}

legend_argument <- function(legend) {
  if (is.atomic(legend) && !is.null(names(legend))) {
    legend <- data.frame(value = names(legend), class = as.character(legend))
  }
  table_or_path(legend, "legend")
}

confusion_argument <- function(confusion) {
  if (!inherits(confusion, "lucas_evaluation")) return(table_or_path(confusion, "confusion"))
  counts <- unclass(confusion$confusion)
  list(
    confusion_rows = "predicted", classes = as_plain(enc2utf8(rownames(counts))),
    confusion = unname(lapply(seq_len(nrow(counts)), function(i) as_plain(as.double(counts[i, ])))),
    unit = confusion$unit, n = confusion$n, n_points = confusion$n_points,
    notes = as_plain(confusion$notes)
  )
}

map_accuracy_from_core <- function(x) {
  classes <- as.character(unlist(x$classes))
  number <- function(v) ifelse(is.nan(v), NA_real_, v)
  square <- function(cells, names = classes) {
    as.table(matrix(cells, nrow = length(names), dimnames = list(map = names, reference = names)))
  }
  estimate <- function(part) {
    if (is.null(part)) return(NULL)
    per_class <- from_core(part$per_class)
    list(
      overall_accuracy = number(part$overall_accuracy),
      overall_accuracy_se = number(part$overall_accuracy_se),
      overall_accuracy_interval = number(unlist(part$overall_accuracy_interval)),
      per_class = per_class,
      proportions = square(unlist(part$proportions), as.character(per_class$class))
    )
  }
  structure(
    list(
      confusion = square(as.integer(unlist(x$confusion))), as_if_true = estimate(x$as_if_true),
      corrected = estimate(x$corrected), left_out = from_core(x$left_out), n = x$n,
      judged = x$judged, level = x$level, n_boot = x$n_boot, seed = x$seed,
      notes = as.character(unlist(x$notes)), from_labels = estimate(x$from_labels),
      prediction_powered = estimate(x$prediction_powered), independence = x$independence,
      to_quote = x$to_quote
    ),
    class = "lucas_map_accuracy"
  )
}

#' @param x What `lucas_validate_map()` returned.
#' @param digits Decimals shown.
#' @param row.names,optional As for [as.data.frame()].
#' @param ... Not used.
#' @rdname lucas_validate_map
#' @export
print.lucas_map_accuracy <- function(x, digits = 3, ...) {
  shown <- function(v) ifelse(is.na(v), "undefined", formatC(v, digits = digits, format = "f"))
  columns <- c("users_accuracy", "users_se", "producers_accuracy", "producers_se", "area_mapped",
               "area_estimated", "area_se")
  titles <- c(as_if_true = "As if the points' classes were true",
              corrected = "With the classifier's own errors taken out",
              from_labels = "From the labelled points alone",
              prediction_powered = "From the labelled points, with the predictions of the others")
  cat("Accuracy of ", format(100 * x$judged, digits = 4), "% of a map's area at ", x$n, " points\n",
      sep = "")
  if (sum(!vapply(x[names(titles)], is.null, NA)) > 1) {
    cat("\nTo quote: ", x$to_quote, "\n", sep = "")
  }
  for (name in names(titles)[!vapply(x[names(titles)], is.null, NA)]) {
    part <- x[[name]]
    cat("\n", titles[[name]], ":\n",
        if (name == "corrected") "(assumes that classifier and map err independently)\n", "Overall accuracy ", shown(part$overall_accuracy),
        "   standard error ", shown(part$overall_accuracy_se),
        sprintf("   %g%% interval ", 100 * x$level), shown(part$overall_accuracy_interval[1]),
        " to ", shown(part$overall_accuracy_interval[2]), "\n", sep = "")
    print(data.frame(class = part$per_class$class, lapply(part$per_class[columns], shown)),
          row.names = FALSE)
  }
  cat("\nPoints (rows map, columns reference):\n")
  print(x$confusion)
  if (nrow(x$left_out)) {
    cat("\nLeft out: ", paste(x$left_out$n, x$left_out$reason, collapse = "; "), "\n", sep = "")
  }
  if (length(x$notes)) cat("\n", paste0("Note: ", x$notes, "\n"), sep = "")
  invisible(x)
}

#' @rdname lucas_validate_map
#' @export
as.data.frame.lucas_map_accuracy <- function(x, row.names = NULL, optional = FALSE, ...) {
  parts <- Filter(Negate(is.null), x[c("as_if_true", "corrected", "from_labels", "prediction_powered")])
  out <- do.call(rbind, lapply(names(parts), function(name) {
    data.frame(reference = name, parts[[name]]$per_class)
  }))
  if (!is.null(row.names)) row.names(out) <- row.names
  out
}
