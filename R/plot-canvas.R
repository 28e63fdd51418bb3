#' Colours of classes
#'
#' The colours that every picture draws classes in, the same in R and Python. Any two can be told
#' apart with normal sight and with protanopia, deuteranopia and tritanopia; those of the pilot's
#' four classes also differ in grey.
#'
#' The pilot's four classes always have their own. Other classes take the remaining colours in the
#' order given, so give all classes of a model, in its order, to get the same colours again. There
#' are twelve colours; then they repeat, and only the shapes of signs tell classes apart.
#'
#' @param classes Class labels, each once.
#' @return A character vector of colours as `"#RRGGBB"`, named by the classes.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   lucas_colours(c("artificial", "cropland", "grassland", "woody"))
#' }
#' @export
lucas_colours <- function(classes) {
  check_data(classes, "classes")
  styles <- class_styles(classes)
  structure(styles$colour, names = styles$class)
}

class_styles <- function(classes) {
  call_core("class_styles", list(classes = as.list(enc2utf8(as.character(classes)))))
}

#' Pictures
#'
#' Draw what a model learnt, how good it is, and where points are, with base graphics; or, with
#' `as = "ggplot"`, give the same picture as a ggplot, to change as you like. Only sheets of photos have
#' no ggplot. With `out` they write a file as journals print it, with 8 pt text. Base graphics of one
#' plot fill the next panel of `par(mfrow)`; those of two (history, votes, reliability) take a page of
#' their own. `plot()` and, with the package ggplot2, `autoplot()` of a model draw its history, of an
#' evaluation its confusion.
#'
#' * `lucas_plot_history()`: loss, accuracy and kappa by epoch.
#' * `lucas_plot_confusion()`: rows predicted, columns reference; counts, and shares of the reference
#'   class, by which cells are shaded.
#' * `lucas_plot_votes()`: what each further photo that votes gains, from [lucas_vote_gain()].
#' * `lucas_plot_reliability()`: whether probabilities can be taken at their word, from
#'   [lucas_reliability()]. On the dashed line they are proportions; below it the model is too sure.
#' * `lucas_plot_map()`: points by class (colour and shape) and its probability (size), in EPSG:3035,
#'   with a light coastline (Natural Earth) that comes with the package. Of a point with several
#'   years the latest is drawn.
#' * `lucas_plot_point()`: the photos of a point with their probabilities, and their mean, in which
#'   close-ups (direction C) do not count, as in [lucas_vote()].
#' * `lucas_plot_photos()`: a sheet of photos classified right, or wrong. Publish photos of the LUCAS
#'   survey with the line that [lucas_credit()] gives.
#' * `lucas_plot_distance()`: accuracy by the distance to the nearest point trained on, from
#'   [lucas_error_by_distance()], and that of all as a dashed line; below, the points of each bin.
#' * `lucas_plot_recipes()`: how recipes of training differ from the first of them on the same photos, with
#'   intervals, blue where these leave the line of no difference, each recipe's own value above; at the
#'   right seconds of training, milliseconds to classify a photo, and megabytes of the model.
#' * `lucas_plot_labelling()`: how much labelling by hand is saved, by the accuracy that is asked of the other
#'   points, from [lucas_labelling_saved()]. An open ring says that no confidence is high enough.
#' * `lucas_plot_transitions()`: the share of points that went from each class to each other, between
#'   campaigns. A dot with its interval is the estimate, a pale ring what counting predicted classes gives,
#'   which takes doubt for change. At most twelve transitions are drawn, the largest; points that
#'   stayed what they were are not.
#'
#' @param model What [lucas_train()] or [lucas_load()] returned, or a folder, zip or address that
#'   [lucas_load()] takes.
#' @param evaluation What [lucas_evaluate()] returned.
#' @param comparison What [lucas_compare_recipes()] returned.
#' @param predictions What [lucas_classify()] returned for labelled photos, or such a file;
#'   `lucas_plot_reliability()` takes points from [lucas_vote()] too, and `lucas_plot_point()` needs no
#'   labels.
#' @param points What [lucas_vote()] returned, or such a file, with `x` and `y` (EPSG:3035, metres) or
#'   `lon` and `lat` (WGS84, degrees).
#' @param table What [lucas_transitions()] returned, or such a file; or points from [lucas_vote()], of which
#'   it is then made with nothing but its defaults. For `lucas_plot_distance()` what
#'   [lucas_error_by_distance()] returned, or predictions of [lucas_cross_validate()], likewise;
#'   for `lucas_plot_labelling()` what [lucas_labelling_saved()] returned.
#' @param point_id,year The point, and the year; by default its latest.
#' @param right Whether to show photos classified right (`TRUE`) or wrong.
#' @param n At most so many photos, drawn at random from those whose files are still there.
#' @param seed For random draws.
#' @param width With `out`: `"single"` (85 mm), `"double"` (170 mm) or millimetres, 60 to 500.
#' @param out A file to write, `.png` (300 dpi) or `.svg`; without it the picture is drawn on the
#'   current device.
#' @param as `"base"` draws with base graphics; `"ggplot"` gives a ggplot, for which the package
#'   ggplot2 is needed.
#'
#' @return The numbers behind the picture, a data.frame, invisibly; with `as = "ggplot"` a ggplot,
#'   invisibly if it was written to `out`.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   points <- data.frame(
#'     point_id = c("43203210", "43223210", "43203212"), year = 2018, n_photos = 5,
#'     predicted = c("cropland", "grassland", "woody"), x = c(4320, 4322, 4320) * 1000,
#'     y = c(3210, 3210, 3212) * 1000, p_cropland = c(0.8, 0.1, 0), p_grassland = c(0.2, 0.6, 0.1),
#'     p_woody = c(0, 0.3, 0.9)
#'   )
#'   lucas_plot_map(points)
#' }
#' @name lucas_plot
NULL

