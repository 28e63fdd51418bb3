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
  styles <- class_styles(classes)
  structure(styles$colour, names = styles$class)
}

class_styles <- function(classes) {
  call_core("class_styles", list(classes = as.list(enc2utf8(as.character(classes)))))
}

#' Pictures
#'
#' Draw what a model learnt, how good it is, and where points are, with base graphics. Where the
#' package ggplot2 is attached (`library(ggplot2)`), the functions return a ggplot instead, to
#' change as you like; only sheets of photos stay base graphics. With `out` they write a file as
#' journals print it, with 8 pt text. Base graphics of one plot fill the next panel of `par(mfrow)`;
#' those of two (history, votes, reliability) take a page of their own.
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
#' * `lucas_plot_transitions()`: the share of points that went from each class to each other, between
#'   campaigns. A dot with its interval is the estimate, a pale ring what counting predicted classes gives,
#'   which takes doubt for change. At most twelve transitions are drawn, the largest; points that
#'   stayed what they were are not.
#'
#' @param model What [lucas_train()] or [lucas_load()] returned, or the folder of a saved model.
#' @param evaluation What [lucas_evaluate()] returned.
#' @param predictions What [lucas_classify()] returned for labelled photos, or such a file;
#'   `lucas_plot_reliability()` takes points from [lucas_vote()] too, and `lucas_plot_point()` needs no
#'   labels.
#' @param points What [lucas_vote()] returned, or such a file, with `x` and `y` (EPSG:3035, metres) or
#'   `lon` and `lat` (WGS84, degrees).
#' @param table What [lucas_transitions()] returned, or such a file; or points from [lucas_vote()], of which
#'   it is then made with nothing but its defaults.
#' @param point_id,year The point, and the year; by default its latest.
#' @param right Whether to show photos classified right (`TRUE`) or wrong.
#' @param n At most so many photos, drawn at random from those whose files are still there.
#' @param seed For random draws.
#' @param width With `out`: `"single"` (85 mm), `"double"` (170 mm) or millimetres, 60 to 500.
#' @param out A file to write, `.png` (300 dpi) or `.svg`; without it the picture is drawn on the
#'   current device.
#'
#' @return The numbers behind the picture, a data.frame, invisibly; or a ggplot.
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

#' @rdname lucas_plot
#' @export
lucas_plot_history <- function(model, width = "double", out = NULL) {
  if (is.character(model)) model <- lucas_load(model)
  history <- check_model(model)$history
  if (is.null(history) || nrow(history) == 0) {
    stop_lucas("input", "The model has no history to draw: it was trained for no epoch.")
  }
  parts <- data.frame(
    column = c("loss", "val_loss", "accuracy", "val_accuracy", "val_kappa"),
    panel = c("loss", "loss", rep("accuracy, kappa", 3)),
    part = c("training", "validation", "training", "validation", "validation, kappa"),
    colour = c(INK, BLUE, INK, BLUE, BLUE), dash = c(1, 2, 1, 2, 3)
  )
  parts <- parts[vapply(parts$column, function(c) !all(is.na(history[[c]])), NA), ]
  base <- function() {
    old <- picture_par(mfrow = two_panels())
    on.exit(graphics::par(old))
    for (panel in unique(parts$panel)) {
      these <- parts[parts$panel == panel, ]
      values <- as.matrix(history[these$column])
      limits <- if (panel == "loss") c(0, max(values, na.rm = TRUE)) else
        range(0, 1, values, na.rm = TRUE)
      graphics::matplot(history$epoch, values, type = "o", pch = 19, cex = 0.5, lty = these$dash,
                        col = these$colour, xlab = "epoch", ylab = "", ylim = limits, bty = "l")
      y_label(panel)
      graphics::legend(if (panel == "loss") "topright" else "bottomright", these$part, bty = "n",
                       lty = these$dash, col = these$colour)
    }
  }
  modern <- function() {
    long <- do.call(rbind, lapply(seq_len(nrow(parts)), function(i) {
      data.frame(parts[i, c("panel", "part")], epoch = history$epoch,
                 value = history[[parts$column[i]]], row.names = NULL)
    }))
    long$panel <- factor(long$panel, unique(parts$panel))
    ggplot2::ggplot(long, ggplot2::aes(.data$epoch, .data$value, colour = .data$part,
                                       linetype = .data$part)) +
      ggplot2::geom_line() + ggplot2::geom_point(size = 0.8) +
      ggplot2::facet_wrap(~panel, scales = "free_y") +
      ggplot2::scale_colour_manual(values = c(training = INK, validation = BLUE,
                                              "validation, kappa" = BLUE)) +
      ggplot2::scale_x_continuous(breaks = function(limits) unique(round(pretty(limits)))) +
      ggplot2::expand_limits(y = 0) + ggplot2::labs(y = NULL, colour = NULL, linetype = NULL) +
      modern_theme()
  }
  show_picture(history, base, modern, width, out, function(mm) if (mm < 120) 1.2 * mm else 0.42 * mm)
}

