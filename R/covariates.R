#' Class proportions as covariates for species distribution models
#'
#' Turns the class probabilities of points into columns to model with. Without `sites` every point
#' becomes a row. With `sites` every site becomes a row: the mean of the points around it, each
#' weighted by 1 / distance^2 (Shepard 1968). A site less than 1 m from a point takes that point, or
#' the mean of all points that close.
#'
#' @param points What [lucas_vote()] returned (or such a `.csv` or `.parquet` file). Used are
#'   `point_id`, `year`, `n_photos` and the probabilities `p_<class>`; with sites also the
#'   coordinates: `x` and `y` (EPSG:3035, metres), else `lon` and `lat` (WGS84, degrees), else those
#'   that an 8-digit LUCAS id spells.
#' @param sites One row a site: a data.frame (or file) with the columns `x` and `y` or `easting` and
#'   `northing`, or for a geographic `crs` `lon` and `lat` or `longitude` and `latitude`; or points of
#'   the package sf or a SpatVector of points of the package terra, which bring their own `crs`; or a
#'   SpatRaster, whose cell centres are the sites (with values: of the cells that are not `NA` in its
#'   first layer); or a matrix of coordinates, whose two columns are x and y (longitude and latitude) if
#'   they have no names.
#' @param crs The coordinate reference system of the sites, such as `"EPSG:25832"`. Columns are
#'   always easting then northing, longitude then latitude.
#' @param id The column of `sites` that names them, by name or itself; the row names by default.
#' @param year Which campaign counts, needed as soon as a point comes in more than one: `2018`,
#'   `"latest"` (each point's latest) or `"<=2018"` (each point's latest up to then).
#' @param k Use the `k` nearest points.
#' @param radius Use only points within this distance in metres, at least 1 (or with its unit, as of
#'   `units::set_units(5, km)`). With sites, `k`, `radius` or both must be given.
#' @param max_distance Metres from its nearest point beyond which a site has no value; `Inf` gives every
#'   site one. By default the `radius` alone decides, and without one the points' own spacing: see below.
#' @param drop Shares sum to one, so a linear model with an intercept cannot use all of them:
#'   `"last"` leaves out the last class, a class or its column leaves out that one, `"none"` keeps all.
#' @param transform `"ilr"` gives isometric log-ratios instead of shares, K - 1 columns for K classes.
#' @param as `"data.frame"`, or `"raster"` for a SpatRaster when `sites` is one.
#' @param filename With `as = "raster"`, a file to write as double (FLT8S). Without it the raster
#'   stays in memory; write it yourself only with `datatype = "FLT8S"`, because terra's default
#'   rounds to float32.
#'
#' @return `lucas_covariates()`: a plain data.frame (of the class `"data.frame"` alone) of columns to
#'   model with and nothing else, `p_<class>` or `ilr_<i>`, all double. Rows are in the order of
#'   `sites` (or of `points`), the row names are their ids. Rows without a value are `NA`, never
#'   left out, and counted in a warning. With `as = "raster"` a SpatRaster with these layers.
#'
#' Shares are the probabilities of points, whose largest need not be that of the class a point was
#' `predicted` as: by majority, the photos' votes decide.
#'
#' `lucas_support()`: a data.frame with the same row names: `n_points` and `n_photos` (0 where nothing
#' was found), `nearest_distance` (metres to the nearest point, also where it is too far to be used),
#' `mean_distance` and `max_distance` of the points used (metres, not weighted; `NA`
#' without points), `first_year` and `last_year`. For a raster, one row a cell.
#' @section How far values hold:
#' Without `radius` and `max_distance` a site has a value up to the distance from its nearest point
#' within which 99 % of the points have as many others as the square root of their number (5 to 50; all,
#' of 6 points or fewer). The limit is of the points' own making, as the threshold of the area of
#' applicability is (Meyer & Pebesma 2021), but in metres. On a grid, and for points at random, it is one and
#' a half to six times the mean spacing: sites between points keep their values, and so do sites as far
#' outside the border of the sampled area. Between dense groups of points, each of more than the
#' square root of all, sites have none. What a species needs is better said by `radius` or
#' `max_distance`.
#' @section Formulas:
#' At a site with points at the distances \eqn{d_j} with the shares \eqn{p_{jk}}:
#' \eqn{\sum_j d_j^{-2} p_{jk} / \sum_j d_j^{-2}}. Shares are divided by their sum in double precision
#' after every step: shares that sum to one only to float32's 1e-7 make GLM and GAM fail without a
#' word. With the shares \eqn{p_1 \dots p_K} in column order, \eqn{\mathrm{ilr}_i = \sqrt{i / (i + 1)}
#' \ln ((p_1 \cdots p_i)^{1/i} / p_{i+1})}; zeros are replaced by 1e-6 before.
#' @references
#' Shepard, D. (1968). A two-dimensional interpolation function for irregularly-spaced data.
#' Proceedings of the 23rd ACM National Conference, 517-524. \doi{10.1145/800186.810616}
#'
#' Egozcue, J. J. et al. (2003). Isometric logratio transformations for compositional data analysis.
#' Mathematical Geology 35, 279-300. \doi{10.1023/A:1023818214614}
#'
#' Meyer, H. & Pebesma, E. (2021). Predicting into unknown space? Estimating the area of applicability of
#' spatial prediction models. Methods in Ecology and Evolution 12, 1620-1633.
#' \doi{10.1111/2041-210X.13650}
#'
#' Martin-Fernandez, J. A. et al. (2003). Dealing with zeros and missing values in compositional data
#' sets using nonparametric imputation. Mathematical Geology 35, 253-278.
#' \doi{10.1023/A:1023866030544}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   points <- data.frame(
#'     point_id = c("43203210", "43223210", "43203212"), year = 2018, n_photos = 5,
#'     predicted = c("cropland", "grassland", "woody"), calibrated = TRUE,
#'     p_cropland = c(0.7, 0.1, 0.2), p_grassland = c(0.2, 0.6, 0.2), p_woody = c(0.1, 0.3, 0.6)
#'   )
#'   plots <- data.frame(plot = c("a", "b"), x = c(4321000, 4320500), y = c(3210000, 3211000))
#'   env <- lucas_covariates(points, plots, crs = "EPSG:3035", id = "plot", radius = 5000,
#'                           drop = "woody")
#'   print(env)
#'   lucas_support(env)
#' }
#' @export
lucas_covariates <- function(points, sites = NULL, crs = NULL, id = NULL, year = NULL, k = NULL,
                             radius = NULL, max_distance = NULL, drop = "last", transform = NULL,
                             as = c("data.frame", "raster"), filename = "") {
  as <- chosen(as, "as", c("data.frame", "raster"))
  template <- if (inherits(sites, "SpatRaster")) sites
  if (as == "raster" && is.null(template)) {
    stop_lucas("input", "as = \"raster\" needs sites to be a SpatRaster, whose cells it fills; got ",
               describe(sites), ".")
  }
  if (!is.null(template)) {
    if (!is.null(id)) stop_lucas("input", "id cannot be given with a raster: its cells have none.")
    sites <- raster_sites(template)
    if (is.null(crs)) crs <- terra::crs(template)
  } else if (inherits(sites, "sf") || inherits(sites, "sfc")) {
    if (is.null(crs)) crs <- sf::st_crs(sites)$wkt
    sites <- sf_sites(sites, id)
  } else if (inherits(sites, "SpatVector")) {
    if (is.null(crs)) crs <- terra::crs(sites)
    sites <- vector_sites(sites, id)
  } else if (is.matrix(sites)) {
    sites <- matrix_sites(sites)
  }
  if (identical(crs, "")) crs <- NULL  # of a raster or vector that has none
  answer <- call_core("covariates", captured())
  if (as == "raster") {
    filled <- fill_raster(template, answer$covariates, answer$support, filename)
    attr(filled, "lucas_covariates") <- attr(answer$covariates, "lucas_covariates")
    return(filled)
  }
  structure(answer$covariates, lucas_support = answer$support)
}