INK <- "#1A1A1A"
SOFT <- "#6B6B6B"
PALE <- "#D0D0D0"
BLUE <- "#1F5FA8"
RING <- "#9A9A9A"

utils::globalVariables(".data")  # ggplot2's pronoun

# Arguments of pictures that are R's own, since R draws.
DRAWING <- c("width", "out")

# Draws on the current device or into a file and gives the numbers behind the picture; or gives a ggplot.
# draw(mm) draws a page of this width in base graphics, ggplot() makes a ggplot, height(mm) is how tall a
# file is.
show_picture <- function(table, draw, height, width, out, as = "base", ggplot = NULL) {
  mm <- picture_width(width)
  size <- c(mm, height(mm))
  if (chosen(as, "as", c("base", "ggplot")) == "ggplot") {
    need_package("ggplot2", "as = \"ggplot\"")
    picture <- ggplot()
    if (is.null(out)) return(picture)
    write_picture(out, size, function() print(picture))
    return(invisible(picture))
  }
  if (is.null(out)) draw(170) else write_picture(out, size, function() draw(mm))
  invisible(table)
}

# Drawn beside its place and moved there, so that a picture appears whole or not at all. The size is in
# millimetres.
write_picture <- function(out, size, draw) {
  out <- check_file_name(out, "out")
  ending <- tolower(sub("^.*\\.", ".", basename(out)))
  if (!ending %in% c(".png", ".svg")) {
    stop_lucas("input", "out must end in .png or .svg; got ", basename(out), " instead.")
  }
  made <- tempfile(".picture-", dirname(out), ending)
  before <- grDevices::dev.cur()
  size <- size / 25.4
  if (ending == ".png") {
    grDevices::png(made, size[1], size[2], units = "in", res = 300, pointsize = 8)
  } else {
    grDevices::svg(made, size[1], size[2], pointsize = 8)
  }
  device <- grDevices::dev.cur()
  close <- function() {
    if (device %in% grDevices::dev.list()) grDevices::dev.off(device)
    if (before > 1) grDevices::dev.set(before)
  }
  on.exit({
    close()
    unlink(made)
  })
  draw()
  close()
  if (!suppressWarnings(file.rename(made, out))) {
    stop_lucas("input", "The picture cannot be put at ", out,
               ". Is that a folder, or open in another program?")
  }
}

picture_width <- function(width) {
  if (identical(width, "single")) return(85)
  if (identical(width, "double")) return(170)
  if (!(is.numeric(width) && length(width) == 1L && !is.na(width) && width >= 60 && width <= 500)) {
    stop_lucas("input", "width must be \"single\" (85 mm), \"double\" (170 mm) or millimetres from ",
               "60 to 500; got ", describe(width), ".")
  }
  width
}

# Sets parameters and returns what they were, to be restored. Only those: restoring all of them would
# also restore which panel of a user's par(mfrow) comes next. Every parameter that a picture changes
# must be among them.
picture_par <- function(...) {
  # mfrow changes cex and mex, so it stands before them, for setting and for restoring.
  wanted <- c(list(...), list(cex = 1, mex = 1, mgp = c(2, 0.6, 0), tcl = -0.3, las = 1, fg = INK,
                              col.axis = INK))
  if (is.null(wanted$mar)) wanted$mar <- c(3.2, 4.2, 0.8, 0.8)
  old <- graphics::par(names(wanted))
  graphics::par(wanted)
  old
}

# Filled signs have a dark edge, open ones their class' colour.
sign_edges <- function(styles) ifelse(styles$pch > 20, INK, styles$colour)

ggplot_theme <- function() {
  ggplot2::theme_minimal(base_size = 8) +
    ggplot2::theme(panel.grid.minor = ggplot2::element_blank(),
                   text = ggplot2::element_text(colour = INK))
}

short <- function(label, most = 28) {
  if (nchar(label) <= most) label else paste0(substr(label, 1, most - 1), "\u2026")
}