#' @rdname lucas_plot
#' @export
lucas_plot_confusion <- function(evaluation, width = "double", out = NULL) {
  if (!inherits(evaluation, "lucas_evaluation")) {
    stop_lucas("input", "evaluation must be what lucas_evaluate() returned; got ",
               describe(evaluation), ".")
  }
  counts <- unclass(evaluation$confusion)
  classes <- rownames(counts)
  shares <- sweep(counts, 2, colSums(counts), "/")
  table <- data.frame(
    predicted = rep(classes, length(classes)), reference = rep(classes, each = length(classes)),
    n = as.vector(counts), share_of_reference = as.vector(shares),
    share_of_predicted = as.vector(sweep(counts, 1, rowSums(counts), "/"))
  )
  said <- ifelse(table$n == 0 & table$predicted != table$reference, "\u00b7",
                 paste0(table$n, ifelse(is.na(table$share_of_reference), "",
                                        sprintf("\n%.0f %%", 100 * table$share_of_reference))))
  dark <- !is.na(table$share_of_reference) & table$share_of_reference > 0.6
  base <- function() {
    labels <- vapply(classes, short, "")
    old <- picture_par(mar = c(1, 1, 0.5, 0.5))
    on.exit(graphics::par(old))
    left <- max(graphics::strwidth(labels, "inches")) / graphics::par("csi") + 2.5
    graphics::par(mar = c(left, left, 0.5, 0.5))
    k <- length(classes)
    share <- ifelse(is.na(shares), 0, shares)
    # The first class on top, as in the printed table.
    graphics::image(seq_len(k), seq_len(k), t(share[k:1, , drop = FALSE]), zlim = c(0, 1.15),
                    axes = FALSE, col = grDevices::hcl.colors(64, "Blues", rev = TRUE), xlab = "",
                    ylab = "")
    graphics::abline(h = seq_len(k) + 0.5, v = seq_len(k) + 0.5, col = "white")
    graphics::axis(1, seq_len(k), labels, tick = FALSE, las = 2, line = -0.4)
    graphics::axis(2, seq_len(k), rev(labels), tick = FALSE, las = 2, line = -0.4)
    graphics::mtext("reference", 1, line = left - 1.2)
    graphics::mtext("predicted", 2, line = left - 1.2, las = 0)
    room <- graphics::par("pin")[1] / k / max(graphics::strwidth(said, "inches"))
    graphics::text(match(table$reference, classes), k + 1 - match(table$predicted, classes),
                   if (room > 1.1) said else sub("\n.*", "", said),
                   col = ifelse(dark, "white", INK))
  }
  modern <- function() {
    drawn <- data.frame(table, said = said, dark = dark)
    drawn$predicted <- factor(drawn$predicted, rev(classes))
    drawn$reference <- factor(drawn$reference, classes)
    ggplot2::ggplot(drawn, ggplot2::aes(.data$reference, .data$predicted)) +
      ggplot2::geom_tile(ggplot2::aes(fill = .data$share_of_reference), colour = "white") +
      ggplot2::geom_text(ggplot2::aes(label = .data$said, colour = .data$dark), size = 8 / 2.85,
                         show.legend = FALSE) +
      ggplot2::scale_colour_manual(values = c("FALSE" = INK, "TRUE" = "white")) +
      ggplot2::scale_fill_gradientn(colours = grDevices::hcl.colors(64, "Blues", rev = TRUE),
                                    limits = c(0, 1.15), na.value = "white", guide = "none") +
      modern_theme() + ggplot2::theme(axis.text.x = ggplot2::element_text(angle = 90, hjust = 1,
                                                                         vjust = 0.5))
  }
  show_picture(table, base, modern, width, out, function(mm) min(mm, 40 + 22 * length(classes)))
}

