four <- c("artificial", "cropland", "grassland", "woody")

# Predictions for points with five photos each, right more often than not.
made_predictions <- function(classes = four, n = 30) {
  set.seed(3)
  truth <- rep(sample(length(classes), n, TRUE), each = 5)
  p <- exp(matrix(stats::rnorm(length(truth) * length(classes)), length(truth)) +
             2 * outer(truth, seq_along(classes), "=="))
  p <- p / rowSums(p)
  point <- rep(seq_len(n) - 1, each = 5)
  columns <- paste0("p_", gsub("^_|_$", "", gsub("[^A-Za-z0-9]+", "_", classes)))
  data.frame(
    path = sprintf("nowhere/%d.jpg", seq_along(truth)),
    point_id = paste0(4230 + 2 * (point %% 6), 3540 + 2 * (point %/% 6)), year = 2018L,
    direction = rep(c("P", "N", "E", "S", "W"), n), habitat = classes[truth],
    predicted = factor(classes[max.col(p)], classes), confidence = apply(p, 1, max),
    structure(p, dimnames = list(NULL, columns)), calibrated = TRUE, status = "ok", error = ""
  )
}

test_that("colours are Python's, by class", {
  skip_without_core()
  expect_identical(lucas_colours(four), c(artificial = "#A8325E", cropland = "#F2CF5B",
                                          grassland = "#6DB56A", woody = "#17402F"))
  expect_identical(unname(lucas_colours("woody")), "#17402F")
  expect_identical(names(lucas_colours(c("gr\u00e6s", "a b"))), c("gr\u00e6s", "a b"))
  expect_error(lucas_colours(c("a", "a")), "stand twice", class = "lucas_input_error")
})

test_that("vote gain and reliability are tables", {
  skip_without_core()
  table <- made_predictions()
  gain <- lucas_vote_gain(table, n_draws = 50)
  expect_identical(gain$n_photos, 1:5)
  expect_equal(gain$kappa[5], lucas_evaluate(lucas_vote(table), n_boot = 0)$kappa)
  bins <- lucas_reliability(table)
  expect_equal(nrow(bins), 10)
  expect_equal(sum(bins$n), nrow(table))
  filled <- bins$n > 0
  expect_equal(attr(bins, "ece"), stats::weighted.mean(
    abs(bins$accuracy - bins$confidence)[filled], bins$n[filled]))
  expect_true(all(is.na(bins$accuracy[!filled]) & !is.nan(bins$accuracy[!filled])))
})

pictures <- function(table) {
  points <- lucas_vote(table)
  later <- transform(points[rev(seq_len(nrow(points))), ], point_id = points$point_id, year = 2022L)
  transitions <- suppressWarnings(suppressMessages(
    lucas_transitions(rbind(points, later), n_boot = 20)
  ))
  list(
    confusion = function(...) lucas_plot_confusion(lucas_evaluate(table, n_boot = 0), ...),
    map = function(...) lucas_plot_map(points, ...),
    point = function(...) lucas_plot_point(table, table$point_id[1], ...),
    reliability = function(...) lucas_plot_reliability(table, ...),
    transitions = function(...) lucas_plot_transitions(transitions, ...),
    votes = function(...) lucas_plot_votes(table, ...)
  )
}

# par(), less what every plot() sets.
settings <- function() {
  all <- graphics::par(no.readonly = TRUE)
  all[setdiff(names(all), c("usr", "xaxp", "yaxp", "mfg", "fig", "fin", "plt", "pin"))]
}

test_that("pictures are drawn, with par() as it was, for easy and hard names", {
  skip_without_core()
  hard <- c("woody vegetation", "$cost", "_hidden", "a <b> & c", paste("class number", 5:12))
  for (classes in list(four, hard)) {
    all <- pictures(made_predictions(classes))
    for (name in names(all)) {
      pdf(NULL, 7, 7)
      graphics::plot(1)
      before <- settings()
      expect_silent(table <- all[[name]]())
      expect_equal(settings(), before, info = name)
      expect_s3_class(table, "data.frame")
      dev.off()
    }
  }
})

