#' List ground photos
#'
#' Lists photos as a photo table. Point, direction and year are read from file names:
#' `31603628N.jpg` (the survey's), `"201831603628LCLU_North.jpg"` (since 2022),
#' `31062100_east_2018.jpg` (the pilot's, with the direction as word or letter, and any text as
#' point). The survey server's folders `year/nuts0/3 digits/3 digits/` give year and country. Of
#' other folders, the first below the source names the class, after an optional `train` or `test`.
#' Photos are JPEG, PNG, TIFF, BMP, WebP, or HEIC as iPhones write it; what reads HEIC comes with
#' `lucas_install(heic = TRUE)`.
#'
#' @param source A folder (searched with its subfolders), a photo, a pattern such as
#'   `"photos/*/*.jpg"`, a character vector of photos, a table (data.frame, or the path of a
#'   `.csv` or `.parquet` file) with a column `path`, or tar shards (`"shards/*.tar"`), in which `key.cls` (a
#'   class) and `key.json` (columns) tell of `key.jpg`. Columns that a table or shard has win over what
#'   the file names say. Tables, photos and shards can lie on web servers (`"https://..."`), and these and
#'   folders in S3 (`"s3://bucket/photos/"`, after `lucas_install(remote = TRUE)`). A photo in a shard is
#'   `shard.tar::name.jpg`.
#' @param root What relative paths of a table are relative to: by default the folder of the table
#'   file, or the working directory for a data.frame. They must not leave it.
#' @param labels Whether folder names are classes. `FALSE` leaves `habitat` missing, for folders
#'   that mean something else.
#'
#' @return A data.frame, one row a photo, in order of path (a table's, vector's or shard's own order is
#'   kept): `path` (absolute, or an address), `point_id` (text, `NA` where no point is known), `year` (integer),
#'   `direction` (`"P"`, `"N"`, `"E"`, `"S"`, `"W"`, `"C"` for a close-up, or `NA`), `habitat` (factor),
#'   `split` (`"train"`, `"test"` or `NA`), then `nuts0`, `x` and `y` (EPSG:3035, metres, from
#'   8-digit LUCAS ids) where known, then a table's other columns.
#' @seealso [lucas_locate()] for geotagged photos whose names say nothing, [lucas_habitat()] for classes
#'   from LC1 codes, [lucas_split()], [lucas_classify()].
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 8, size = c(320, 240))
#'   photos <- lucas_photos(folder)
#'   print(head(photos[c("point_id", "year", "direction", "habitat")]))
#'   table(photos$habitat, photos$direction)
#' } else {
#'   message("Python is not set up; see lucas_install().")
#' }
#' @export
lucas_photos <- function(source, root = NULL, labels = TRUE) {
  with_habitat(call_core("list_photos", captured()))
}

#' Draw made-up photos to try the package on
#'
#' Fields, meadows, woods and built-up land are drawn, not photographed: enough for trying every
#' step, not for a model of anything real. About five photos a point are written to
#' `folder/class/point_direction_year.jpg`, as the survey's look: the label is the point's while
#' about one view in ten shows a neighbour's land, some directions are missing, some points were
#' visited in two years, and three files are broken.
#'
#' @param folder Where to write; must be new or empty.
#' @param n_points How many points, at least 4, shared evenly among artificial, cropland, grassland
#'   and woody; with `codes` at least 11.
#' @param seed The same seed, number and size give the same files.
#' @param size Width and height of photos in pixels, at least 160 by 120.
#' @param codes Whether classes are 11 LC1 codes that look different, at least two of each class, such as
#'   B11, B16 and B32 of cropland: to try levels (see [lucas_at_level()]).
#' @param verbose Whether a progress bar is shown for what takes longer.
#' @return The folder, invisibly.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 4, size = c(320, 240))
#'   list.files(folder)
#' }
#' @export
lucas_demo_photos <- function(folder, n_points = 200, seed = 1, size = c(1600, 1200), codes = FALSE,
                              verbose = TRUE) {
  invisible(call_core("draw_demo_photos", captured(), verbose))
}