#' @rdname lucas_plot
#' @export
lucas_plot_map <- function(points, width = "double", out = NULL) {
  found <- call_core("map_picture", list(points = table_or_path(points, "points")))
  table <- found$points
  classes <- levels(table$predicted)
  styles <- class_styles(classes)
  sign <- match(table$predicted, classes)
  edge <- unlist(found$extent)
  coast <- found$coast
  drawn <- order(-table$confidence)  # small signs last, so that no larger one covers them
  seen <- classes %in% table$predicted
  base <- function() {
    old <- picture_par(mar = c(3, 0.5, 0.5, 0.5))
    on.exit(graphics::par(old))
    labels <- vapply(classes[seen], short, "")
    per_row <- max(1, floor(graphics::par("fin")[1] / (0.4 + max(graphics::strwidth(labels, "inches")))))
    per_row <- min(per_row, length(labels))
    graphics::par(mar = c(1.5 + 1.1 * ceiling(length(labels) / per_row), 0.5, 0.5, 0.5))
    graphics::plot(NA, xlim = edge[1:2], ylim = edge[3:4], asp = 1, axes = FALSE, xlab = "",
                   ylab = "", xaxs = "i", yaxs = "i")
    # asp widens the window; the frame shows it as it is.
    window <- graphics::par("usr")
    lines <- split(coast[c("x", "y")], coast$line)
    for (line in lines) graphics::lines(line$x, line$y, col = "#A8A8A8")
    graphics::points(table$x[drawn], table$y[drawn], pch = styles$pch[sign[drawn]],
                     bg = styles$colour[sign[drawn]],
                     col = ifelse(styles$pch > 20, INK, styles$colour)[sign[drawn]],
                     cex = 0.4 + table$confidence[drawn], lwd = 0.5)
    length <- bar_length(diff(window[1:2]))
    x <- window[1] + 0.04 * diff(window[1:2])
    y <- window[3] + 0.04 * diff(window[3:4])
    graphics::segments(x, y, x + length, y, lwd = 2, col = INK)
    graphics::text(x + length / 2, y, sprintf("%g km", length / 1000), pos = 3, offset = 0.3)
    graphics::box(col = PALE)
    graphics::legend("topright", sprintf("p = %.1f", c(0.4, 0.7, 1)), pch = 21, pt.bg = "white",
                     pt.cex = 0.4 + c(0.4, 0.7, 1), bg = "white", box.col = PALE)
    graphics::legend(window[1], window[3], labels, pch = styles$pch[seen], bty = "n", xpd = NA,
                     pt.bg = styles$colour[seen],
                     col = ifelse(styles$pch > 20, INK, styles$colour)[seen],
                     ncol = per_row)
  }
  modern <- function() {
    ggplot2::ggplot(table[drawn, ], ggplot2::aes(.data$x, .data$y)) +
      ggplot2::geom_path(ggplot2::aes(group = .data$line), data = coast, colour = "#A8A8A8") +
      ggplot2::geom_point(ggplot2::aes(fill = .data$predicted, colour = .data$predicted,
                                       shape = .data$predicted, size = .data$confidence)) +
      ggplot2::scale_fill_manual(values = structure(styles$colour, names = classes)) +
      ggplot2::scale_colour_manual(values = structure(
        ifelse(styles$pch > 20, INK, styles$colour), names = classes)) +
      ggplot2::scale_shape_manual(values = structure(styles$pch, names = classes)) +
      ggplot2::scale_size(range = c(0.8, 3), limits = c(0, 1)) +
      ggplot2::coord_equal(xlim = edge[1:2], ylim = edge[3:4], expand = FALSE) +
      ggplot2::labs(x = "x (EPSG:3035, m)", y = "y (m)", fill = NULL, colour = NULL, shape = NULL,
                    size = "probability") + modern_theme()
  }
  tall <- diff(edge[3:4]) / diff(edge[1:2])
  show_picture(table, base, modern, width, out, function(mm) mm * tall + 10 + 4 * (sum(seen) %/% 4))
}

#' @rdname lucas_plot
#' @export
lucas_plot_photos <- function(predictions, right = TRUE, n = 12, seed = 1, width = "double",
                              out = NULL) {
  found <- call_core("photos_picture", list(
    predictions = table_or_path(predictions, "predictions"), right = check_flag(right, "right"),
    n = scalar(n), seed = scalar(seed)
  ))
  rows <- found$rows
  styles <- class_styles(unlist(found$classes))
  p <- as.matrix(rows[utils::tail(names(rows), nrow(styles))])
  said <- sprintf("%s %.2f", vapply(as.character(rows$predicted), short, "", 16), rows$confidence)
  truth <- if (right) character(nrow(rows)) else {
    paste("is", vapply(as.character(rows$habitat), short, "", 14),
          ifelse(is.na(rows$reference_probability), "",
                 sprintf("%.2f", rows$reference_probability)))
  }
  columns <- function(mm) max(1, floor((mm - 3) / 40))
  step <- function(mm) 0.75 * ((mm - 3) / columns(mm) - 3) + if (right) 11.5 else 15
  height <- function(mm) {
    4 + step(mm) * ceiling(nrow(rows) / columns(mm)) + key_places(styles, mm)$height
  }
  base <- function(mm = 170) {
    sheet(mm, height(mm), function() {
      wide <- (mm - 3) / columns(mm) - 3
      for (i in seq_len(nrow(rows))) {
        x <- 3 + ((i - 1) %% columns(mm)) * (wide + 3)
        y <- 3 + ((i - 1) %/% columns(mm)) * step(mm)
        draw_photo(found$photos[[i]], x, y, wide, 0.75 * wide)
        draw_stack(p[i, ], styles, x, y + 0.75 * wide + 1, wide, 2)
        graphics::text(x, y + 0.75 * wide + 5.5, said[i], adj = c(0, 0.5))
        if (!right) {
          graphics::text(x, y + 0.75 * wide + 9, truth[i], adj = c(0, 0.5), col = SOFT)
        }
      }
      draw_keys(styles, mm, height(mm))
    })
  }
  show_picture(rows, base, NULL, width, out, height)
}

