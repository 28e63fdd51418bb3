# The picture of how much labelling by hand is saved.

#' @rdname lucas_plot
#' @export
lucas_plot_labelling <- function(table, width = "single", out = NULL, as = c("base", "ggplot")) {
  table <- call_core("labelling_picture", captured(leave_out = DRAWING))
  show_picture(table, function(mm) draw_labelling(table), function(mm) 0.75 * min(mm, 110), width, out, as,
               function() ggplot_labelling(table))
}

SAVED_X <- "accuracy that they have at least"
SAVED_Y <- "points without a person"

percent <- function(x) sprintf("%.3g %%", 100 * x)

saved_labels <- function(table) sprintf("%.0f %%\n%d left", 100 * table$share_saved, table$n_by_hand)

saved_limits <- function(table) {
  range(table$accuracy) + max(diff(range(table$accuracy)), 0.01) * c(-0.15, 0.3)
}

# The share of points that need no person, over the accuracy asked for; a ring where none is reached.
draw_labelling <- function(table) {
  old <- picture_par(mar = c(3.2, 5, 0.8, 0.8))
  on.exit(graphics::par(old))
  graphics::plot(NA, xlim = saved_limits(table), ylim = c(0, 1.25), xlab = SAVED_X, ylab = "", bty = "l",
                 xaxt = "n", yaxt = "n", yaxs = "i")
  graphics::title(ylab = SAVED_Y, line = 3.7)
  graphics::axis(1, table$accuracy, percent(table$accuracy))
  graphics::axis(2, 0:4 / 4, percent(0:4 / 4))
  graphics::lines(table$accuracy, table$share_saved, col = BLUE)
  graphics::points(table$accuracy, table$share_saved, pch = 21, col = BLUE, xpd = NA,
                   bg = ifelse(table$n_sure > 0, BLUE, "white"))
  beside <- table$accuracy + diff(saved_limits(table)) / 60
  graphics::text(beside, table$share_saved, saved_labels(table), adj = c(0, -0.15), xpd = NA)
}

ggplot_labelling <- function(table) {
  table$label <- saved_labels(table)
  table$is_reached <- table$n_sure > 0
  ggplot2::ggplot(table, ggplot2::aes(.data$accuracy, .data$share_saved)) +
    ggplot2::geom_line(colour = BLUE) +
    ggplot2::geom_point(ggplot2::aes(fill = .data$is_reached), shape = 21, colour = BLUE, size = 2) +
    ggplot2::scale_fill_manual(values = c(`TRUE` = BLUE, `FALSE` = "white"), guide = "none") +
    ggplot2::geom_text(ggplot2::aes(label = .data$label), vjust = -0.15, hjust = 0, nudge_x = diff(saved_limits(table)) / 60, size = 8 / ggplot2::.pt,
                       lineheight = 0.95) +
    ggplot2::scale_x_continuous(breaks = table$accuracy, labels = percent, limits = saved_limits(table)) +
    ggplot2::scale_y_continuous(breaks = 0:4 / 4, labels = percent, limits = c(0, 1.25)) +
    ggplot2::labs(x = SAVED_X, y = SAVED_Y) + ggplot_theme()
}
