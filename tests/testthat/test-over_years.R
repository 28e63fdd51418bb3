# Points in two or more years: calibrated probabilities, right in four of five.
points_over_years <- function(n = 120, change = 0.1, years = c(2012L, 2018L), seed = 1) {
  set.seed(seed)
  classes <- c("artificial", "cropland", "grassland", "woody")
  truth <- sample(4, n, replace = TRUE)
  parts <- lapply(years, function(year) {
    x <- matrix(stats::rnorm(4 * n), n)
    x[cbind(seq_len(n), truth)] <- x[cbind(seq_len(n), truth)] + 2
    p <- exp(2 * x) / rowSums(exp(2 * x))
    colnames(p) <- paste0("p_", classes)
    changed <- stats::runif(n) < change
    habitat <- classes[truth]
    truth[changed] <<- truth[changed] %% 4 + 1
    data.frame(point_id = paste("plot", seq_len(n)), year = year, n_photos = 1L,
               predicted = factor(classes[max.col(p)], classes), p, calibrated = TRUE,
               truth = habitat)
  })
  do.call(rbind, parts)
}

test_that("transitions and changes are the numbers both languages must give", {
  skip_without_core()
  cases <- case_file("transitions.json")
  # null is NA
  column <- function(values) unlist(lapply(values, function(v) if (is.null(v)) NA else v))
  points <- do.call(rbind, lapply(cases$points, function(row) {
    as.data.frame(lapply(row, function(v) if (is.null(v)) NA else v))
  }))
  expect_gt(length(cases$cases), 0)
  for (case in cases$cases) {
    table <- points
    if (case$labels) table$habitat <- cases$habitat
    arguments <- lapply(case$arguments, unlist)
    # There may be two warnings; one of them is expected, and the other suppressed.
    warned <- function(code) {
      suppressWarnings(suppressMessages(expect_warning(value <- code, cases$warning)))
      value
    }
    shares <- warned(do.call(lucas_transitions, c(list(table, n_boot = 0), arguments)))
    found <- warned(do.call(lucas_changes, c(list(table), arguments)))
    expect_equal(attr(shares, "sharpness"), case$sharpness, tolerance = 1e-4)
    for (pair in list(list(shares, case$transitions), list(found, case$changes))) {
      for (name in names(pair[[2]])) {
        wanted <- column(pair[[2]][[name]])
        given <- pair[[1]][[name]]
        if (is.numeric(given)) {
          expect_equal(as.numeric(given), as.numeric(wanted), tolerance = cases$tolerance, info = name)
        } else {
          expect_equal(as.character(given), as.character(wanted), info = name)
        }
      }
    }
  }
})

test_that("the tables are plain, with factors that know all classes", {
  skip_without_core()
  points <- points_over_years()
  points$x <- 4320000
  points$habitat <- points$truth
  expect_message(found <- lucas_changes(points), "labelled rows")
  expect_identical(class(found), "data.frame")
  expect_type(found$year_from, "integer")
  classes <- levels(points$predicted)
  for (name in c("predicted_from", "predicted_to", "likeliest_from", "habitat_to")) {
    expect_identical(levels(found[[name]]), classes)
  }
  expect_identical(levels(found$verdict), c("same", "changed", "in doubt"))
  expect_type(found$reference_changed, "logical")
  expect_true(all(found$x == 4320000))
  expect_equal(nrow(found), 120)
  shares <- suppressMessages(lucas_transitions(points, n_boot = 100))
  expect_equal(sum(shares$share), 1)
  expect_equal(mean(found$p_changed), shares$changed[1], tolerance = 1e-6)
  expect_true(all(shares$low <= shares$share & shares$share <= shares$high))
  expect_gt(shares$changed_predicted[1], shares$changed[1] + 0.1)
})

test_that("class shares come as numbers, from a model or from its folder", {
  skip_without_core()
  points <- points_over_years()
  counts <- unlist(demo_model()$card$training$photos_per_class)
  by_hand <- lucas_transitions(points, class_shares = counts, n_boot = 0)
  folder <- file.path(tempfile("shares"), "model")
  lucas_save(demo_model(), folder)
  for (given in list(demo_model(), folder, as.list(counts))) {
    expect_equal(lucas_transitions(points, class_shares = given, n_boot = 0), by_hand)
  }
  expect_error(lucas_transitions(points, class_shares = c(0.5, 0.5)), "named by the classes",
               class = "lucas_input_error")
  expect_error(lucas_transitions(points, class_shares = c(woody = 1)), "a share to each class",
               class = "lucas_input_error")
  expect_error(lucas_transitions(points, class_shares = TRUE), "model must be", class = "lucas_input_error")
})

test_that("chosen years, labelled points and files are passed on", {
  skip_without_core()
  points <- points_over_years(years = c(2009L, 2012L, 2018L))
  ends <- lucas_transitions(points, years = c(2009, 2018), n_boot = 0)
  expect_equal(unique(ends$year_to), 2018)
  file <- tempfile(fileext = ".csv")
  utils::write.csv(points, file, row.names = FALSE)
  expect_equal(lucas_transitions(file, years = c(2009, 2018), n_boot = 0), ends)
  labelled <- transform(points_over_years(seed = 2), habitat = truth)
  expect_message(found <- lucas_changes(points, labelled = labelled), "240 labelled rows show")
  expect_true(attr(found, "sharpness") > 0.7 && attr(found, "sharpness") < 1.4)
  several <- transform(points, n_photos = 5L)
  expect_warning(lucas_changes(several), "Give labelled points of the same model (labelled, ", fixed = TRUE)
  expect_error(lucas_changes(points, years = 2009), "two or more campaigns", class = "lucas_input_error")
  expect_error(lucas_changes(points, sure = 0.3), "sure must be a number", class = "lucas_input_error")
  once <- points[points$year != 2012, ][-1, ]
  expect_message(lucas_changes(once), "^1 points were classified in one year only")
})

test_that("transitions are drawn, on the device and in files", {
  skip_without_core()
  points <- points_over_years(years = c(2009L, 2012L, 2018L))
  table <- lucas_transitions(points, n_boot = 50)
  pdf(NULL)
  on.exit(dev.off())
  expect_equal(lucas_plot_transitions(table), table)
  expect_equal(unique(lucas_plot_transitions(points)$year_from), c(2009, 2012))
  for (ending in c(".png", ".svg")) {
    file <- tempfile(fileext = ending)
    lucas_plot_transitions(table, width = "single", out = file)
    expect_gt(file.size(file), 5000)
  }
  few <- points[points$point_id %in% paste("plot", 1:9), ]
  expect_error(suppressWarnings(lucas_plot_transitions(few)), "no estimated transitions",
               class = "lucas_input_error")
})