#' @rdname lucas_plot
#' @export
lucas_plot_point <- function(predictions, point_id, year = NULL, width = "double", out = NULL) {
  if (is.numeric(point_id)) point_id <- number_text(point_id)
  found <- call_core("point_picture", list(
    predictions = table_or_path(predictions, "predictions"), point_id = scalar(point_id),
    year = scalar(year)
  ))
  rows <- found$rows
  classes <- as.character(unlist(found$classes))
  styles <- class_styles(classes)
  columns <- probability_columns(rows)
  p <- as.matrix(rows[columns])
  shown <- rowSums(!is.finite(p)) == 0
  voting <- shown & !rows$direction %in% "C"
  sides <- c(P = "point", N = "north", E = "east", S = "south", W = "west", C = "close-up")
  side <- ifelse(is.na(rows$direction), "photo", sides[rows$direction])
  label <- unique(stats::na.omit(as.character(rows$habitat)))
  title <- paste0("Point ", point_id, if (!anyNA(rows$year)) paste0(", ", rows$year[1]),
                  if (length(label) == 1) paste0("; reference ", short(label)))
  lines <- nrow(rows) + (sum(voting) > 1)
  height <- function(mm) 12 + 17.5 * lines + key_places(styles, mm)$height
  base <- function(mm = 170) {
    sheet(mm, height(mm), function() {
      graphics::text(3, 4, title, adj = c(0, 0.5))
      for (i in seq_len(nrow(rows))) {
        y <- 9 + 17.5 * (i - 1)
        graphics::text(3, y + 7.5, side[i], adj = c(0, 0.5))
        draw_photo(found$photos[[i]], 18, y, 20, 15)
        if (shown[i]) {
          graphics::text(41, y + 3.3, sprintf("%s %.2f", short(as.character(rows$predicted[i])),
                                              max(p[i, ])), adj = c(0, 0.5))
          draw_stack(p[i, ], styles, 41, y + 5.7, mm - 44, 6, numbers = TRUE)
        } else {
          graphics::text(41, y + 7.5, paste("not classified:", rows$status[i]), adj = c(0, 0.5),
                         col = SOFT)
        }
      }
      if (sum(voting) > 1) {
        y <- 9 + 17.5 * nrow(rows)
        said <- if (all(voting == shown)) "mean of the photos" else "mean, no close-ups"
        graphics::text(3, y + 7.5, said, adj = c(0, 0.5), font = 2)
        draw_stack(colMeans(p[voting, , drop = FALSE]), styles, 41, y + 4.5, mm - 44, 6,
                   numbers = TRUE)
      }
      draw_keys(styles, mm, height(mm))
    })
  }
  modern <- function() {
    long <- data.frame(photo = factor(rep(side, length(classes)), rev(unique(side))),
                       class = factor(rep(classes, each = nrow(rows)), classes), p = as.vector(p))
    ggplot2::ggplot(long[is.finite(long$p), ], ggplot2::aes(.data$p, .data$photo,
                                                            fill = .data$class)) +
      ggplot2::geom_col(position = ggplot2::position_stack(reverse = TRUE)) +
      ggplot2::scale_fill_manual(values = structure(styles$colour, names = classes)) +
      ggplot2::labs(x = "probability", y = NULL, fill = NULL, title = title) + modern_theme()
  }
  show_picture(rows, base, modern, width, out, height)
}

