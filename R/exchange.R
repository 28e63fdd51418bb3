#' Write points as a Darwin Core archive
#'
#' Darwin Core archives are what GBIF and its tools read. Each point and year is an event, its predicted class
#' the event's habitat. Class, confidence, agreement of photos and the probability of each class are its
#' measurements (Extended Measurement Or Facts), with the model as their method; its photos are media
#' (Audiovisual Core). The metadata (EML) say how classes came to be, how good they are, and whom to credit.
#' Places are blurred where asked.
#'
#' @param points What [lucas_vote()] returned (or such a `.csv` or `.parquet` file): `point_id`, `year`,
#'   `n_photos`, `predicted`, `p_<class>`; places as for [lucas_covariates()]; `date` or `datetime`, where
#'   there, is the day; `nuts0` the country; `habitat` a reference class, which is told beside the predicted one.
#' @param out The archive, `.zip`; an earlier one is replaced.
#' @param title Of the data set.
#' @param authors Such as `"Ada Lovelace"` or `"Ada Lovelace <ada@example.org> 0000-0002-1825-0097"`; GBIF
#'   asks for an address of the first, who is the contact.
#' @param licence Of the data: `"CC0-1.0"`, `"CC-BY-4.0"` or `"CC-BY-NC-4.0"`, those that GBIF takes.
#' @param abstract Blank lines part paragraphs. By default one sentence on points, years and model.
#' @param photos The photos of the points, as [lucas_photos()] takes them, or predictions; with `datetime` or
#'   `date` they tell when points were seen.
#' @param model What classified, or its folder; without it no value says which model it is from.
#' @param evaluation What [lucas_evaluate()] returned for this model, or the JSON file of the command line: the
#'   metadata and each class then say how accurate classes are.
#' @param rights_holder Who holds the rights of the photos, which then go under `licence`. By default photos of
#'   LUCAS points and campaigns are taken to be the survey's (CC BY 4.0, with its credit line), others the authors'.
#' @param uncertainty Metres that positions may be off, more than 0, or the column that holds them. 30 m is
#'   what is taken for GPS receivers whose accuracy was not noted (Chapman & Wieczorek 2020).
#' @param grid **Blurs**: coordinates become those of the centre of the cell, with sides of so many metres, of
#'   the European reference grid (EPSG:3035; 10000 gives the cells of reports on species and habitats), and
#'   their uncertainty the distance to the farthest place of the cell plus `uncertainty`. Ids of points are
#'   replaced by random ones; only years remain of dates; no name or address of a photo goes out; shares and
#'   probabilities have two decimals.
#' @param key With `grid`, the table (`.csv` or `.parquet`) of the ids that were replaced, to be kept by you.
#'   Points that it holds keep their ids from one archive to the next.
#'
#' @return The archive's path, invisibly. It holds `meta.xml`, `eml.xml`, `event.csv`, `measurement.csv` and,
#'   with photos, `media.csv`. The same content gives the same bytes, but for random ids and the day it is made.
#' @section What blurring cannot do:
#' Who has the photos and the model can compute the probabilities again and look for them: two decimals make
#' that vaguer, not impossible. Points of the survey lie on a public grid, and a country's code stays: what
#' must not be found needs wide cells, or must not be handed on.
#' @references
#' Wieczorek, J. et al. (2012). Darwin Core: an evolving community-developed biodiversity data standard.
#' PLoS ONE 7(1): e29715. \doi{10.1371/journal.pone.0029715}
#'
#' Chapman, A. D. & Wieczorek, J. R. (2020). Georeferencing best practices. GBIF Secretariat.
#' \doi{10.15468/doc-gg7h-s853}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   points <- data.frame(
#'     point_id = c("plot 1", "plot 2"), year = 2025, n_photos = 5, lon = c(10.1, 10.3), lat = 56.2,
#'     predicted = c("cropland", "woody"), p_cropland = c(0.7, 0.2), p_woody = c(0.3, 0.8)
#'   )
#'   lucas_write_dwca(points, file.path(tempdir(), "plots.zip"), title = "Habitats of two plots",
#'                    authors = "Ada Lovelace <ada@example.org>", licence = "CC-BY-4.0", grid = 10000)
#' }
#' @export
lucas_write_dwca <- function(points, out, title, authors, licence, abstract = NULL, photos = NULL,
                             model = NULL, evaluation = NULL, rights_holder = NULL, uncertainty = 30,
                             grid = NULL, key = NULL) {
  invisible(call_core("write_dwca", captured(evaluation = one_evaluation)))
}

