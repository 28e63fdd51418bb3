# The map of points.

COAST <- "#A8A8A8"

#' @rdname lucas_plot
#' @export
lucas_plot_map <- function(points, width = "double", out = NULL, as = c("base", "ggplot")) {
  map <- call_core("map_picture", captured(leave_out = DRAWING))
  map$extent <- unlist(map$extent)
  map$styles <- class_styles(levels(map$points$predicted))
  table <- map$points
  # Small signs last, so that no larger one covers them.
  map$points <- table[order(-table$confidence), ]
  tall <- diff(map$extent[3:4]) / diff(map$extent[1:2])
  rows_of_key <- length(unique(stats::na.omit(table$predicted))) %/% 4
  show_picture(table, function(mm) draw_map(map), function(mm) mm * tall + 10 + 4 * rows_of_key,
               width, out, as, function() ggplot_map(map))
}

draw_map <- function(map) {
  old <- picture_par(mar = c(3, 0.5, 0.5, 0.5))
  on.exit(graphics::par(old))
  styles <- map$styles[map$styles$class %in% map$points$predicted, ]
  labels <- vapply(styles$class, short, "")
  per_row <- max(1, floor(graphics::par("fin")[1] / (0.4 + max(graphics::strwidth(labels, "inches")))))
  per_row <- min(per_row, length(labels))
  graphics::par(mar = c(1.5 + 1.1 * ceiling(length(labels) / per_row), 0.5, 0.5, 0.5))
  graphics::plot(NA, xlim = map$extent[1:2], ylim = map$extent[3:4], asp = 1, axes = FALSE, xlab = "",
                 ylab = "", xaxs = "i", yaxs = "i")
  for (line in split(map$coast[c("x", "y")], map$coast$line)) {
    graphics::lines(line$x, line$y, col = COAST)
  }
  sign <- styles[match(map$points$predicted, styles$class), ]
  graphics::points(map$points$x, map$points$y, pch = sign$pch, bg = sign$colour,
                   col = sign_edges(sign), cex = 0.4 + map$points$confidence, lwd = 0.5)
  # asp widens the window; the frame shows it as it is.
  window <- graphics::par("usr")
  draw_scale_bar(window)
  graphics::box(col = PALE)
  graphics::legend("topright", sprintf("p = %.1f", c(0.4, 0.7, 1)), pch = 21, pt.bg = "white",
                   pt.cex = 0.4 + c(0.4, 0.7, 1), bg = "white", box.col = PALE)
  graphics::legend(window[1], window[3], labels, pch = styles$pch, bty = "n", xpd = NA,
                   pt.bg = styles$colour, col = sign_edges(styles), ncol = per_row)
}

draw_scale_bar <- function(window) {
  length <- bar_length(diff(window[1:2]))
  x <- window[1] + 0.04 * diff(window[1:2])
  y <- window[3] + 0.04 * diff(window[3:4])
  graphics::segments(x, y, x + length, y, lwd = 2, col = INK)
  graphics::text(x + length / 2, y, sprintf("%g km", length / 1000), pos = 3, offset = 0.3)
}

# A round length of at most a quarter of what a map shows.
bar_length <- function(span) {
  power <- 10^floor(log10(span / 4))
  max(c(1, 2, 5)[c(1, 2, 5) * power <= span / 4]) * power
}

ggplot_map <- function(map) {
  by_class <- function(values) structure(values, names = map$styles$class)
  ggplot2::ggplot(map$points, ggplot2::aes(.data$x, .data$y)) +
    ggplot2::geom_path(ggplot2::aes(group = .data$line), data = map$coast, colour = COAST) +
    ggplot2::geom_point(ggplot2::aes(fill = .data$predicted, colour = .data$predicted,
                                     shape = .data$predicted, size = .data$confidence)) +
    ggplot2::scale_fill_manual(values = by_class(map$styles$colour)) +
    ggplot2::scale_colour_manual(values = by_class(sign_edges(map$styles))) +
    ggplot2::scale_shape_manual(values = by_class(map$styles$pch)) +
    ggplot2::scale_size(range = c(0.8, 3), limits = c(0, 1)) +
    ggplot2::coord_equal(xlim = map$extent[1:2], ylim = map$extent[3:4], expand = FALSE) +
    ggplot2::labs(x = "x (EPSG:3035, m)", y = "y (m)", fill = NULL, colour = NULL, shape = NULL,
                  size = "probability") + ggplot_theme()
}