#' @rdname lucas_plot
#' @export
lucas_plot_reliability <- function(predictions, width = "single", out = NULL) {
  table <- lucas_reliability(predictions)
  seen <- table[table$n > 0, ]
  error <- sprintf("expected calibration error %.3f", attr(table, "ece"))
  base <- function() {
    # Also mfrow, because restoring it ends the layout.
    old <- picture_par(mfrow = c(1, 1))
    on.exit(graphics::par(old))
    graphics::layout(1:2, heights = c(3, 1.3))
    graphics::par(mar = c(1, 4.2, 0.5, 0.5))
    graphics::plot(NA, xlim = 0:1, ylim = c(0, 1.05), xlab = "", ylab = "", bty = "l",
                   xaxt = "n")
    y_label("share that is right")
    graphics::axis(1, labels = FALSE)
    graphics::segments(0, 0, 1, 1, lty = 2, col = SOFT)
    draw_intervals(seen$confidence, seen, "accuracy", BLUE, 19)
    graphics::text(0, 1.03, error, adj = c(0, 0.5))
    graphics::par(mar = c(3.2, 4.2, 0.5, 0.5))
    graphics::plot(NA, xlim = 0:1, ylim = c(0, 1.4 * max(seen$n)), bty = "l", yaxt = "n",
                   xlab = "probability of the predicted class", ylab = "")
    y_label("number")
    graphics::axis(2, pretty(c(0, max(seen$n)), 2))
    graphics::rect(seen$low + 0.003, 0, seen$high - 0.003, seen$n, col = PALE, border = SOFT)
    graphics::text((seen$low + seen$high) / 2, seen$n, seen$n, pos = 3, offset = 0.25)
  }
  modern <- function() {
    ggplot2::ggplot(seen, ggplot2::aes(.data$confidence, .data$accuracy)) +
      ggplot2::geom_abline(linetype = 2, colour = SOFT) +
      ggplot2::geom_errorbar(ggplot2::aes(ymin = .data$accuracy_low, ymax = .data$accuracy_high),
                             width = 0.02, colour = BLUE) +
      ggplot2::geom_line(colour = BLUE) + ggplot2::geom_point(ggplot2::aes(size = .data$n),
                                                              colour = BLUE) +
      ggplot2::coord_equal(xlim = 0:1, ylim = 0:1) + ggplot2::scale_size_area(max_size = 4) +
      ggplot2::labs(x = "probability of the predicted class", y = "share that is right",
                    subtitle = error) + modern_theme()
  }
  show_picture(table, base, modern, width, out, function(mm) 1.2 * min(mm, 110))
}

#' @rdname lucas_plot
#' @export
lucas_plot_votes <- function(predictions, seed = 1, width = "double", out = NULL) {
  table <- lucas_vote_gain(predictions, seed = seed)
  note <- sprintf("%d points; bars hold 95 %% of draws", table$n_points[1])
  base <- function() {
    old <- picture_par(mfrow = two_panels(), oma = c(1.2, 0, 0, 0))
    on.exit(graphics::par(old))
    x <- table$n_photos
    both <- unlist(table[c("accuracy_low", "kappa_low")])
    graphics::plot(NA, xlim = range(x) + c(-0.3, 0.3), ylim = c(min(both, na.rm = TRUE) - 0.08, 1.01),
                   xlab = "photos that vote", ylab = "", bty = "l", xaxt = "n")
    y_label("share or kappa")
    graphics::axis(1, x)
    draw_intervals(x - 0.05, table, "accuracy", INK, 19)
    draw_intervals(x + 0.05, table, "kappa", BLUE, 15)
    graphics::legend("bottomright", c("overall accuracy", "kappa"), pch = c(19, 15), bty = "n",
                     col = c(INK, BLUE), lty = 1)
    gains <- table[-1, ]
    graphics::plot(NA, xlim = range(x) + c(-0.3, 0.3), bty = "l", xaxt = "n",
                   ylim = range(0, gains$kappa_gain_low, gains$kappa_gain_high, na.rm = TRUE),
                   xlab = "photos that vote", ylab = "")
    y_label("gain in kappa")
    graphics::axis(1, x)
    graphics::abline(h = 0, col = SOFT)
    draw_intervals(gains$n_photos, gains, "kappa_gain", BLUE, 15, line = FALSE)
    graphics::mtext(note, 1, outer = TRUE, col = SOFT, line = 0)
  }
  modern <- function() {
    names <- c("accuracy", "kappa", "kappa_gain")
    labels <- c("overall accuracy", "kappa", "gain in kappa")
    long <- do.call(rbind, lapply(seq_along(names), function(i) {
      data.frame(measure = labels[i], n_photos = table$n_photos, value = table[[names[i]]],
                 low = table[[paste0(names[i], "_low")]], high = table[[paste0(names[i], "_high")]])
    }))
    long$measure <- factor(long$measure, labels)
    ggplot2::ggplot(long[!is.na(long$value), ], ggplot2::aes(.data$n_photos, .data$value)) +
      ggplot2::geom_errorbar(ggplot2::aes(ymin = .data$low, ymax = .data$high), width = 0.15,
                             colour = BLUE) +
      ggplot2::geom_line(colour = BLUE) + ggplot2::geom_point(colour = BLUE) +
      ggplot2::facet_wrap(~measure, scales = "free_y") +
      ggplot2::labs(x = "photos that vote", y = NULL, caption = note) + modern_theme()
  }
  show_picture(table, base, modern, width, out, function(mm) if (mm < 120) 1.25 * mm else 0.45 * mm)
}