test_that("pictures fill the panels of par(mfrow), one after the other", {
  skip_without_core()
  all <- pictures(made_predictions())
  pdf(NULL, 14, 14)
  on.exit(dev.off())
  graphics::par(mfrow = c(2, 2))
  before <- settings()
  places <- list(confusion = c(1, 1), map = c(1, 2), point = c(2, 1))
  for (name in names(places)) {
    all[[name]]()
    expect_equal(graphics::par("mfg"), c(places[[name]], 2, 2), info = name)
  }
  # Two plots take a page; after it the panels begin anew.
  for (name in c("votes", "reliability")) {
    all[[name]]()
    expect_equal(settings(), before, info = name)
    graphics::plot(1)
    expect_equal(graphics::par("mfg"), c(1, 1, 2, 2))
  }
})

test_that("close-ups are shown but do not count in the mean, as they do not vote", {
  skip_without_core()
  table <- made_predictions(n = 1)
  closeup <- table[1, ]
  closeup[c("path", "direction")] <- list("nowhere/c.jpg", "C")
  closeup[paste0("p_", four)] <- c(1, 0, 0, 0)
  table <- rbind(table, closeup)
  bars <- list()
  real <- draw_stack
  utils::assignInNamespace("draw_stack", function(p, ...) bars[[length(bars) + 1]] <<- unname(p),
                           "lucashabitat")
  pdf(NULL)
  on.exit({
    utils::assignInNamespace("draw_stack", real, "lucashabitat")
    dev.off()
  })
  lucas_plot_point(table, table$point_id[1])
  expect_length(bars, 7)
  expect_equal(bars[[7]], unname(unlist(suppressMessages(lucas_vote(table))[paste0("p_", four)])))
  bars <- list()
  lucas_plot_point(table[5:6, ], table$point_id[1])
  expect_length(bars, 2)
})

test_that("a picture that cannot be put in its place is an error", {
  skip_without_core()
  folder <- tempfile("pictures ")
  taken <- file.path(folder, "a.png")
  dir.create(file.path(taken, "full"), recursive = TRUE)
  expect_error(lucas_plot_reliability(made_predictions(), out = taken), "cannot be put at",
               class = "lucas_input_error")
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), "a.png")
})

test_that("files have the size asked for, and nothing else is left", {
  skip_without_core()
  all <- pictures(made_predictions())
  folder <- tempfile("pictures ")
  dir.create(folder)
  for (name in names(all)) {
    file <- file.path(folder, paste0(name, ".png"))
    all[[name]](width = "single", out = file)
    header <- readBin(file, "raw", 24)
    # Bytes 17 to 20 of a PNG are its width: 85 mm at 300 dots per inch.
    expect_equal(sum(as.integer(header[17:20]) * 256^(3:0)), 85 / 25.4 * 300, tolerance = 0.002)
  }
  all$map(out = file.path(folder, "map.svg"))
  expect_match(readLines(file.path(folder, "map.svg"), 2, warn = FALSE)[2], "<svg")
  expect_setequal(list.files(folder, all.files = TRUE, no.. = TRUE),
                  c(paste0(names(all), ".png"), "map.svg"))
  expect_null(dev.list())
})

test_that("photos and the history of a model are drawn", {
  skip_without_core()
  pdf(NULL)
  on.exit(dev.off())
  table <- lucas_plot_photos(demo_predictions(), n = 4)
  expect_equal(nrow(table), 4)
  expect_true(all(as.character(table$predicted) == table$habitat))
  first <- demo_predictions()$point_id[1]
  expect_equal(unique(lucas_plot_point(demo_predictions(), first)$point_id), first)
  expect_identical(lucas_plot_history(demo_model()), demo_model()$history)
  expect_identical(plot(demo_model()), demo_model())
  gone <- transform(demo_predictions(), path = paste0(path, ".gone"))
  expect_error(lucas_plot_photos(gone), "is there any more", class = "lucas_input_error")
})

