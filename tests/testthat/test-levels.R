cases_of_levels <- function() {
  cases <- case_file("levels.json")
  frame <- function(columns) {
    table <- as.data.frame(lapply(columns, unlist))
    table$predicted <- factor(table$predicted, unlist(cases$levels$class))
    table
  }
  cases$points <- frame(cases$points)
  cases$labelled <- frame(cases$labelled)
  cases$levels <- as.data.frame(lapply(cases$levels, unlist))
  cases
}

test_that("codes have their levels in them", {
  skip_without_core()
  cases <- cases_of_levels()
  expect_equal(lucas_levels(cases$levels$class), cases$levels)
  expect_equal(lucas_levels(cases$points), cases$levels)
  expect_equal(lucas_levels(cases$levels), cases$levels)
  expect_error(lucas_levels(c("woody", "B16")), "woody: these are no LC1 codes")
  expect_error(lucas_levels(1:3), "source must be a model")
})

test_that("sums are those worked out by hand", {
  skip_without_core()
  cases <- cases_of_levels()
  for (levels in list("lc1", cases$levels)) for (level in names(cases$at_level)) {
    found <- lucas_at_level(cases$points, level, levels = levels)
    for (column in names(cases$at_level[[level]])) {
      expected <- unlist(cases$at_level[[level]][[column]])
      if (is.character(expected)) expect_equal(as.character(found[[column]]), expected)
      else expect_equal(found[[column]], expected, tolerance = cases$tolerance)
    }
    expect_s3_class(found$predicted, "factor")
    expect_equal(levels(found$habitat), levels(found$predicted))
  }
  expect_error(lucas_at_level(cases$points, "level3"), "level must be one of")
})

test_that("evaluation by level is that worked out by hand", {
  skip_without_core()
  cases <- cases_of_levels()
  found <- lucas_evaluate(cases$labelled, levels = "lc1", n_boot = 0)
  expected <- do.call(rbind, lapply(cases$evaluation$by_level, as.data.frame))
  expect_equal(found$by_level[names(expected)], expected, tolerance = cases$tolerance)
  expect_equal(found$mean_distance, cases$evaluation$mean_distance, tolerance = cases$tolerance)
  expect_equal(found$error_distance, cases$evaluation$error_distance, tolerance = cases$tolerance)
  expect_output(print(found), "By level:.*level1.*Levels up to what is right: 0.31 on average")
  expect_null(lucas_evaluate(cases$labelled, n_boot = 0)$by_level)
})

test_that("a scheme with levels gives photos their columns", {
  skip_without_core()
  scheme <- data.frame(code = c("B", "C10"), class = c("fields", "beech"), level1 = c("open", NA),
                       level2 = c("farmed", NA))
  scheme$level1[2] <- "wood"
  found <- lucas_habitat(data.frame(lc1 = c("B16", "C10")), scheme)
  expect_equal(found$habitat_level1, c("open", "wood"))
  expect_equal(found$habitat_level2, c("farmed", "wood"))
  expect_equal(as.character(lucas_habitat(found, "level3")$habitat), c("B16", "C10"))
})

test_that("answers are those worked out by hand", {
  skip_without_core()
  cases <- cases_of_levels()
  others <- as.data.frame(lapply(cases$others, unlist))
  na <- function(x, kind) vapply(x, function(v) if (is.null(v)) kind else v, kind, USE.NAMES = FALSE)
  for (case in cases$answers) {
    found <- lucas_predict_level(others, cases$labelled, accuracy = case$arguments$accuracy)
    expect_equal(as.character(found$predicted), na(case$columns$predicted, NA_character_))
    expect_equal(found$predicted_level, na(case$columns$predicted_level, NA_character_))
    for (column in c("confidence", "threshold", "accuracy_low")) {
      expect_equal(found[[column]], na(case$columns[[column]], NA_real_), tolerance = cases$tolerance)
    }
    expect_equal(attr(found, "n_answered"), case$n_answered)
    judged <- lucas_evaluate(found, levels = "lc1", n_boot = 0)
    expect_equal(judged$overall_accuracy, case$overall_accuracy)
    expect_equal(judged$mean_distance, case$mean_distance)
    expect_error(lucas_evaluate(found), "lucas_evaluate\\(\\) with levels")
  }
})

test_that("EUNIS is a scheme with levels, and its gaps are said", {
  skip_without_core()
  table <- lucas_eunis()
  expect_equal(table$code, lucas_codes()$code)
  expect_equal(sum(is.na(table$class)), 16)
  expect_false(anyNA(table$note[is.na(table$class)]))
  found <- lucas_habitat(data.frame(lc1 = c("B16", "C10", "C22")), "eunis")
  expect_equal(as.character(found$habitat), c("I1", "G", "G3"))
  expect_equal(found$habitat_level1, c("I", "G", "G"))
})