#' @rdname lucas_plot
#' @export
lucas_plot_transitions <- function(table, width = "double", out = NULL) {
  found <- call_core("transitions_picture", list(table = table_or_path(table, "table")))
  all <- found$table
  drawn <- found$drawn
  styles <- class_styles(levels(all$class_from))
  drawn$from <- vapply(as.character(drawn$class_from), short, "", 18)
  drawn$to <- vapply(as.character(drawn$class_to), short, "", 18)
  pairs <- unique(all[!is.na(all$changed),
                      c("year_from", "year_to", "n_points", "changed_predicted", "changed",
                        "changed_low", "changed_high")])
  interval <- ifelse(is.na(pairs$changed_low), "", sprintf(
    " (%.1f to %.1f)", 100 * pairs$changed_low, 100 * pairs$changed_high))
  title <- sprintf("%d to %d, %d points\n%.1f %%%s changed\n%.1f %% by counting", pairs$year_from,
                   pairs$year_to, pairs$n_points, 100 * pairs$changed, interval,
                   100 * pairs$changed_predicted)
  rows <- lapply(seq_len(nrow(pairs)), function(i) {
    drawn[drawn$year_from == pairs$year_from[i] & drawn$year_to == pairs$year_to[i], ]
  })
  tallest <- max(vapply(rows, nrow, 1L), 3)
  columns <- function(mm) if (mm >= 120 && nrow(pairs) > 1) 2 else 1
  base <- function() {
    across <- columns(25.4 * graphics::par("din")[1])
    old <- picture_par(mfrow = c(ceiling(nrow(pairs) / across), across), oma = c(1.6, 0, 0, 0))
    on.exit(graphics::par(old))
    for (i in seq_len(nrow(pairs))) {
      these <- rows[[i]]
      label <- sprintf("%s to %s", these$from, these$to)
      # In inches until there is a plot; the signs of the two classes stand beside the names.
      left <- max(graphics::strwidth(label, "inches"), 0) / graphics::par("csi") + 2.8
      graphics::par(mar = c(3.2, left, 3.6, 0.8))
      values <- 100 * as.matrix(these[c("share_predicted", "share", "low", "high")])
      graphics::plot(NA, xlim = c(0, max(1, values, na.rm = TRUE)), ylim = c(tallest + 0.4, 0.6),
                     xlab = "% of points", ylab = "", bty = "l", yaxt = "n")
      graphics::mtext(title[i], 3, line = 0.3, adj = 1)
      if (nrow(these) == 0) next
      y <- seq_len(nrow(these))
      character <- graphics::par("cxy")[1]
      graphics::text(graphics::par("usr")[1] - 2.9 * character, y, label, adj = c(1, 0.5), xpd = NA)
      for (side in c("class_from", "class_to")) {
        sign <- styles[match(these[[side]], styles$class), ]
        away <- if (side == "class_from") 2.1 else 0.9
        graphics::points(rep(graphics::par("usr")[1] - away * character, nrow(these)), y,
                         pch = sign$pch, bg = sign$colour, xpd = NA, lwd = 0.5,
                         col = ifelse(sign$pch > 20, INK, sign$colour))
      }
      graphics::segments(values[, "low"], y, values[, "high"], y, col = INK)
      graphics::points(values[, "share_predicted"], y, pch = 1, cex = 1.2, col = "#9A9A9A")
      graphics::points(values[, "share"], y, pch = 19, col = BLUE)
    }
    graphics::mtext("dot: estimated, with interval; ring: by counting", 1, outer = TRUE, col = SOFT,
                    line = 0.2)
  }
  modern <- function() {
    pair <- match(paste(drawn$year_from, drawn$year_to), paste(pairs$year_from, pairs$year_to))
    long <- data.frame(drawn, panel = factor(title[pair], title),
                       name = sprintf("%s to %s", drawn$from, drawn$to))
    long$name <- factor(long$name, rev(unique(long$name)))
    ggplot2::ggplot(long, ggplot2::aes(100 * .data$share, .data$name)) +
      ggplot2::geom_segment(ggplot2::aes(x = 100 * .data$low, xend = 100 * .data$high,
                                         yend = .data$name), colour = INK, na.rm = TRUE) +
      ggplot2::geom_point(ggplot2::aes(x = 100 * .data$share_predicted, shape = "by counting",
                                       colour = "by counting")) +
      ggplot2::geom_point(ggplot2::aes(shape = "estimated, with interval",
                                       colour = "estimated, with interval")) +
      ggplot2::scale_shape_manual(values = c("by counting" = 1, "estimated, with interval" = 19)) +
      ggplot2::scale_colour_manual(values = c("by counting" = "#9A9A9A",
                                              "estimated, with interval" = BLUE)) +
      ggplot2::facet_wrap(~panel, scales = "free") +
      ggplot2::labs(x = "% of points", y = NULL, shape = NULL, colour = NULL) + modern_theme() +
      ggplot2::theme(legend.position = "bottom")
  }
  show_picture(all, base, modern, width, out,
               function(mm) ceiling(nrow(pairs) / columns(mm)) * (5 * tallest + 24) + 6)
}