test_that("ggplots are the same pictures, for the caller to choose", {
  skip_without_core()
  skip_without("ggplot2")
  all <- pictures(made_predictions())
  all$history <- function(...) lucas_plot_history(demo_model(), ...)
  pdf(NULL)
  on.exit(dev.off())
  for (name in names(all)) {
    picture <- all[[name]](as = "ggplot")
    expect_s3_class(picture, "ggplot")
    expect_silent(print(picture))
  }
  expect_error(all$votes(as = "lattice"), "base.*ggplot")
})

test_that("autoplot() of a model and an evaluation is their ggplot", {
  skip_without_core()
  skip_without("ggplot2")
  table <- made_predictions()
  evaluation <- lucas_evaluate(table, n_boot = 0)
  picture <- ggplot2::autoplot(evaluation)
  expect_s3_class(picture, "ggplot")
  expect_identical(picture$data, lucas_plot_confusion(evaluation, as = "ggplot")$data)
  expect_identical(sort(picture$data$n), sort(as.vector(evaluation$confusion)))
  history <- ggplot2::autoplot(demo_model())
  expect_identical(history$data, lucas_plot_history(demo_model(), as = "ggplot")$data)
  expect_setequal(history$data$value[history$data$panel == "loss"], demo_model()$history$loss)
})

test_that("a ggplot is written to a file too", {
  skip_without_core()
  skip_without("ggplot2")
  file <- tempfile(fileext = ".png")
  picture <- withVisible(
    lucas_plot_reliability(made_predictions(), width = 100, out = file, as = "ggplot"))
  expect_false(picture$visible)
  expect_s3_class(picture$value, "ggplot")
  header <- readBin(file, "raw", 24)
  expect_equal(sum(as.integer(header[17:20]) * 256^(3:0)), 100 / 25.4 * 300, tolerance = 0.002)
  expect_null(dev.list())
})

test_that("attaching ggplot2 changes neither pictures nor what they return", {
  skip_without_core()
  skip_without("ggplot2")
  table <- made_predictions()
  all <- pictures(table)
  all$history <- function() lucas_plot_history(demo_model())
  pdf(NULL)
  on.exit(dev.off())
  before <- lapply(all, function(picture) picture())
  suppressPackageStartupMessages(library(ggplot2))
  on.exit(detach("package:ggplot2"), add = TRUE)
  expect_identical(lapply(all, function(picture) picture()), before)
  for (picture in before) expect_s3_class(picture, "data.frame")
  evaluation <- lucas_evaluate(table, n_boot = 0)
  expect_identical(plot(evaluation), evaluation)
})

test_that("without ggplot2 a ggplot is refused by name", {
  skip_without_core()
  real <- need_package
  utils::assignInNamespace("need_package", function(package, what) real("no.such.package", what),
                           "lucashabitat")
  on.exit(utils::assignInNamespace("need_package", real, "lucashabitat"))
  expect_error(lucas_plot_votes(made_predictions(), as = "ggplot"),
               "is needed for as = \"ggplot\": install.packages", class = "lucas_input_error")
})

test_that("what cannot be drawn is said", {
  skip_without_core()
  table <- made_predictions(n = 6)
  expect_error(lucas_plot_confusion(table), "lucas_evaluate", class = "lucas_input_error")
  expect_error(lucas_plot_map(table[c("point_id", "predicted", "p_woody")]), "coordinates",
               class = "lucas_input_error")
  expect_error(lucas_plot_point(table, "x"), "There is no point", class = "lucas_input_error")
  expect_error(lucas_plot_votes(table, width = 10), "width must be", class = "lucas_input_error")
  expect_error(lucas_plot_votes(table, out = "a.pdf"), "must end in .png or .svg", fixed = TRUE)
  expect_error(lucas_plot_photos(table, right = NA), "right must be TRUE or FALSE")
  expect_error(lucas_reliability(table[setdiff(names(table), "habitat")]), "add the column habitat")
})
