#' The pilot, or a study like it, in one call
#'
#' Reads the survey's table (and fetches it where none is given), chooses points of a country, fetches
#' their photos, splits them by point, trains, classifies the test photos, lets the photos of each point
#' vote, evaluates photos and points, and writes a self-contained page. A run that was broken off, even
#' killed, goes on where it was when it is started again with the same settings; one with other settings
#' makes anew only what they change.
#'
#' Photos of your own take the same way from the split on: give them as `photos`.
#'
#' Never run against the real servers; tested against a local one with their addresses.
#'
#' @param out Folder for everything. It will hold `survey.parquet` (the tidied table), `selection.csv`
#'   (the points chosen), `photos/` (as on the server), `photos.csv` (a photo table with `split`),
#'   `model/` (for [lucas_load()]), `predictions.csv` (test photos), `points.csv` (their votes),
#'   `evaluation_photos.json`, `evaluation_points.json`, `comparison.csv`, `report.html` with its numbers
#'   in `report_data/`, and `run.json` (settings, steps and seconds).
#' @param country As in the survey: `"DK"`, `"EL"` for Greece, `"UK"` for the United Kingdom; may be
#'   several.
#' @param table Tables of the survey: files as [lucas_survey()] takes them, or https addresses. `NULL`
#'   fetches the harmonised table from the Joint Research Centre: of 2018 if `years = 2018`, else of all
#'   campaigns from 2006 to 2018 (about 130 MB). That of 2022 must be given.
#' @param years Campaigns. A point then comes once for each of them (only points of all of them are
#'   drawn, unless the sample is `"all"`), and the page tells of its changes. With `NULL` it comes once,
#'   as in its latest.
#' @param scheme,classes What turns land cover codes into classes, and which of them to keep; see
#'   [lucas_select()].
#' @param sample How many photos, about, since whole points are drawn: `"small"` the pilot's 1,093, as
#'   many of each class; `"large"` its 15,676 to train on and 4,297 to test on, classes in proportion;
#'   `"all"` there are; or a number.
#' @param balanced Whether each class gets as many points. `NULL`: as the sample says; of a number,
#'   `TRUE`.
#' @param directions Photos of a point that are fetched, and must have been taken by the table.
#' @param field_only,max_distance,min_cover What points must have been seen like; see [lucas_select()].
#' @param test_size Share of points to test on. `NULL`: 0.2, or as the large sample says.
#' @param validation_split Share of the other points held out to calibrate the model; 0 for none.
#' @param arch,recipe As in [lucas_train()].
#' @param training A list of further arguments of [lucas_train()], such as `list(epochs = 20)`.
#' @param model A trained model, or a folder, zip or address that [lucas_load()] takes, to be tested on all
#'   photos instead of training one on some; points it was trained on do not count. Then `test_size`, `validation_split`, `arch`, `recipe` and `training` are not used.
#' @param photos Labelled photos of your own, a photo table or anything [lucas_photos()] takes, instead of
#'   the survey's. Where they have a `split`, the model is trained on all but its `"test"` rows and tested on
#'   these; else `test_size` of the points is drawn. Classes are the column `habitat` or folders, or `scheme`
#'   makes them of a column `lc1`. They stay where they are, and nothing is fetched: what chooses and fetches
#'   the survey's photos is not used, and `table`, `years`, `classes`, `balanced` are refused.
#' @param base,per_second The photos' server, and requests a second at most; as in [lucas_download()].
#' @param seed Of the sample, the split, training and intervals.
#' @param device As in [lucas_train()].
#' @param overwrite Do a finished run again: photos the server did not have are asked for anew, and what
#'   rests on other settings or photos is replaced.
#' @param verbose Whether a progress bar is shown for what takes longer.
#'
#' @return A data.frame, one row each for `"photos"`, `"points"` and `"pilot"` (`unit`): `n`,
#'   `n_points`, `overall_accuracy` and `kappa` with `*_low` and `*_high` (95 % intervals by bootstrap
#'   over points). The pilot's own figures, 0.734 and 0.650, have neither numbers nor intervals; its
#'   photos were split by photo, so photos of a test point could be among those it was trained on.
#'   `attr(, "report")` and `attr(, "folder")` are paths.
#' @seealso [lucas_survey()], [lucas_select()], [lucas_download()], [lucas_train()] for the steps one by
#'   one.
#' @examples
#' \dontrun{
#' # Asks the survey's servers for a table of 130 MB and 1,100 photos.
#' found <- lucas_pilot("dk", country = "DK")
#' found
#' browseURL(attr(found, "report"))
#'
#' # How good is that model elsewhere?
#' lucas_pilot("se", country = "SE", model = "dk/model")
#'
#' # Your own photos, split or not.
#' lucas_pilot("mine", photos = "photos.csv", recipe = "recommended")
#' }
#' @export
lucas_pilot <- function(out, country = "DK", table = NULL, years = NULL, scheme = "pilot",
                        classes = NULL, sample = "small", balanced = NULL,
                        directions = c("P", "N", "E", "S", "W"), field_only = TRUE,
                        max_distance = 100, min_cover = NULL, test_size = NULL,
                        validation_split = 0.2, arch = NULL, recipe = "pilot",
                        training = NULL, model = NULL, photos = NULL,
                        base = "https://gisco-services.ec.europa.eu", per_second = 5, seed = 1,
                        device = "auto", overwrite = FALSE, verbose = TRUE) {
  run <- call_core("pilot", captured(out = check_folder_name, table = survey_tables), verbose)
  structure(run$table, report = run$report, folder = run$folder)
}

# Addresses go as they are, files with their whole path.
survey_tables <- function(table, name) {
  if (!is.character(table)) {
    stop_lucas("input", name, " must be files or addresses of the survey's tables; got ",
               describe(table), " instead.")
  }
  as.list(ifelse(grepl("://", table), table, file_path(table)))
}

# Arguments of lucas_train(), converted as there.
training_argument <- function(training) {
  if (!(is.list(training) && length(names(training)) == length(training))) {
    stop_lucas("input", "training must be a list of named arguments of lucas_train(); got ",
               describe(training), " instead.")
  }
  Map(function(value, name) if (!is.null(value)) converted(value, name, converters()),
      training, names(training))
}