#' What each further photo that votes gains
#'
#' For 1, 2, ... photos, so many of each point's photos are drawn at random and vote by majority, as
#' [lucas_vote()] does. Only points with at least as many readable photos as most points have (five
#' at most) count, so that every number of photos is judged on the same points.
#'
#' @param predictions What [lucas_classify()] returned for labelled photos of points, or such a file.
#' @param n_draws How often directions are drawn.
#' @param seed For the draws.
#' @return A data.frame, one row a number of photos: `n_photos`, `accuracy` and `kappa` (means over
#'   the draws), `kappa_gain` (kappa less that with one photo fewer), each with `*_low` and `*_high`,
#'   and `n_points`. Intervals hold 95 % of draws of directions and, as in [lucas_evaluate()], of
#'   points.
#' @seealso [lucas_plot_votes()]
#' @export
lucas_vote_gain <- function(predictions, n_draws = 500, seed = 1) {
  call_core("vote_gain", list(predictions = table_or_path(predictions, "predictions"),
                              n_draws = scalar(n_draws), seed = scalar(seed)))
}

#' Whether a probability of 0.8 is right in 8 of 10 cases
#'
#' Rows are sorted by the probability of their predicted class into ten bins of equal width.
#'
#' @param predictions What [lucas_classify()] or [lucas_vote()] returned for labelled photos, or such
#'   a file.
#' @return A data.frame, one row a bin: `low`, `high` (its edges), `n` (rows), `n_points`,
#'   `confidence` (mean probability), `accuracy` (share that is right) with `accuracy_low` and
#'   `accuracy_high`: Wilson's 95 % interval for as many independent cases as there are points,
#'   because photos of one point are not independent. Empty bins have `n` 0 and `NA`. The
#'   attribute `ece` is the expected calibration error, the mean over rows of
#'   `|accuracy - confidence|` of their bin: 0 is perfect.
#' @references
#' Guo, C. et al. (2017). On calibration of modern neural networks. ICML 2017, arXiv:1706.04599.
#'
#' Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
#' Journal of the American Statistical Association 22, 209-212. \doi{10.2307/2276774}
#' @seealso [lucas_plot_reliability()]
#' @export
lucas_reliability <- function(predictions) {
  table <- call_core("reliability", list(predictions = table_or_path(predictions, "predictions")))
  table[] <- lapply(table, function(v) ifelse(is.nan(v), NA, v))
  table
}

# ---- common to all ----

INK <- "#1A1A1A"
SOFT <- "#6B6B6B"
PALE <- "#D0D0D0"
BLUE <- "#1F5FA8"

utils::globalVariables(".data")  # ggplot2's pronoun

# plot() draws at once, as R users expect of it, also where ggplot2 is attached.
drawing <- new.env()

with_base_graphics <- function(code) {
  drawing$base <- TRUE
  on.exit(drawing$base <- FALSE)
  code
}

