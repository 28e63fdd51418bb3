# Pictures of how good a model is: its history, confusion, votes and reliability.

#' @rdname lucas_plot
#' @export
lucas_plot_history <- function(model, width = "double", out = NULL, as = c("base", "ggplot")) {
  if (is.character(model)) model <- lucas_load(model)
  history <- check_model(model)$history
  if (is.null(history) || nrow(history) == 0) {
    stop_lucas("input", "The model has no history to draw: it was trained for no epoch.")
  }
  lines <- history_lines(history)
  show_picture(
    history, function(mm) draw_history(history, lines),
    function(mm) if (mm < 120) 1.2 * mm else 0.42 * mm, width, out, as,
    function() ggplot_history(history, lines)
  )
}

# The columns of a history that have values, and how each is drawn.
history_lines <- function(history) {
  lines <- data.frame(
    column = c("loss", "val_loss", "accuracy", "val_accuracy", "val_kappa"),
    panel = c("loss", "loss", rep("accuracy, kappa", 3)),
    part = c("training", "validation", "training", "validation", "validation, kappa"),
    colour = c(INK, BLUE, INK, BLUE, BLUE), dash = c(1, 2, 1, 2, 3)
  )
  lines[vapply(lines$column, function(column) !all(is.na(history[[column]])), NA), ]
}