#' @param covariates What `lucas_covariates()` returned, or some rows of it. What takes columns or
#'   uses [subset()] makes R forget the support: ask before.
#' @rdname lucas_covariates
#' @export
lucas_support <- function(covariates) {
  support <- attr(covariates, "lucas_support")
  if (is.null(support)) {
    stop_lucas("input", "This is not known to come from lucas_covariates(), or R forgot it when ",
               "columns were taken. Ask for the support of the very object that lucas_covariates() ",
               "returned; env[rows, ] keeps it.")
  }
  if (!is.data.frame(covariates)) return(support)
  rows <- match(row.names(covariates), row.names(support))
  if (anyNA(rows)) {
    stop_lucas("input", "lucas_covariates() made no row named ",
               paste(utils::head(row.names(covariates)[is.na(rows)], 5), collapse = ", "),
               ". Ask for the support before row names are changed.")
  }
  support[rows, , drop = FALSE]
}

# A table with its row names, which are the sites' ids; or the path of one.
sites_argument <- function(sites) {
  if (is.data.frame(sites)) table_argument(sites, row_names = TRUE) else table_or_path(sites, "sites")
}

# An object of sf or of other packages would be named by its text; numbers are EPSG codes.
crs_argument <- function(crs) {
  if (inherits(crs, "crs")) crs <- crs$wkt
  scalar(crs)
}

