# The picture of what recipes of training gain over the first of them, and what they cost.

#' @rdname lucas_plot
#' @export
lucas_plot_recipes <- function(comparison, width = "double", out = NULL, as = c("base", "ggplot")) {
  if (!inherits(comparison, "lucas_recipe_comparison")) {
    stop_lucas("input", "comparison must be what lucas_compare_recipes() returned; got ",
               describe(comparison), ".")
  }
  table <- comparison$table
  rows <- recipe_rows(table)
  reference <- short(comparison$reference, 16)
  show_picture(table, function(mm) draw_recipes(table, rows, reference, mm),
               function(mm) 12 * nrow(table) + 40, width, out, as,
               function() ggplot_recipes(table, rows, comparison))
}

RECIPE_MEASURES <- c(accuracy = "overall_accuracy", kappa = "kappa", "log loss (less is better)" = "log_loss")
RECIPE_COSTS <- c("training,\ns" = "train_seconds", "a photo,\nms" = "milliseconds", "model,\nMB" = "megabytes")

# One row a recipe and measure: its value, and the difference from the first recipe with its interval.
recipe_rows <- function(table) {
  do.call(rbind, lapply(names(RECIPE_MEASURES), function(label) {
    measure <- RECIPE_MEASURES[[label]]
    rows <- data.frame(recipe = table$recipe, place = seq_len(nrow(table)), measure = label,
                       value = table[[measure]], stringsAsFactors = FALSE)
    for (end in c("", "_low", "_high")) {
      rows[[paste0("difference", end)]] <- as.numeric(table[[paste0(measure, "_difference", end)]])
    }
    rows$difference[1] <- if (is.na(rows$value[1])) NA else 0
    differs <- rows$difference_low > 0 | rows$difference_high < 0
    rows$colour <- ifelse(!is.na(differs) & differs, BLUE, INK)
    rows
  }))
}

draw_recipes <- function(table, rows, reference, mm) {
  labels <- unique(rows$measure)
  if (mm < 120) labels <- "kappa"
  names <- vapply(table$recipe, short, "", most = if (mm < 120) 14 else 24)
  # Also mfrow, because restoring it ends the layout.
  old <- picture_par(mfrow = c(1, 1))
  on.exit(graphics::par(old))
  wide <- max(graphics::strwidth(names, "inches")) * 25.4 + 3
  each <- max((mm - wide - 42) / length(labels), 15)
  graphics::layout(matrix(seq_len(length(labels) + 2), 1), widths = c(wide, rep(each, length(labels)), 42))
  graphics::par(cex = 1, mex = 1)  # layout() makes letters smaller
  y <- seq_along(names)
  limits <- c(length(names) + 0.5, 0.1)
  graphics::par(mar = c(5, 0, 0.5, 0))
  blank_panel(c(0, 1), limits)
  graphics::text(1, y, names, pos = 2, xpd = NA)
  for (label in labels) {
    graphics::par(mar = c(5, 0.8, 0.5, 0.8))
    draw_recipe_panel(rows[rows$measure == label, ], label, reference, limits)
  }
  graphics::par(mar = c(5, 0, 0.5, 0))
  blank_panel(c(0, 3), limits)
  for (i in seq_along(RECIPE_COSTS)) {
    graphics::text(i - 0.5, 0.12, names(RECIPE_COSTS)[i], col = SOFT, adj = c(0.5, 1))
    numbers <- table[[RECIPE_COSTS[[i]]]]
    graphics::text(i - 0.5, y, ifelse(is.na(numbers), "", format_3g(numbers)))
  }
  failed <- table$error != ""
  if (any(failed)) graphics::text(1.5, y[failed], "not tested", col = SOFT)
}

blank_panel <- function(x, y) {
  graphics::plot(NA, xlim = x, ylim = y, axes = FALSE, xlab = "", ylab = "", xaxs = "i", yaxs = "i")
}

draw_recipe_panel <- function(rows, label, reference, limits) {
  reach <- 1.25 * max(abs(unlist(rows[c("difference", "difference_low", "difference_high")])), 0.005,
                      na.rm = TRUE)
  blank_panel(c(-reach, reach), limits)
  graphics::box(bty = "l")
  ticks <- pretty(c(-reach, reach), 4)
  ticks <- ticks[abs(ticks) <= reach]
  graphics::axis(1, ticks, ifelse(ticks == 0, "0", sprintf("%+g", ticks)))
  graphics::mtext(paste0(label, "\ndifference from ", reference), 1, line = 3.4, xpd = NA)
  graphics::abline(v = 0, lty = 2, col = SOFT)
  graphics::segments(rows$difference_low, rows$place, rows$difference_high, rows$place, col = rows$colour, lwd = 1.5)
  graphics::points(rows$difference, rows$place, pch = 21, col = rows$colour,
                   bg = ifelse(rows$place == 1, "white", rows$colour))
  graphics::text(rows$difference, rows$place, ifelse(is.na(rows$value), "", sprintf("%.3f", rows$value)),
                 pos = 3, offset = 0.4, col = rows$colour)
}

format_3g <- function(numbers) vapply(numbers, function(v) format(signif(v, 3), scientific = FALSE), "")

ggplot_recipes <- function(table, rows, comparison) {
  costs <- vapply(seq_len(nrow(table)), function(i) {
    if (table$error[i] != "") return(paste0(table$recipe[i], "\nnot tested"))
    paste0(table$recipe[i], "\n", paste(format_3g(unlist(table[i, RECIPE_COSTS])), c("s", "ms", "MB"), collapse = ", "))
  }, "")
  rows$label <- factor(costs[rows$place], rev(costs))
  rows$measure <- factor(rows$measure, names(RECIPE_MEASURES))
  rows <- rows[!is.na(rows$difference), ]
  spans <- rows[!is.na(rows$difference_low), ]
  ggplot2::ggplot(rows, ggplot2::aes(.data$difference, .data$label)) +
    ggplot2::geom_vline(xintercept = 0, linetype = 2, colour = SOFT) +
    ggplot2::geom_segment(ggplot2::aes(x = .data$difference_low, xend = .data$difference_high,
                                       yend = .data$label), data = spans, colour = spans$colour) +
    ggplot2::geom_point(colour = rows$colour) +
    ggplot2::geom_text(ggplot2::aes(label = sprintf("%.3f", .data$value)), colour = rows$colour,
                       vjust = -0.8, size = 2.8) +
    ggplot2::facet_wrap("measure", scales = "free_x") +
    ggplot2::scale_y_discrete(limits = rev(costs)) +
    ggplot2::scale_x_continuous(expand = ggplot2::expansion(0.12)) +
    ggplot2::labs(x = paste("difference from", comparison$reference), y = NULL,
                  caption = paste(strwrap(comparison$design, 90), collapse = "\n")) + ggplot_theme()
}
