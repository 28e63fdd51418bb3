#' Land cover codes and habitat classes
#'
#' `lucas_habitat()` gives every row the habitat class of its land cover code. A code takes the class
#' of the most specific entry that covers it: its own (`B71`), its group's (`B70` or `B7`), its first
#' letter's (`B`). Codes are stripped and upper-cased first, because releases differ (`"E20 "`,
#' `"Bx1"`). `lucas_scheme()` is the pilot's scheme, a start for one of your own, and
#' `lucas_codes()` the nomenclature.
#'
#' @param table A data.frame with a column of LC1 codes, such as a photo table; or a `.csv` or
#'   `.parquet` file.
#' @param scheme `"pilot"` for the four classes of `lucas_scheme()`; `"eunis"` for `lucas_eunis()`; `"level1"`, `"level2"` or `"level3"` to
#'   use the codes of that level as classes (`"A"`, `"B70"`, `"B71"`); or your own: a data.frame (or `.csv`
#'   or `.parquet` file) with the columns `code` and `class`, or a named vector such as
#'   `c(B = "cropland", E = "grassland")`. `NA` means no class. Columns `level1`, `level2`, ... say what
#'   stands above a class, `level1` the coarsest.
#' @param column The column that holds the codes: its name, or the column itself.
#'
#' @return `lucas_habitat()`: the table with the factor `habitat`, `NA` for rows without a class,
#'   which are counted in a message (codes the scheme has no class for) or a warning (codes of no
#'   LUCAS nomenclature). With a scheme that has levels, `habitat_level1`, ... too: [lucas_train()] keeps
#'   them in the model (see [lucas_at_level()]).
#'
#' `lucas_scheme()`: a data.frame with `code` and `class`. Level 1 decides, because it alone is
#' stable over all campaigns: A artificial, B cropland, C and D woody, E grassland. F, G and H have
#' no class, nor have `BX1` and `BX2`, which never have ground photos.
#'
#' `lucas_eunis()`: a data.frame with one row a code: `code`, `label` (of LUCAS), `class` (the EUNIS habitat
#' of level 2, or of level 1 where the code tells no more; `NA` where it tells neither), `level1`, `name` (of
#' the habitat) and `note` (what the code leaves open, and where exceptions belong).
#'
#' `lucas_codes()`: a data.frame of the 76 land cover codes of LUCAS 2018, with `code`, `label`,
#' `level1`, `level1_label`, `level2`, `level2_label` and `suggested_4class`.
#' @section EUNIS:
#' `lucas_eunis()` is no official crosswalk, and none from LUCAS to EUNIS was found to ship. It compares the
#' classes of LUCAS 2018 with EUNIS' own descriptions (European Environment Agency, EUNIS habitat
#' classification 2007, revised descriptions 2012, amended 2019): a code has the habitat whose description
#' holds its land but for the exceptions of the note. The codes of level 2 in notes are those of that
#' version; the revision of 2021 has others.
#'
#' Of 76 codes 46 have a habitat of level 2 (28 of these are crops, I1), 14 one of level 1, and 16 none:
#' temporary grassland (B55), orchards of fruit and nuts, nurseries and permanent industrial crops (B71 to
#' B75, B83, B84), fallow (E30), bare land (F), inland marshes (H11), BX1 and BX2. Land cover says nothing of
#' water, climate, soil and species, by which EUNIS divides grassland (E), heath and scrub (F), mires (D)
#' and broadleaved woodland (G1, G2), so these stay at level 1.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   plots <- data.frame(plot = 1:4, lc1 = c("A21", "b11", "E20 ", "C10"))
#'   print(lucas_habitat(plots))
#'   mine <- rbind(lucas_scheme(), data.frame(code = "E10", class = "woody"))
#'   lucas_habitat(plots, scheme = mine)$habitat
#' }
#' @export
lucas_habitat <- function(table, scheme = "pilot", column = "lc1") {
  with_habitat(call_core("assign_habitat", captured()), scheme_classes(scheme))
}

# A scheme that is a named vector or list as a data.frame; others as they are.
scheme_table <- function(scheme) {
  if (is.list(scheme) && !is.data.frame(scheme)) scheme <- unlist(lapply(scheme, as.character))
  if (is.atomic(scheme) && !is.null(names(scheme))) {
    scheme <- data.frame(code = names(scheme), class = unname(as.character(scheme)))
  }
  scheme
}

scheme_argument <- function(scheme) {
  scheme <- scheme_table(scheme)
  named <- is.character(scheme) && length(scheme) == 1L &&
    scheme %in% c("pilot", "eunis", "level1", "level2", "level3")
  if (named) scheme else table_or_path(scheme, "scheme")
}

# The classes that a scheme has, as far as R knows them.
scheme_classes <- function(scheme) {
  scheme <- scheme_table(scheme)
  labels <- if (identical(scheme, "pilot")) PILOT_CLASSES else if (is.data.frame(scheme)) scheme$class
  if (is.factor(labels)) return(levels(droplevels(labels)))
  classes <- sort(unique(stats::na.omit(trimws(as.character(labels)))), method = "radix")
  classes[nzchar(classes)]
}

PILOT_CLASSES <- c("artificial", "cropland", "grassland", "woody")

#' @rdname lucas_habitat
#' @export
lucas_scheme <- function() call_core("pilot_scheme")

#' @rdname lucas_habitat
#' @export
lucas_eunis <- function() call_core("eunis_scheme")

#' @rdname lucas_habitat
#' @export
lucas_codes <- function() call_core("lc1_codes")
