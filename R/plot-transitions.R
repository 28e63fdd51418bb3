# The picture of what changed between campaigns.

#' @rdname lucas_plot
#' @export
lucas_plot_transitions <- function(table, width = "double", out = NULL, as = c("base", "ggplot")) {
  transitions <- call_core("transitions_picture", captured(leave_out = DRAWING))
  pairs <- campaign_pairs(transitions$table)
  rows <- named_transitions(transitions$drawn, pairs)
  tallest <- max(tabulate(rows$pair), 3)
  height <- function(mm) {
    ceiling(nrow(pairs) / transition_columns(mm, pairs)) * (5 * tallest + 24) + 6
  }
  styles <- class_styles(levels(transitions$table$class_from))
  show_picture(
    transitions$table, function(mm) draw_transitions(pairs, rows, tallest, styles), height, width, out,
    as, function() ggplot_transitions(pairs, rows)
  )
}

# One row two campaigns that can be compared, with the title of its panel.
campaign_pairs <- function(table) {
  pairs <- unique(table[!is.na(table$changed),
                        c("year_from", "year_to", "n_points", "changed_predicted", "changed",
                          "changed_low", "changed_high")])
  interval <- ifelse(is.na(pairs$changed_low), "", sprintf(
    " (%.1f to %.1f)", 100 * pairs$changed_low, 100 * pairs$changed_high))
  pairs$title <- sprintf("%d to %d, %d points\n%.1f %%%s changed\n%.1f %% by counting",
                         pairs$year_from, pairs$year_to, pairs$n_points, 100 * pairs$changed,
                         interval, 100 * pairs$changed_predicted)
  pairs
}

# Transitions to draw with their label, and which of the pairs they belong to.
named_transitions <- function(drawn, pairs) {
  shown <- function(classes) vapply(as.character(classes), short, "", 18)
  drawn$label <- sprintf("%s to %s", shown(drawn$class_from), shown(drawn$class_to))
  drawn$pair <- match(paste(drawn$year_from, drawn$year_to), paste(pairs$year_from, pairs$year_to))
  drawn
}

transition_columns <- function(mm, pairs) if (mm >= 120 && nrow(pairs) > 1) 2 else 1

draw_transitions <- function(pairs, rows, tallest, styles) {
  across <- transition_columns(25.4 * graphics::par("din")[1], pairs)
  old <- picture_par(mfrow = c(ceiling(nrow(pairs) / across), across), oma = c(1.6, 0, 0, 0))
  on.exit(graphics::par(old))
  for (i in seq_len(nrow(pairs))) {
    draw_transition_panel(rows[rows$pair %in% i, ], pairs$title[i], tallest, styles)
  }
  graphics::mtext("dot: estimated, with interval; ring: by counting", 1, outer = TRUE, col = SOFT,
                  line = 0.2)
}

# The transitions between two campaigns, the largest on top.
draw_transition_panel <- function(rows, title, tallest, styles) {
  # In inches until there is a plot; the signs of the two classes stand beside the names.
  left <- max(graphics::strwidth(rows$label, "inches"), 0) / graphics::par("csi") + 2.8
  graphics::par(mar = c(3.2, left, 3.6, 0.8))
  values <- 100 * as.matrix(rows[c("share_predicted", "share", "low", "high")])
  graphics::plot(NA, xlim = c(0, max(1, values, na.rm = TRUE)), ylim = c(tallest + 0.4, 0.6),
                 xlab = "% of points", ylab = "", bty = "l", yaxt = "n")
  graphics::mtext(title, 3, line = 0.3, adj = 1)
  if (nrow(rows) == 0) return(invisible())
  y <- seq_len(nrow(rows))
  axis <- graphics::par("usr")[1]
  letter <- graphics::par("cxy")[1]
  graphics::text(axis - 2.9 * letter, y, rows$label, adj = c(1, 0.5), xpd = NA)
  for (side in c("class_from", "class_to")) {
    sign <- styles[match(rows[[side]], styles$class), ]
    away <- if (side == "class_from") 2.1 else 0.9
    graphics::points(rep(axis - away * letter, nrow(rows)), y, pch = sign$pch, bg = sign$colour,
                     xpd = NA, lwd = 0.5, col = sign_edges(sign))
  }
  graphics::segments(values[, "low"], y, values[, "high"], y, col = INK)
  graphics::points(values[, "share_predicted"], y, pch = 1, cex = 1.2, col = RING)
  graphics::points(values[, "share"], y, pch = 19, col = BLUE)
}

ggplot_transitions <- function(pairs, rows) {
  rows$panel <- factor(pairs$title[rows$pair], pairs$title)
  rows$label <- factor(rows$label, rev(unique(rows$label)))
  ggplot2::ggplot(rows, ggplot2::aes(100 * .data$share, .data$label)) +
    ggplot2::geom_segment(ggplot2::aes(x = 100 * .data$low, xend = 100 * .data$high,
                                       yend = .data$label), colour = INK, na.rm = TRUE) +
    ggplot2::geom_point(ggplot2::aes(x = 100 * .data$share_predicted, shape = "by counting",
                                     colour = "by counting")) +
    ggplot2::geom_point(ggplot2::aes(shape = "estimated, with interval",
                                     colour = "estimated, with interval")) +
    ggplot2::scale_shape_manual(values = c("by counting" = 1, "estimated, with interval" = 19)) +
    ggplot2::scale_colour_manual(values = c("by counting" = RING,
                                            "estimated, with interval" = BLUE)) +
    ggplot2::facet_wrap(~panel, scales = "free") +
    ggplot2::labs(x = "% of points", y = NULL, shape = NULL, colour = NULL) + ggplot_theme() +
    ggplot2::theme(legend.position = "bottom")
}
