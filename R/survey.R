#' Read a table of the LUCAS survey and choose points
#'
#' `lucas_survey()` reads the harmonised table of 2006 to 2018, whole or one year's, or Eurostat's own
#' tables of 2018 and 2022, as tidy rows, one a point and year. Columns are found by name, whatever
#' their order and case. Where a point lies follows from its id alone, which is its place on the 1 km
#' grid of EPSG:3035; the table's own coordinates serve to check it. `lucas_select()` chooses points
#' to train on, test on or map.
#'
#' Readers follow the tables' documents and real rows of 2006 to 2018; Eurostat's tables of 2018 and
#' 2022 were never at hand whole.
#'
#' @param source A `.csv` (commas, semicolons or tabs) or `.parquet` file, also as `.gz`, or a `.zip`
#'   with one of them.
#' @param years Campaigns to keep, of 2006, 2009, 2012, 2015, 2018 and 2022; `NULL` for all. A table
#'   without a column of years, as Eurostat's, is of the one year given; otherwise of that in its file
#'   name. In `lucas_select()` a point comes once for each of the years given; with `NULL` it comes
#'   once, as in its latest campaign that meets the other conditions.
#' @param countries Countries to keep, as in the survey: `"DK"`, `"EL"` for Greece, `"UK"` for the
#'   United Kingdom. `NULL` for all.
#' @param columns Further columns of the table to keep. They stay text, stripped; positions, distances
#'   and precisions become numbers, and `gps_long` and `car_longitude`, unsigned in the table, are given
#'   their sign.
#' @param survey What `lucas_survey()` returned.
#' @param scheme What turns land cover codes into classes, as in [lucas_habitat()]. Points whose code
#'   has no class are left out.
#' @param classes Classes of the scheme to keep; `NULL` for all.
#' @param field_only Only points observed in the field, not those interpreted from aerial photos.
#' @param max_distance The farthest that the observer may have stood from the point, in metres; beyond
#'   100 m the photos do not show it. A field observation without a distance counts by its type
#'   (`"In situ < 100 m"`). `NULL`: any distance.
#' @param directions Photos that must have been taken, of `"P"` (the point), `"N"`, `"E"`, `"S"`, `"W"`
#'   and `"C"` (the close-up). A photo counts as missing only where the table says that it was not
#'   taken: the tables of 2022 may say nothing, nor do any of close-ups.
#' @param min_cover Pure cover: points whose first cover takes at least this share (percent, 0 to 100)
#'   by the lower end of its class, and that have no second. Rows without a share, such as all of 2006,
#'   are left out.
#' @param n_per_class Draw a balanced sample: so many rows of each class; `"<=270"` takes up to 270, all of
#'   a class that has fewer. Class shares then differ from the land's, as in [lucas_split()].
#' @param n Draw a sample of so many rows, the classes in proportion to their numbers.
#' @param seed The same seed and rows, in any order, give the same sample.
#'
#' @return `lucas_survey()`: a data.frame in the table's order: `point_id` (8 digits, text), `year`
#'   (integer), `nuts0`, `lc1`, `lc2` (a second cover) and `lu1` (codes, upper case), `lc1_perc_low` and
#'   `lc1_perc_high` (the share of the first cover, percent: the ends of its class, or twice the same
#'   where the table has a number), `x`, `y` (EPSG:3035, metres), `lon`, `lat` (WGS84, degrees, west
#'   negative), `obs_type` (text), `obs_dist` (metres from observer to point), `photo_point`,
#'   `photo_north`, `photo_east`, `photo_south` and `photo_west` (logical, `NA` where the table does not
#'   say whether it was taken), `date` (of the visit, text such as `"2018-06-19"`), `survey_weight` (the
#'   survey's own design weight, where the table has one, such as `WGT_LUCAS`; the harmonised table has
#'   none), then `columns`.
#'
#'   `attr(, "repairs")` is a named integer vector: how many values were put right, by kind.
#'   `attr(, "problems")` is a data.frame of rows that cannot be right and were left out: `row` (its
#'   place in the table, from 1; `NA` for one that could not be split into fields), `point_id`, `year`
#'   and `problem`. These have an id that names no place in Europe, a year without a campaign,
#'   coordinates more than 5 km from the id's place, or share point and year with a different row (then
#'   all of them are left out). A message sums up both. R forgets attributes when rows are taken, so
#'   look at them first.
#'
#' `lucas_select()`: the chosen rows in order of point and year, with the factor `habitat`,
#'   `inclusion_probability` and `weight`; what [lucas_download()] takes. A message counts the rows left
#'   after each condition.
#' @section Weights:
#' `inclusion_probability` is the share that was drawn of the candidates of the row's class, the rows
#' that met all conditions; 1 where all were taken. `weight` is 1 over it, times the survey's own weight
#' where the table has one (`survey_weight`, `WGT_LUCAS` or the like; without a number of more than 0 it
#' is `NA`, with a warning). Both travel with the photos through [lucas_classify()] and
#' [lucas_vote()] to [lucas_evaluate()], which takes `weights = "weight"`.
#'
#' Weights stand for the candidates: land that meets the conditions, not land without photos or whose
#' points were seen from afar. With `years`, a row is a point in a year: it is drawn as such, and a point
#' counts once for each of its years drawn. A class of which `n` is too small to draw a row is not stood
#' for by any weight. Choosing again from what was chosen multiplies probabilities. A split
#' ([lucas_split()]) takes points of all classes in equal shares, which changes no weighted mean; drawing so
#' many of each class afterwards, as its `n_per_class` does, is not in the weight.
#' @references d'Andrimont, R. et al. (2020). Harmonised LUCAS in-situ land cover and use database for
#'   field surveys from 2006 to 2018 in the European Union. Scientific Data 7:352.
#'   \doi{10.1038/s41597-020-00675-z}
#' @seealso [lucas_download()] for the photos of points, [lucas_split()], which keeps all years of a
#'   point on one side.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   # A small made-up table in the form of the harmonised one, with some of its faults.
#'   table <- system.file("extdata", "survey.csv", package = "lucashabitat")
#'   survey <- lucas_survey(table)
#'   print(head(survey[c("point_id", "year", "lc1", "x", "y", "obs_dist", "photo_west")]))
#'   print(attr(survey, "repairs"))
#'   print(attr(survey, "problems"))
#'   points <- lucas_select(survey, countries = "DK", n_per_class = 3, seed = 1)
#'   table(points$habitat, points$year)
#' } else {
#'   message("Python is not set up; see lucas_install().")
#' }
#' @export
lucas_survey <- function(source, years = NULL, countries = NULL, columns = character()) {
  survey <- call_core("read_survey", captured(source = check_file_name))
  repairs <- unlist(survey$repairs)
  structure(survey$table,
            repairs = if (is.null(repairs)) stats::setNames(integer(), character()) else repairs,
            problems = survey$problems)
}

