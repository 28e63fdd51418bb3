#' Put photos into class folders, to be put right in a file manager
#'
#' Photos whose class is sure enough go to the folder of their class, others to `_unsure`. Move those that
#' are wrong to the right folder; [lucas_read_sorted()] then tells what was changed, as corrections that
#' [lucas_train()] takes.
#'
#' @param predictions Photos as [lucas_classify()] returned them, such a file, or the folder of a run, which
#'   is read a part at a time.
#' @param folder A new folder, or one that was sorted into before, outside the folder of the photos. Run
#'   again, sorting goes on where it ended: what a person moved, changed or deleted stays as it is, and what
#'   nobody touched goes to the folder of its class by these predictions.
#' @param min_confidence The least probability with which a photo goes to its class.
#' @param how `"copy"`, or `"link"`: hard links take no room on the disk, but are the photos themselves, so
#'   that a program that rotates or tags them changes the originals. Where links cannot be made, photos are
#'   copied.
#' @inheritParams lucas_classify
#'
#' @return A data.frame of one row a photo: `path`, `file` (in the folder), `predicted`, `confidence`,
#'   `status` and `error`. The status is `sorted`, `unsure`, `there` (it was put there before), `left` (a
#'   person moved, changed or deleted it) or `refused`, with the reason in `error`.
#' @details
#' No file is ever replaced. Folders and files get names that Windows, macOS and Linux all take:
#' `woody/shrub` becomes `woody_shrub`, and a name that another photo has gets a mark. What was put where, with
#' the hash of each content, is in `_sorted.jsonl`, which must stay in the folder. A full disk is an error of
#' the class `lucas_output_error`; what was sorted is kept.
#' @seealso [lucas_read_sorted()], [lucas_write_xmp()]
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   photos <- lucas_photos(lucas_demo_photos(tempfile("photos"), n_points = 4, size = c(320, 240)))
#'   predictions <- data.frame(photos, predicted = photos$habitat, confidence = 0.9)
#'   folder <- tempfile("sorted")
#'   placed <- lucas_sort_photos(predictions, folder, verbose = FALSE)
#'   # In the file manager a person moves one photo to another folder.
#'   wrong <- placed$file[placed$predicted != "woody"][1]
#'   file.rename(file.path(folder, wrong), file.path(folder, "woody", basename(wrong)))
#'   read <- lucas_read_sorted(folder)
#'   print(read)
#'   read$corrections[c("path", "predicted", "habitat")]
#' }
#' @export
lucas_sort_photos <- function(predictions, folder, min_confidence = 0.5, how = "copy", verbose = TRUE) {
  invisible(call_core("sort_photos", captured(), verbose))
}

#' Read what a person made of photos in class folders
#'
#' A photo in another class's folder than [lucas_sort_photos()] put it into is a correction, and so is one
#' that was moved out of `_unsure` or that a person added. Photos are recognised by name, size and time, else
#' by content, so that they may be renamed, and moved into subfolders of a class.
#'
#' @param folder What [lucas_sort_photos()] sorted into.
#' @param confirmed Whether photos that nobody moved were looked at and are right: they are corrections, too,
#'   save those in `_unsure`.
#' @param new_classes Whether folders that a person made are classes of their names. Otherwise their photos
#'   are listed and no corrections.
#'
#' @return A list of two data.frames. `corrections` is a review table that [lucas_train()] takes: `path` (of
#'   the photo itself, not of its copy; of a photo that a person added, the added file), `point_id`, `year`,
#'   `direction`, `habitat` (the class by its folder), `split`, `predicted`, `confidence`, `sha256`, `time`.
#'
#'   `changes` is a table of what is not as it was put there: `change`, `file` (where it is now, `NA` where it is
#'   gone), `was`, `habitat` (`NA` where its folder is of no class), `predicted`, `confidence`, `point_id`,
#'   `year`, `path`, `sha256`. The change is `moved`, `new`, `deleted`, `renamed`, `copied` (twice in the same
#'   class), `two classes` (the same content in the folders of several, which corrects nothing),
#'   `changed content`, `unknown folder` or `unreadable`.
#' @details
#' Deleted photos correct nothing. Photos whose `split` is `"test"` stay in the corrections, and
#' [lucas_train()] leaves them out.
#' @seealso [lucas_sort_photos()], whose example goes there and back
#' @export
lucas_read_sorted <- function(folder, confirmed = FALSE, new_classes = FALSE) {
  read <- call_core("read_sorted", captured())
  lines <- unlist(read$lines)
  read <- lapply(read[c("corrections", "changes")], with_habitat, classes = NULL)
  structure(read, lines = lines, class = "lucas_sorted")
}

#' @param x What was read.
#' @param ... Not used.
#' @rdname lucas_read_sorted
#' @export
print.lucas_sorted <- function(x, ...) {
  cat(attr(x, "lines"), sep = "\n")
  invisible(x)
}