#' Rows of ODMAP on our predictors
#'
#' ODMAP (Overview, Data, Model, Assessment, Prediction) is the protocol by which species distribution models
#' are reported. These are its rows about predictors, called as in the table `ODMAP` of the package biomod2.
#'
#' @param covariates What [lucas_covariates()] returned, or a `.parquet` file of the command line; it knows which
#'   points, years and distances are behind it. What takes columns makes R forget that: ask before.
#' @param table An ODMAP table (`section`, `subsection`, `element`, `value`), such as `biomod2::ODMAP`, that is
#'   to be filled in. What it says already stays, and ours stands behind it, parted by a semicolon.
#' @param model What classified the photos, or its folder.
#' @param evaluation What [lucas_evaluate()] returned for this model, or the JSON file of the command line.
#'
#' @return A data.frame with `section`, `subsection`, `element` and `value`: a row for each element that
#'   something is known of; with `table`, all its rows in its order, and below them those of ours that it
#'   lacks. `BIOMOD_Report(strategy = "ODMAP")` writes its own table to
#'   `biomod2_ODMAP_<species>_table.csv`, parted by tabs and without names; the example reads it.
#' @references
#' Zurell, D. et al. (2020). A standard protocol for reporting species distribution models. Ecography 43,
#' 1261-1277. \doi{10.1111/ecog.04960}
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
#'   print(lucas_odmap(env)[c("element", "value")])
#' }
#' \dontrun{
#' written <- read.delim("biomod2_ODMAP_species_table.csv", header = FALSE, quote = "",
#'                       col.names = c("section", "subsection", "element", "value"))
#' filled <- lucas_odmap(env, written, model = model)
#' }
#' @export
lucas_odmap <- function(covariates, table = NULL, model = NULL, evaluation = NULL) {
  call_core("odmap", captured(
    covariates = function(x, name) covariates_argument(x), evaluation = one_evaluation
  ))
}

#' Write Croissant metadata beside a table or run
#'
#' Croissant is how catalogues of data sets are told what a data set holds, with GeoCroissant's terms for
#' places. The document says what the table is of, who made it, under which licence, where and when, which
#' files hold it (with their SHA-256) and what each column is.
#'
#' @param table A photo table, predictions, or points. A file (`.csv`, `.parquet`) or run is described as it is,
#'   and must lie in the folder of `out` or below. A data.frame, or a table that is blurred, is written beside
#'   `out` as Parquet, under the same name.
#' @param out The document, `.json`; an earlier one is replaced.
#' @param title,authors,licence,abstract,model,evaluation,rights_holder As for [lucas_write_dwca()].
#' @param url The data set's page on the web, which the specification asks for.
#' @param version Of the data set.
#' @param uncertainty,grid,key As for [lucas_write_dwca()]: with `grid` the table beside `out` has centres of cells
#'   for places, random ids, years for dates, no paths, and two decimals; columns that are not known to be
#'   harmless are left out. `uncertainty` counts with `grid` only.
#'
#' @return The document's path, invisibly.
#' @references
#' Akhtar, M. et al. (2024). Croissant: a metadata format for ML-ready datasets. Advances in Neural Information
#' Processing Systems 37, 82133-82148. The specifications are Croissant 1.1 and GeoCroissant 1.0 of MLCommons,
#' <http://mlcommons.org/croissant/1.1> and <http://mlcommons.org/croissant/geo/1.0>.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   points <- data.frame(
#'     point_id = c("plot 1", "plot 2"), year = 2025, n_photos = 5, lon = c(10.1, 10.3), lat = 56.2,
#'     predicted = c("cropland", "woody"), p_cropland = c(0.7, 0.2), p_woody = c(0.3, 0.8)
#'   )
#'   lucas_write_croissant(points, file.path(tempdir(), "plots.json"), title = "Habitats of two plots",
#'                         authors = "Ada Lovelace", licence = "CC-BY-4.0", grid = 10000)
#' }
#' @export
lucas_write_croissant <- function(table, out, title, authors, licence, abstract = NULL, url = NULL,
                                  version = "1.0.0", model = NULL, evaluation = NULL, rights_holder = NULL,
                                  uncertainty = 30, grid = NULL, key = NULL) {
  invisible(call_core("write_croissant", captured(evaluation = one_evaluation)))
}

# Covariates with what they note of themselves; of a raster, the names of its layers say enough.
covariates_argument <- function(covariates) {
  if (!inherits(covariates, "SpatRaster")) return(table_or_path(covariates, "covariates"))
  layers <- as.data.frame(matrix(0, 0, length(names(covariates)), dimnames = list(NULL, names(covariates))))
  table_argument(structure(layers, lucas_covariates = attr(covariates, "lucas_covariates")))
}

# One evaluation: its numbers, or the file that holds them.
one_evaluation <- function(x, name) {
  if (inherits(x, "lucas_evaluation")) evaluation_to_core(x) else check_file_name(x, name)
}