draw_history <- function(history, lines) {
  old <- picture_par(mfrow = two_panels())
  on.exit(graphics::par(old))
  for (panel in unique(lines$panel)) {
    these <- lines[lines$panel == panel, ]
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

ggplot_history <- function(history, lines) {
  long <- do.call(rbind, lapply(seq_len(nrow(lines)), function(i) {
    data.frame(lines[i, c("panel", "part")], epoch = history$epoch,
               value = history[[lines$column[i]]], row.names = NULL)
  }))
  long$panel <- factor(long$panel, unique(lines$panel))
  ggplot2::ggplot(long, ggplot2::aes(.data$epoch, .data$value, colour = .data$part,
                                     linetype = .data$part)) +
    ggplot2::geom_line() + ggplot2::geom_point(size = 0.8) +
    ggplot2::facet_wrap(~panel, scales = "free_y") +
    ggplot2::scale_colour_manual(values = c(training = INK, validation = BLUE,
                                            "validation, kappa" = BLUE)) +
    ggplot2::scale_x_continuous(breaks = function(limits) unique(round(pretty(limits)))) +
    ggplot2::expand_limits(y = 0) + ggplot2::labs(y = NULL, colour = NULL, linetype = NULL) +
    ggplot_theme()
}

#' @rdname lucas_plot
#' @export
lucas_plot_confusion <- function(evaluation, width = "double", out = NULL, as = c("base", "ggplot")) {
  if (!inherits(evaluation, "lucas_evaluation")) {
    stop_lucas("input", "evaluation must be what lucas_evaluate() returned; got ",
               describe(evaluation), ".")
  }
  counts <- unclass(evaluation$confusion)
  classes <- rownames(counts)
  table <- confusion_cells(counts, classes)
  labels <- confusion_labels(table)
  show_picture(
    table, function(mm) draw_confusion(table, labels, classes),
    function(mm) min(mm, 40 + 22 * length(classes)), width, out, as,
    function() ggplot_confusion(table, labels, classes)
  )
}

# One row a cell of the confusion, with its shares of the column and of the row.
confusion_cells <- function(counts, classes) {
  data.frame(
    predicted = rep(classes, length(classes)), reference = rep(classes, each = length(classes)),
    n = as.vector(counts),
    share_of_reference = as.vector(sweep(counts, 2, colSums(counts), "/")),
    share_of_predicted = as.vector(sweep(counts, 1, rowSums(counts), "/"))
  )
}

# What stands in each cell, and whether in white, because the cell is dark.
confusion_labels <- function(table) {
  share <- ifelse(is.na(table$share_of_reference), "",
                  sprintf("\n%.0f %%", 100 * table$share_of_reference))
  data.frame(
    text = ifelse(table$n == 0 & table$predicted != table$reference, "\u00b7", paste0(table$n, share)),
    is_white = !is.na(table$share_of_reference) & table$share_of_reference > 0.6
  )
}

draw_confusion <- function(table, labels, classes) {
  names <- vapply(classes, short, "")
  old <- picture_par(mar = c(1, 1, 0.5, 0.5))
  on.exit(graphics::par(old))
  left <- max(graphics::strwidth(names, "inches")) / graphics::par("csi") + 2.5
  graphics::par(mar = c(left, left, 0.5, 0.5))
  k <- length(classes)
  share <- matrix(ifelse(is.na(table$share_of_reference), 0, table$share_of_reference), k)
  # The first class on top, as in the printed table.
  graphics::image(seq_len(k), seq_len(k), t(share[k:1, , drop = FALSE]), zlim = c(0, 1.15),
                  axes = FALSE, col = shades(), xlab = "", ylab = "")
  graphics::abline(h = seq_len(k) + 0.5, v = seq_len(k) + 0.5, col = "white")
  graphics::axis(1, seq_len(k), names, tick = FALSE, las = 2, line = -0.4)
  graphics::axis(2, seq_len(k), rev(names), tick = FALSE, las = 2, line = -0.4)
  graphics::mtext("reference", 1, line = left - 1.2)
  graphics::mtext("predicted", 2, line = left - 1.2, las = 0)
  room <- graphics::par("pin")[1] / k / max(graphics::strwidth(labels$text, "inches"))
  graphics::text(match(table$reference, classes), k + 1 - match(table$predicted, classes),
                 if (room > 1.1) labels$text else sub("\n.*", "", labels$text),
                 col = ifelse(labels$is_white, "white", INK))
}

ggplot_confusion <- function(table, labels, classes) {
  cells <- data.frame(table, labels)
  cells$predicted <- factor(cells$predicted, rev(classes))
  cells$reference <- factor(cells$reference, classes)
  ggplot2::ggplot(cells, ggplot2::aes(.data$reference, .data$predicted)) +
    ggplot2::geom_tile(ggplot2::aes(fill = .data$share_of_reference), colour = "white") +
    ggplot2::geom_text(ggplot2::aes(label = .data$text, colour = .data$is_white), size = 8 / 2.85,
                       show.legend = FALSE) +
    ggplot2::scale_colour_manual(values = c("FALSE" = INK, "TRUE" = "white")) +
    ggplot2::scale_fill_gradientn(colours = shades(), limits = c(0, 1.15), na.value = "white",
                                  guide = "none") +
    ggplot_theme() + ggplot2::theme(axis.text.x = ggplot2::element_text(angle = 90, hjust = 1,
                                                                       vjust = 0.5))
}

shades <- function() grDevices::hcl.colors(64, "Blues", rev = TRUE)

#' @rdname lucas_plot
#' @export
lucas_plot_votes <- function(predictions, seed = 1, width = "double", out = NULL,
                             as = c("base", "ggplot")) {
  table <- lucas_vote_gain(predictions, seed = seed)
  note <- sprintf("%d points; bars hold 95 %% of draws", table$n_points[1])
  show_picture(
    table, function(mm) draw_votes(table, note),
    function(mm) if (mm < 120) 1.25 * mm else 0.45 * mm, width, out, as,
    function() ggplot_votes(table, note)
  )
}

draw_votes <- function(table, note) {
  old <- picture_par(mfrow = two_panels(), oma = c(1.2, 0, 0, 0))
  on.exit(graphics::par(old))
  x <- table$n_photos
  lowest <- min(unlist(table[c("accuracy_low", "kappa_low")]), na.rm = TRUE)
  votes_panel(x, c(lowest - 0.08, 1.01), "share or kappa")
  draw_intervals(x - 0.05, table, "accuracy", INK, 19)
  draw_intervals(x + 0.05, table, "kappa", BLUE, 15)
  graphics::legend("bottomright", c("overall accuracy", "kappa"), pch = c(19, 15), bty = "n",
                   col = c(INK, BLUE), lty = 1)
  gains <- table[-1, ]
  votes_panel(x, range(0, gains$kappa_gain_low, gains$kappa_gain_high, na.rm = TRUE), "gain in kappa")
  graphics::abline(h = 0, col = SOFT)
  draw_intervals(gains$n_photos, gains, "kappa_gain", BLUE, 15, line = FALSE)
  graphics::mtext(note, 1, outer = TRUE, col = SOFT, line = 0)
}

votes_panel <- function(x, limits, label) {
  graphics::plot(NA, xlim = range(x) + c(-0.3, 0.3), ylim = limits, xlab = "photos that vote", ylab = "",
                 bty = "l", xaxt = "n")
  y_label(label)
  graphics::axis(1, x)
}

ggplot_votes <- function(table, note) {
  measures <- c(accuracy = "overall accuracy", kappa = "kappa", kappa_gain = "gain in kappa")
  long <- do.call(rbind, lapply(names(measures), function(name) {
    data.frame(measure = measures[[name]], n_photos = table$n_photos, value = table[[name]],
               low = table[[paste0(name, "_low")]], high = table[[paste0(name, "_high")]])
  }))
  long$measure <- factor(long$measure, measures)
  ggplot2::ggplot(long[!is.na(long$value), ], ggplot2::aes(.data$n_photos, .data$value)) +
    ggplot2::geom_errorbar(ggplot2::aes(ymin = .data$low, ymax = .data$high), width = 0.15,
                           colour = BLUE) +
    ggplot2::geom_line(colour = BLUE) + ggplot2::geom_point(colour = BLUE) +
    ggplot2::facet_wrap(~measure, scales = "free_y") +
    ggplot2::labs(x = "photos that vote", y = NULL, caption = note) + ggplot_theme()
}

#' @rdname lucas_plot
#' @export
lucas_plot_reliability <- function(predictions, width = "single", out = NULL,
                                   as = c("base", "ggplot")) {
  table <- lucas_reliability(predictions)
  bins <- table[table$n > 0, ]
  error <- sprintf("expected calibration error %.3f", attr(table, "ece"))
  show_picture(table, function(mm) draw_reliability(bins, error), function(mm) 1.2 * min(mm, 110),
               width, out, as, function() ggplot_reliability(bins, error))
}

# Above the share that is right by probability, below how many rows each bin has.
draw_reliability <- function(bins, error) {
  # Also mfrow, because restoring it ends the layout.
  old <- picture_par(mfrow = c(1, 1))
  on.exit(graphics::par(old))
  graphics::layout(1:2, heights = c(3, 1.3))
  graphics::par(mar = c(1, 4.2, 0.5, 0.5))
  graphics::plot(NA, xlim = 0:1, ylim = c(0, 1.05), xlab = "", ylab = "", bty = "l", xaxt = "n")
  y_label("share that is right")
  graphics::axis(1, labels = FALSE)
  graphics::segments(0, 0, 1, 1, lty = 2, col = SOFT)
  draw_intervals(bins$confidence, bins, "accuracy", BLUE, 19)
  graphics::text(0, 1.03, error, adj = c(0, 0.5))
  graphics::par(mar = c(3.2, 4.2, 0.5, 0.5))
  graphics::plot(NA, xlim = 0:1, ylim = c(0, 1.4 * max(bins$n)), bty = "l", yaxt = "n",
                 xlab = "probability of the predicted class", ylab = "")
  y_label("number")
  graphics::axis(2, pretty(c(0, max(bins$n)), 2))
  graphics::rect(bins$low + 0.003, 0, bins$high - 0.003, bins$n, col = PALE, border = SOFT)
  graphics::text((bins$low + bins$high) / 2, bins$n, bins$n, pos = 3, offset = 0.25)
}

ggplot_reliability <- function(bins, error) {
  ggplot2::ggplot(bins, ggplot2::aes(.data$confidence, .data$accuracy)) +
    ggplot2::geom_abline(linetype = 2, colour = SOFT) +
    ggplot2::geom_errorbar(ggplot2::aes(ymin = .data$accuracy_low, ymax = .data$accuracy_high),
                           width = 0.02, colour = BLUE) +
    ggplot2::geom_line(colour = BLUE) + ggplot2::geom_point(ggplot2::aes(size = .data$n),
                                                            colour = BLUE) +
    ggplot2::coord_equal(xlim = 0:1, ylim = 0:1) + ggplot2::scale_size_area(max_size = 4) +
    ggplot2::labs(x = "probability of the predicted class", y = "share that is right",
                  subtitle = error) + ggplot_theme()
}

# ---- common to charts ----

# Beside the widest tick labels, such as -0.05.
y_label <- function(text) graphics::title(ylab = text, line = 3)

# Beside each other, or above where the page is narrow.
two_panels <- function() if (graphics::par("din")[1] < 120 / 25.4) c(2, 1) else c(1, 2)

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