#' @rdname lucas_survey
#' @export
lucas_select <- function(survey, scheme = "pilot", countries = NULL, years = NULL, classes = NULL,
                         field_only = TRUE, max_distance = 100,
                         directions = c("P", "N", "E", "S", "W"), min_cover = NULL,
                         n_per_class = NULL, n = NULL, seed = 1) {
  points <- call_core("select_points", captured())
  labels <- if (is.null(classes)) scheme_classes(scheme) else
    sort(unique(as.character(classes)), method = "radix")
  with_habitat(points, labels)
}

survey_argument <- function(survey) {
  if (!is.data.frame(survey)) {
    stop_lucas("input", "survey must be a data.frame, as lucas_survey() returns it; got ",
               describe(survey), ".")
  }
  table_argument(survey)
}

#' Fetch photos and tables of the LUCAS survey
#'
#' `lucas_download()` fetches the photos of points from the survey's server, politely: few at once, at
#' most so many requests a second, with longer and longer pauses after faults. Photos are stored as
#' there, `year/nuts0/3 digits/3 digits/`, and get their names only when they came whole and can be
#' decoded. What was asked for is written down at once (`downloads.jsonl`, at the end
#' `downloads.parquet`): a run that was interrupted, even killed, goes on where it was when it is
#' started again, and asks for nothing twice that it has or that the server does not have. One run at
#' a time in a folder.
#'
#' Never run against the real servers; tested against a local one with their addresses and with faults
#' of all kinds.
#'
#' `lucas_download_table()` fetches a table, going on where a former attempt broke off. The
#' addresses of the survey's tables change with its releases, so none is built in: take them from the
#' survey's pages.
#'
#' Behind a proxy set `HTTPS_PROXY`, and `SSL_CERT_FILE` where it has a certificate of its own.
#'
#' @param points What [lucas_select()] returned, or any table (data.frame, or the path of a `.csv` or
#'   `.parquet` file) with `point_id`, `year` and `nuts0`, one row a point and year. Where
#'   `photo_north` and so on are `FALSE` the photo is not asked for. Other columns are carried over.
#' @param folder Where to. A photo has about 0.2 to 1.6 MB.
#' @param directions Which photos, of `"P"` (the point), `"N"`, `"E"`, `"S"`, `"W"` and `"C"` (the
#'   close-up of the cover, which only some points have).
#' @param base Another server with the same addresses: https, or http on this computer.
#' @param connections Photos fetched at once, 1 to 16.
#' @param per_second Requests a second at most, over all connections; at most 50. The survey's server
#'   is shared by all: 5,000 photos take a quarter of an hour.
#' @param retries How often a request is repeated after a fault that may pass.
#' @param timeout For photos, seconds that one attempt may take; for a table, seconds without any byte
#'   after which an attempt is given up.
#' @param again Ask again for photos that the server did not have or that were broken.
#' @param verbose Whether a progress bar is shown for what takes longer.
#' @param url An https address (http only on this computer).
#' @param out The file to write, `.csv`, `.parquet`, `.zip` or `.gz`, or a folder: then the name is the
#'   address's. A file that is there is left as it is.
#' @param max_bytes The largest file to take, in bytes.
#' @param years Campaigns the photos are from, such as `photos$year`; `NA` is passed over.
#'
#' @return `lucas_download()`: a photo table as [lucas_photos()] gives it, one row a photo, in the order
#'   of `points` and P, N, E, S, W, C, with the points' columns (`habitat`, a factor, `lc1`, `nuts0`,
#'   `x`, `y`, ...), `status` and `error` (what exactly, `NA` where nothing). Rows without a file keep
#'   the path where it would be: train on `photos[photos$status == "ok", ]`. A message counts
#'   photos by status, with the credit line. Of `status`:
#'   * `"ok"`: in its place, whole and readable,
#'   * `"missing"`: the server does not have it,
#'   * `"empty"`, `"too small"`, `"too large"`, `"damaged"`, `"not a photo"`: what came is of no use,
#'   * `"incomplete"`: the connection broke or was too slow, each time,
#'   * `"refused"`, `"redirected"`, `"server error"`, `"unreachable"`: the server does not give it,
#'     points to another, had a fault each time, or did not answer.
#'
#'   A server that cannot be reached at all, a refused certificate or proxy, or a full disk is an error
#'   of class `lucas_download_error`; what was fetched is kept.
#'
#' `lucas_download_table()`: the file's path, invisibly, for [lucas_survey()].
#'
#' `lucas_credit()`: a text of three lines: the credit that LUCAS photos must be shown with, their
#'   licence with a note on changes, and the citation.
#' @references d'Andrimont, R. et al. (2020). Harmonised LUCAS in-situ land cover and use database for
#'   field surveys from 2006 to 2018 in the European Union. Scientific Data 7:352.
#'   \doi{10.1038/s41597-020-00675-z}
#' @seealso [lucas_survey()] and [lucas_select()] for points.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   writeLines(lucas_credit(c(2015, 2018)))
#' } else {
#'   message("Python is not set up; see lucas_install().")
#' }
#' \dontrun{
#' # Asks the survey's server for 60 photos.
#' points <- lucas_select(lucas_survey("lucas_harmo_uf.csv"), countries = "DK", n_per_class = 3)
#' photos <- lucas_download(points, "photos")
#' model <- lucas_train(photos[photos$status == "ok", ])
#' }
#' @export
lucas_download <- function(points, folder, directions = c("P", "N", "E", "S", "W"),
                           base = "https://gisco-services.ec.europa.eu", connections = 4,
                           per_second = 5, retries = 4, timeout = 120, again = FALSE,
                           verbose = TRUE) {
  photos <- call_core("download_photos", captured(), verbose)
  with_habitat(photos, if (is.data.frame(points)) levels(points$habitat))
}

#' @rdname lucas_download
#' @export
lucas_download_table <- function(url, out, retries = 4, timeout = 60, max_bytes = 1e10,
                                 verbose = TRUE) {
  invisible(call_core("download_table", captured(), verbose))
}

#' @rdname lucas_download
#' @export
lucas_credit <- function(years) call_core("credit", captured(years = photo_years))

photo_years <- function(years, name) {
  if (!is.numeric(years)) {
    stop_lucas("input", name, " must be campaigns, such as 2018; got ", describe(years), " instead.")
  }
  as_plain(unique(years[!is.na(years)]))
}