sf_sites <- function(sites, id) {
  need_package("sf", "sites of the package sf")
  xy <- tryCatch(sf::st_coordinates(sf::st_geometry(sites)), error = function(error) NULL)
  if (is.null(xy) || nrow(xy) != length(sf::st_geometry(sites)) ||
      !all(sf::st_geometry_type(sites) == "POINT")) {
    stop_lucas("input", "sites must be points; sf::st_centroid() makes points of polygons.")
  }
  out <- data.frame(x = xy[, 1], y = xy[, 2])
  if (!inherits(sites, "sf")) return(out)
  row.names(out) <- row.names(sites)
  with_id(out, sf::st_drop_geometry(sites), id)
}

vector_sites <- function(sites, id) {
  need_package("terra", "sites of the package terra")
  xy <- terra::crds(sites)
  if (!terra::is.points(sites) || nrow(xy) != nrow(sites)) {
    stop_lucas("input", "sites must be points; terra::centroids() makes points of polygons.")
  }
  with_id(data.frame(x = xy[, 1], y = xy[, 2]), terra::values(sites), id)
}

# Coordinates with the column of ids that was asked for, which is one of the objects' own columns.
with_id <- function(coordinates, columns, id) {
  if (is.null(id)) return(coordinates)
  if (!id %in% names(columns)) {
    stop_lucas("input", "sites has no column ", id, "; id names the column with the sites' ids.")
  }
  coordinates[[id]] <- columns[[id]]
  coordinates
}

matrix_sites <- function(sites) {
  if (is.null(colnames(sites))) {
    if (!is.numeric(sites) || ncol(sites) != 2L) {
      stop_lucas("input", "A matrix of sites must hold two columns of numbers, x and y, or name its ",
                 "columns; got ", describe(sites), " with ", ncol(sites), " columns.")
    }
    colnames(sites) <- c("x", "y")
  }
  as.data.frame(sites, stringsAsFactors = FALSE)
}

raster_sites <- function(template) {
  need_package("terra", "rasters")
  cells <- seq_len(terra::ncell(template))
  if (terra::hasValues(template)) {
    cells <- cells[!is.na(terra::values(template[[1]], mat = FALSE))]
  }
  xy <- terra::xyFromCell(template, cells)
  data.frame(x = xy[, 1], y = xy[, 2], row.names = cells)
}

fill_raster <- function(template, covariates, support, filename) {
  columns <- names(covariates)
  values <- matrix(NA_real_, terra::ncell(template), length(columns), dimnames = list(NULL, columns))
  values[as.integer(row.names(covariates)), ] <- as.matrix(covariates)
  filled <- terra::rast(template, nlyrs = length(columns), names = columns, vals = values)
  if (nzchar(filename)) {
    filled <- terra::writeRaster(filled, file_path(filename), datatype = "FLT8S", overwrite = FALSE)
  }
  attr(filled, "lucas_support") <- support
  filled
}

need_package <- function(package, what) {
  if (!requireNamespace(package, quietly = TRUE)) {
    stop_lucas("input", "The package ", package, " is needed for ", what, ": install.packages(\"",
               package, "\").")
  }
}