# Draws on the current device, or into a file of its own; or returns a ggplot where that is wanted.
show_picture <- function(table, base, modern, width, out, height) {
  mm <- picture_width(width)
  use_modern <- !is.null(modern) && "package:ggplot2" %in% search() && !isTRUE(drawing$base)
  if (is.null(out)) {
    if (use_modern) return(modern())
    base()
    return(invisible(table))
  }
  out <- check_file_name(out, "out")
  ending <- tolower(sub("^.*\\.", ".", basename(out)))
  if (!ending %in% c(".png", ".svg")) {
    stop_lucas("input", "out must end in .png or .svg; got ", basename(out), " instead.")
  }
  # Drawn beside its place and moved there, so that it appears whole or not at all.
  made <- tempfile(".picture-", dirname(out), ending)
  before <- grDevices::dev.cur()
  size <- c(mm, height(mm)) / 25.4
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
  if (use_modern) print(modern()) else if ("mm" %in% names(formals(base))) base(mm) else base()
  close()
  moved <- suppressWarnings(file.rename(made, out))
  if (!moved) {
    stop_lucas("input", "The picture cannot be put at ", out,
               ". Is that a folder, or open in another program?")
  }
  invisible(table)
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

# Beside the widest tick labels, such as -0.05.
y_label <- function(text) graphics::title(ylab = text, line = 3)

# Beside each other, or above where the page is narrow.
two_panels <- function() if (graphics::par("din")[1] < 120 / 25.4) c(2, 1) else c(1, 2)

modern_theme <- function() {
  ggplot2::theme_minimal(base_size = 8) +
    ggplot2::theme(panel.grid.minor = ggplot2::element_blank(),
                   text = ggplot2::element_text(colour = INK))
}

short <- function(label, most = 28) {
  if (nchar(label) <= most) label else paste0(substr(label, 1, most - 1), "\u2026")
}

draw_intervals <- function(x, table, name, colour, pch, line = TRUE) {
  low <- table[[paste0(name, "_low")]]
  high <- table[[paste0(name, "_high")]]
  wide <- !is.na(low) & high - low > 1e-3  # arrows() warns of ones without length
  if (any(wide)) {
    graphics::arrows(x[wide], low[wide], x[wide], high[wide], angle = 90, code = 3, length = 0.03,
                     col = colour)
  }
  graphics::points(x, table[[name]], pch = pch, col = colour, type = if (line) "o" else "p")
}

# A round length of at most a quarter of what a map shows.
bar_length <- function(span) {
  power <- 10^floor(log10(span / 4))
  max(c(1, 2, 5)[c(1, 2, 5) * power <= span / 4]) * power
}

# A page in millimetres from its upper left corner.
sheet <- function(mm, height, draw) {
  old <- picture_par(mar = c(0, 0, 0, 0))
  on.exit(graphics::par(old))
  graphics::plot.new()
  # Text grows and shrinks with the page; in a file it has 8 pt.
  scale <- min(graphics::par("pin") * 25.4 / c(mm, height))
  graphics::par(cex = scale * 8 / graphics::par("ps"))
  graphics::plot.window(c(0, mm), c(height, 0), xaxs = "i", yaxs = "i", asp = 1)
  draw()
}

draw_photo <- function(photo, x, y, wide, tall) {
  if (is.null(photo$rgb)) {
    graphics::rect(x, y, x + wide, y + tall, col = "#E8E8E8", border = NA)
    graphics::text(x + wide / 2, y + tall / 2, photo$status, col = SOFT)
    return(invisible())
  }
  columns <- length(photo$rgb) / 3 / photo$height
  pixels <- aperm(array(as.integer(photo$rgb) / 255, c(3, columns, photo$height)), c(3, 2, 1))
  scale <- min(wide / columns, tall / photo$height)
  w <- columns * scale
  h <- photo$height * scale
  left <- x + (wide - w) / 2
  top <- y + (tall - h) / 2
  graphics::rasterImage(grDevices::as.raster(pixels), left, top + h, left + w, top)
}

draw_stack <- function(p, styles, x, y, wide, tall, numbers = FALSE) {
  ends <- x + wide * cumsum(p)
  starts <- ends - wide * p
  graphics::rect(starts, y, ends, y + tall, col = styles$colour, border = "white", lwd = 0.5)
  text <- sprintf("%.2f", p)
  fits <- numbers & wide * p > 1.3 * graphics::strwidth(text)
  if (any(fits)) {
    graphics::text(((starts + ends) / 2)[fits], y + tall / 2, text[fits], col = styles$ink[fits])
  }
}

# Where the key of each class stands: its row, and millimetres from the left. A letter takes 1.75 mm
# at most, on the average of a word.
key_places <- function(styles, mm) {
  wide <- 9 + 1.75 * nchar(vapply(styles$class, short, ""))
  row <- at <- numeric(length(wide))
  x <- 3
  for (i in seq_along(wide)) {
    if (i > 1 && x + wide[i] > mm) {
      row[i:length(row)] <- row[i:length(row)] + 1
      x <- 3
    }
    at[i] <- x
    x <- x + wide[i]
  }
  list(row = row, at = at, height = 5 * (max(row) + 1))
}

draw_keys <- function(styles, mm, bottom) {
  keys <- key_places(styles, mm)
  y <- bottom - keys$height + 5 * keys$row
  graphics::rect(keys$at, y, keys$at + 3, y + 3, col = styles$colour, border = NA)
  graphics::text(keys$at + 4.2, y + 1.5, vapply(styles$class, short, ""), adj = c(0, 0.5))
}
