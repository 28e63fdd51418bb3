as_points <- function(columns) {
  table <- as.data.frame(lapply(columns, unlist))
  table$predicted <- factor(table$predicted, c("cropland", "grassland", "woody"))
  table
}

test_that("sets are those of MAPIE", {
  skip_without_core()
  cases <- case_file("certainty.json")
  points <- as_points(cases$points)
  for (case in cases$sets) {
    found <- suppressMessages(lucas_prediction_sets(
      points, as_points(cases$labelled), coverage = case$coverage, per_class = case$per_class
    ))
    theirs <- do.call(rbind, lapply(case$sets, unlist))
    filled <- rowSums(theirs) > 0
    ours <- as.matrix(found[c("s_cropland", "s_grassland", "s_woody")])
    expect_equal(unname(ours[filled, ] * 1), theirs[filled, ], ignore_attr = TRUE)
    expect_true(all(rowSums(ours)[!filled] == 1))
    expect_equal(found$n_classes, rowSums(ours), ignore_attr = TRUE)
  }
  expect_equal(attr(lucas_prediction_sets(points, as_points(cases$labelled)), "n_labelled"), 80)
})

test_that("sure points are those worked out by hand", {
  skip_without_core()
  cases <- case_file("certainty.json")
  for (case in cases$sure) {
    p <- round(0.999 - (0:199) / 1000, 3)
    table <- data.frame(
      predicted = "woody", p_woody = p, p_cropland = 1 - p,
      habitat = rep(c("woody", "cropland"), c(200 - case$wrong, case$wrong))
    )
    found <- suppressWarnings(lucas_abstain(table, table, accuracy = case$accuracy))
    saved <- lucas_labelling_saved(table, table, accuracies = case$accuracy)
    na <- function(x) if (is.null(x)) NA_real_ else x
    expect_equal(c(sum(found$is_sure), saved$n_sure), rep(case$n_sure, 2))
    expect_equal(c(found$threshold[1], saved$threshold), rep(na(case$threshold), 2))
    expect_equal(c(found$accuracy_low[1], saved$accuracy_low), rep(na(case$low), 2), tolerance = 1e-9)
  }
  saved <- suppressWarnings(lucas_labelling_saved(table, table))
  expect_equal(saved$accuracy, c(0.9, 0.95, 0.99))
  picture <- tempfile(fileext = ".png")
  expect_equal(lucas_plot_labelling(saved[3:1, ], out = picture), saved, ignore_attr = TRUE)
  expect_gt(file.size(picture), 1000)
  expect_error(lucas_plot_labelling(table), "needs the column accuracy", class = "lucas_input_error")
  skip_if_not_installed("ggplot2")
  expect_s3_class(lucas_plot_labelling(saved, as = "ggplot"), "ggplot")
})

test_that("a list of what to look at is printed with its reasons, and has all columns", {
  skip_without_core()
  predictions <- as.data.frame(do.call(cbind, lapply(case_file("doubted_labels.json")$predictions, unlist)))
  predictions[c("p_a", "p_b")] <- lapply(predictions[c("p_a", "p_b")], as.numeric)
  doubted <- suppressMessages(lucas_doubted_labels(predictions, n = 3))
  expect_s3_class(doubted, "data.frame")
  expect_gt(ncol(doubted), 8)
  printed <- utils::capture.output(print(doubted))
  expect_match(printed[1], "^ *priority +why +path *$")
  expect_match(printed[2], doubted$why[1], fixed = TRUE)
  expect_match(printed[5], "^\\[3 rows, .*label_probability")
  expect_identical(class(as.data.frame(doubted)), "data.frame")
  expect_match(utils::capture.output(print(doubted[c("why", "label_probability")]))[1], "label_probability")
})

test_that("doubted labels are those worked out by hand", {
  skip_without_core()
  given <- case_file("doubted_labels.json")
  na <- function(values) unlist(lapply(values, function(x) if (is.null(x)) NA else x))
  predictions <- as.data.frame(lapply(given$predictions, na))
  for (case in given$cases) {
    expect_message(doubted <- do.call(lucas_doubted_labels, c(list(predictions), case$arguments)),
                   given$message)
    for (column in names(case$columns)) {
      expect_equal(as.vector(doubted[[column]]), unlist(case$columns[[column]]), info = column)
    }
  }
})

test_that("a review list says what to look at and why", {
  skip_without_core()
  predictions <- data.frame(
    path = c("a.jpg", "b.jpg", "c.jpg"), point_id = "1", year = 2018L,
    predicted = factor(c("cropland", "cropland", "woody"), c("cropland", "woody")),
    p_cropland = c(0.55, 0.9, 0.1), p_woody = c(0.45, 0.1, 0.9), unlike = c(TRUE, FALSE, NA)
  )
  found <- lucas_review_list(predictions)
  expect_equal(found$why, c("unsure: cropland (0.55) or woody (0.45); unlike the training photos",
                            "most photos of its point show cropland"))
  expect_equal(found$priority, 1:2)
  expect_message(expect_equal(nrow(lucas_review_list(predictions, n = 1)), 1), "of which 1 are listed")
  expect_error(lucas_review_list(predictions, n = 0), "at least 1")
})

test_that("photos unlike the training photos are flagged on request", {
  skip_without_core()
  found <- lucas_classify(demo_parts()$test, demo_model(), flag_unlike = TRUE, verbose = FALSE)
  expect_type(found$unlike, "logical")
  expect_false("unlike" %in% names(demo_predictions()))
  expect_true("n_unlike" %in% names(suppressWarnings(lucas_vote(found))))
})
