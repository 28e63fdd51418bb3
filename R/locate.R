#' Find the points of geotagged photos
#'
#' Makes a photo table of photos whose names say nothing, such as those of phones and GPS cameras.
#' Where and when each was taken is read from its EXIF; photos of one stop are a visit, visits of one
#' place a point. The dates of files are never used: copying changes them.
#'
#' @param photos Anything [lucas_photos()] takes: a folder, photos, a pattern, or a table.
#' @param radius Metres, at least 2. How far a photo may lie from the first of its visit, and that one
#'   from the first of its point. Receivers are right to 5 or 10 m in the open, less so in woods.
#' @param minutes How long after the first photo of a visit others still belong to it.
#' @param root,labels As in [lucas_photos()].
#' @param verbose Whether a progress bar is shown for what takes longer.
#'
#' @return The data.frame that [lucas_photos()] gives, a row a photo in its order. What file names,
#'   folders or a table say is kept; what is missing is filled in:
#'
#'   * `point_id`: such as `"N55.68123E012.57123"`, the position of the point's first photo. Photos
#'     without a position are given none.
#'   * `year`: of the date.
#'   * `direction`: the nearest of `"N"`, `"E"`, `"S"` and `"W"` to `heading`. That a photo looks at the
#'     ground (`"P"`, `"C"`) no tag tells, only its name.
#'   * `lon`, `lat`: of the photo, WGS84 degrees. `x` and `y` stay those of the point, of its LUCAS id
#'     or the table; other functions prefer them.
#'
#'   New are `datetime` (ISO text, the camera's local time, with its offset from UTC where the photo
#'   tells it; UTC where only the satellites' time is known), `visit` (the `datetime` of the visit's
#'   first photo), `gps_error` (metres), `heading` (degrees from north, magnetic ones as they are),
#'   `status` and `error`. Status: `"ok"` (position and date), `"no position"`, `"no date"`, or why the
#'   file could not be read. Error says what exactly was wrong, also for an `"ok"` photo. Columns
#'   of these names that a table had are made anew.
#'
#'   A message counts photos, points and what is missing. A warning tells if no photo has a position,
#'   positions are in another datum than WGS84 (they are taken as they are), a camera's clock is more
#'   than a day off the satellites' time, or the year of a name, folder or table is not that of the date
#'   (it is kept).
#' @section How points are found:
#' Photos are taken in order of time, those without a date last, by name. Each joins the nearest visit
#' whose first photo lies within `radius` and `minutes`, else it begins one. Visits, in the same order,
#' join the nearest point whose first photo lies within `radius` of theirs, else they begin one. That is
#' the leader algorithm (Hartigan 1975, chapter 3), with its anchor in space and time as stay points have
#' it (Li et al. 2008). Everything is measured from a first photo, so photos along a track do not chain
#' into one point, and photos taken later change no point found earlier: located again with next year's
#' photos, a folder keeps its ids. (Those of photos without a date may change.) Distances are straight
#' lines on the WGS84 ellipsoid, right anywhere on Earth.
#'
#' A photo that has a point already, by name or table, keeps it, and visits that begin within `radius` of
#' the first photo of such a point join it. So ids that were handed out hold for certain if the earlier
#' table goes in with the new photos' rows below it.
#'
#' A point visited twice in a year stays one point with one `point_id` and `year`, so [lucas_vote()] pools
#' both visits and [lucas_split()] never parts them. To vote by visit, split first, then give photos with
#' `point_id = paste(point_id, visit)`.
#'
#' No position is what has none in EXIF's terms: degrees out of range or not finite, a reference (N, S,
#' E, W) that is missing, or 0, 0, which cameras write without a fix. Of a PNG only EXIF that stands
#' before the pixels is read.
#' @section Privacy:
#' The table holds positions, and an id spells one: whoever gets the table, or what is made of it (maps,
#' reports, a model's list of its training photos), learns where photos were taken. Their other EXIF
#' goes nowhere.
#' @references
#' Hartigan, J. A. (1975). Clustering Algorithms. Wiley.
#'
#' Li, Q. et al. (2008). Mining user similarity based on location history. Proceedings of the 16th ACM
#' SIGSPATIAL conference, article 34. \doi{10.1145/1463434.1463477}
#' @seealso [lucas_photos()] for photos whose names or folders say which point they show.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 8, size = c(320, 240))
#'   drawn <- list.files(folder, "201[58]", recursive = TRUE, full.names = TRUE)
#'   # As a phone would name them: nothing but the EXIF tells their points.
#'   phone <- file.path(tempfile("phone"), sprintf("IMG_%02d.jpg", seq_along(drawn)))
#'   dir.create(dirname(phone[1]))
#'   file.copy(drawn, phone)
#'   photos <- lucas_locate(dirname(phone[1]))
#'   print(table(photos$point_id, photos$year))
#'   photos[photos$status != "ok", c("status", "error")]
#' }
#' @export
lucas_locate <- function(photos, radius = 25, minutes = 60, root = NULL, labels = TRUE,
                         verbose = TRUE) {
  with_habitat(call_core("locate_photos", captured(), verbose))
}
