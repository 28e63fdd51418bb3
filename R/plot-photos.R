# Sheets of photos with their probabilities: examples, and the photos of a point.

#' @rdname lucas_plot
#' @export
lucas_plot_photos <- function(predictions, right = TRUE, n = 12, seed = 1, width = "double",
                              out = NULL) {
  examples <- call_core("photos_picture", captured(leave_out = DRAWING))
  rows <- examples$rows
  styles <- class_styles(unlist(examples$classes))
  captions <- example_captions(rows, right)
  layout <- function(mm) examples_layout(mm, nrow(rows), styles, right)
  show_picture(rows, function(mm) draw_examples(examples, captions, styles, mm, layout(mm)),
               function(mm) layout(mm)$height, width, out)
}

# What stands below each photo: what it was taken for and, where that is wrong, what it is.
example_captions <- function(rows, right) {
  predicted <- vapply(as.character(rows$predicted), short, "", 16)
  habitat <- vapply(as.character(rows$habitat), short, "", 14)
  probability <- ifelse(is.na(rows$reference_probability), "",
                        sprintf("%.2f", rows$reference_probability))
  list(predicted = sprintf("%s %.2f", predicted, rows$confidence),
       label = if (right) character(nrow(rows)) else paste("is", habitat, probability))
}

# A sheet's columns, the width of a photo, the way from row to row, and the height, in millimetres.
examples_layout <- function(mm, n, styles, right) {
  columns <- max(1, floor((mm - 3) / 40))
  wide <- (mm - 3) / columns - 3
  step <- 0.75 * wide + if (right) 11.5 else 15
  list(columns = columns, wide = wide, step = step,
       height = 4 + step * ceiling(n / columns) + key_places(styles, mm)$height)
}

draw_examples <- function(examples, captions, styles, mm, layout) {
  rows <- examples$rows
  p <- as.matrix(rows[utils::tail(names(rows), nrow(styles))])
  wide <- layout$wide
  sheet(mm, layout$height, function() {
    for (i in seq_len(nrow(rows))) {
      x <- 3 + ((i - 1) %% layout$columns) * (wide + 3)
      y <- 3 + ((i - 1) %/% layout$columns) * layout$step
      draw_photo(examples$photos[[i]], x, y, wide, 0.75 * wide)
      draw_stack(p[i, ], styles, x, y + 0.75 * wide + 1, wide, 2)
      graphics::text(x, y + 0.75 * wide + 5.5, captions$predicted[i], adj = c(0, 0.5))
      graphics::text(x, y + 0.75 * wide + 9, captions$label[i], adj = c(0, 0.5), col = SOFT)
    }
    draw_keys(styles, mm, layout$height)
  })
}

#' @rdname lucas_plot
#' @export
lucas_plot_point <- function(predictions, point_id, year = NULL, width = "double", out = NULL,
                             as = c("base", "ggplot")) {
  if (is.numeric(point_id)) point_id <- number_text(point_id)
  point <- call_core("point_picture", captured(leave_out = DRAWING))
  views <- point_views(point$rows)
  classes <- as.character(unlist(point$classes))
  styles <- class_styles(classes)
  title <- point_title(point_id, point$rows)
  lines <- nrow(point$rows) + (sum(views$votes) > 1)
  height <- function(mm) 12 + 17.5 * lines + key_places(styles, mm)$height
  show_picture(
    point$rows, function(mm) draw_point(point, views, title, styles, mm, height(mm)), height, width,
    out, as, function() ggplot_point(views, title, styles)
  )
}

# What the photos of a point look at, their probabilities, which of them were classified, and which of
# these vote.
point_views <- function(rows) {
  sides <- c(P = "point", N = "north", E = "east", S = "south", W = "west", C = "close-up")
  p <- as.matrix(rows[probability_columns(rows)])
  is_shown <- rowSums(!is.finite(p)) == 0
  list(side = ifelse(is.na(rows$direction), "photo", sides[rows$direction]), p = p,
       shown = is_shown, votes = is_shown & !rows$direction %in% "C")
}

point_title <- function(point_id, rows) {
  label <- unique(stats::na.omit(as.character(rows$habitat)))
  paste0("Point ", point_id, if (!anyNA(rows$year)) paste0(", ", rows$year[1]),
         if (length(label) == 1) paste0("; reference ", short(label)))
}

# A line a photo, and one for the mean of those that vote.
draw_point <- function(point, views, title, styles, mm, height) {
  rows <- point$rows
  sheet(mm, height, function() {
    graphics::text(3, 4, title, adj = c(0, 0.5))
    for (i in seq_len(nrow(rows))) {
      y <- 9 + 17.5 * (i - 1)
      graphics::text(3, y + 7.5, views$side[i], adj = c(0, 0.5))
      draw_photo(point$photos[[i]], 18, y, 20, 15)
      if (views$shown[i]) {
        graphics::text(41, y + 3.3, sprintf("%s %.2f", short(as.character(rows$predicted[i])),
                                            max(views$p[i, ])), adj = c(0, 0.5))
        draw_stack(views$p[i, ], styles, 41, y + 5.7, mm - 44, 6, numbers = TRUE)
      } else {
        graphics::text(41, y + 7.5, paste("not classified:", rows$status[i]), adj = c(0, 0.5),
                       col = SOFT)
      }
    }
    if (sum(views$votes) > 1) draw_mean(views, styles, 9 + 17.5 * nrow(rows), mm)
    draw_keys(styles, mm, height)
  })
}

draw_mean <- function(views, styles, y, mm) {
  label <- if (all(views$votes == views$shown)) "mean of the photos" else "mean, no close-ups"
  graphics::text(3, y + 7.5, label, adj = c(0, 0.5), font = 2)
  draw_stack(colMeans(views$p[views$votes, , drop = FALSE]), styles, 41, y + 4.5, mm - 44, 6,
             numbers = TRUE)
}

ggplot_point <- function(views, title, styles) {
  long <- data.frame(photo = factor(rep(views$side, nrow(styles)), rev(unique(views$side))),
                     class = factor(rep(styles$class, each = nrow(views$p)), styles$class),
                     p = as.vector(views$p))
  ggplot2::ggplot(long[is.finite(long$p), ], ggplot2::aes(.data$p, .data$photo,
                                                          fill = .data$class)) +
    ggplot2::geom_col(position = ggplot2::position_stack(reverse = TRUE)) +
    ggplot2::scale_fill_manual(values = structure(styles$colour, names = styles$class)) +
    ggplot2::labs(x = "probability", y = NULL, fill = NULL, title = title) + ggplot_theme()
}

# ---- common to sheets ----

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
