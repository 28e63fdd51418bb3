#' Write classes as keywords into XMP files beside photos
#'
#' Each photo whose class is sure enough gets the keywords `Habitat > woody` and
#' `Habitat > confidence > confidence 0.9` (0.9 to 1) in a file beside it, for digiKam, Lightroom and their
#' like. Photos are never touched, and in sidecars that are there only our keywords are added, replaced or
#' taken out. Run again, a photo that is not sure enough any more loses them.
#'
#' @param predictions Photos as [lucas_classify()] returned them, such a file, or the folder of a run, which
#'   is read a part at a time.
#' @param min_confidence The least probability with which a photo gets its class.
#' @param naming `"digikam"`: `photo.jpg.xmp`, as digiKam, darktable and others have it; or `"lightroom"`:
#'   `photo.xmp`, as Adobe's programs do. There, two photos of the same name and other endings share a
#'   sidecar, and the second is refused.
#' @param keyword The keyword that ours stand under.
#' @param remove Take our keywords out. Sidecars that hold nothing else are deleted.
#' @inheritParams lucas_classify
#'
#' @return A data.frame of one row a photo: `path`, `sidecar`, `predicted`, `confidence`, `status` and `error`.
#'   The status is `written`, `unchanged`, `removed` (our keywords were taken out), `unsure` or `refused`, with
#'   the reason in `error`: photos in shards or far away have no place for a sidecar, and a sidecar that is
#'   damaged, or is more than plain XML, is left as it is.
#' @details
#' Keywords are in `dc:subject`, `lr:hierarchicalSubject` and `digiKam:TagsList`; `|` and `/` in the name of a
#' class, which separate levels there, become `-`. Under `urn:lucas-habitat:1.0/` stand the class and its
#' probability as they are, and which keywords are ours: those that a person had before stay when ours go.
#' @seealso [lucas_sort_photos()]
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   photos <- lucas_photos(lucas_demo_photos(tempfile("photos"), n_points = 4, size = c(320, 240)))
#'   predictions <- data.frame(photos, predicted = photos$habitat, confidence = 0.9)
#'   written <- lucas_write_xmp(predictions, min_confidence = 0.8, verbose = FALSE)
#'   cat(readLines(written$sidecar[1], encoding = "UTF-8")[1:10], sep = "\n")
#' }
#' @export
lucas_write_xmp <- function(predictions, min_confidence = 0.5, naming = "digikam", keyword = "Habitat",
                            remove = FALSE, verbose = TRUE) {
  invisible(call_core("write_xmp", captured(), verbose))
}
