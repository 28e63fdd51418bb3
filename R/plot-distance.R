# The picture of accuracy by distance to training.

#' @rdname lucas_plot
#' @export
lucas_plot_distance <- function(table, width = "single", out = NULL, as = c("base", "ggplot")) {
  table <- call_core("distance_picture", captured(leave_out = DRAWING))
  bins <- table[table$n > 0, ]
  all <- sum(bins$accuracy * bins$n) / sum(bins$n)
  labels <- ifelse(is.finite(bins$high), sprintf("%g\u2013%g", bins$low, bins$high),
                   sprintf("\u2265%g", bins$low))
  show_picture(table, function(mm) draw_distance(bins, labels, all), function(mm) 1.1 * min(mm, 110),
               width, out, as, function() ggplot_distance(bins, labels, all))
}

DISTANCE <- "kilometres to the nearest point trained on"

# Above the share that is right by distance, below how many points each bin has.
draw_distance <- function(bins, labels, all) {
  # Also mfrow, because restoring it ends the layout.
  old <- picture_par(mfrow = c(1, 1))
  on.exit(graphics::par(old))
  graphics::layout(1:2, heights = c(3, 1.7))
  x <- seq_along(labels)
  limits <- c(0.5, length(x) + 0.5)
  graphics::par(mar = c(1, 4.2, 0.5, 0.5))
  graphics::plot(NA, xlim = limits, ylim = c(max(0, min(bins$accuracy_low) - 0.05), 1.04), xlab = "",
                 ylab = "", bty = "l", xaxt = "n")
  y_label("share that is right")
  graphics::axis(1, x, labels = FALSE)
  graphics::abline(h = all, lty = 2, col = SOFT)
  draw_intervals(x, bins, "accuracy", BLUE, 19)
  graphics::par(mar = c(5.2, 4.2, 0.5, 0.5))
  graphics::plot(NA, xlim = limits, ylim = c(0, 1.4 * max(bins$n_points)), bty = "l", yaxt = "n",
                 xaxt = "n", xlab = "", ylab = "")
  y_label("points")
  graphics::axis(1, x, labels, las = 2)
  graphics::mtext(DISTANCE, 1, line = 4.1)
  graphics::axis(2, pretty(c(0, max(bins$n_points)), 2))
  graphics::rect(x - 0.47, 0, x + 0.47, bins$n_points, col = PALE, border = SOFT)
  graphics::text(x, bins$n_points, bins$n_points, pos = 3, offset = 0.25)
}

ggplot_distance <- function(bins, labels, all) {
  bins$bin <- factor(labels, labels)
  ggplot2::ggplot(bins, ggplot2::aes(.data$bin, .data$accuracy, group = 1)) +
    ggplot2::geom_hline(yintercept = all, linetype = 2, colour = SOFT) +
    ggplot2::geom_errorbar(ggplot2::aes(ymin = .data$accuracy_low, ymax = .data$accuracy_high),
                           width = 0.15, colour = BLUE) +
    ggplot2::geom_line(colour = BLUE) +
    ggplot2::geom_point(ggplot2::aes(size = .data$n_points), colour = BLUE) +
    ggplot2::scale_size_area(max_size = 4) +
    ggplot2::labs(x = DISTANCE, y = "share that is right", size = "points") + ggplot_theme()
}
