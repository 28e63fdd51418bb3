case_points <- function(case) {
  points <- as.data.frame(lapply(case$points, function(column) {
    column[vapply(column, is.null, NA)] <- NA
    unlist(column)
  }))
  points$predicted <- factor(points$predicted, levels = unlist(case$classes))
  points$n_photos <- 5
  points$calibrated <- TRUE
  points
}

test_that("shares are the numbers both languages must give", {
  skip_without_core()
  case <- case_file("shares.json")
  points <- case_points(case)
  near <- function(got, wanted) expect_lt(max(abs(got - as.numeric(unlist(wanted)))), case$tolerance)
  by <- list(with_probabilities = points,
             with_predicted_classes = points[!startsWith(names(points), "p_")])
  for (name in names(by)) {
    found <- suppressWarnings(suppressMessages(lucas_estimate_shares(by[[name]])))
    near(found$share, case[[name]]$share)
    near(found$se, case[[name]]$se)
    near(attr(found, "power"), case[[name]]$power)
  }
  old <- unlist(case$without_labels$class_shares)
  bare <- points[names(points) != "habitat"]
  expect_message(found <- lucas_estimate_shares(bare, class_shares = old), "differs from there")
  near(found$share, case$without_labels$share)
  expect_identical(attr(found, "method"), "expectation maximisation")
  expect_identical(levels(found$class), unlist(case$classes))
  expect_true(all(is.na(found$share_labelled)))
  for (new in list(unlist(case$adjusted$new_shares),
                   data.frame(class = names(case$adjusted$new_shares),
                              share = unlist(case$adjusted$new_shares)))) {
    adjusted <- lucas_adjust_shares(points, new, class_shares = old)
    p <- as.matrix(adjusted[1:4, paste0("p_", unlist(case$classes))])
    near(p, do.call(rbind, lapply(case$adjusted$p, unlist)))
    expect_identical(as.character(adjusted$predicted[1:4]), unlist(case$adjusted$predicted))
  }
  expect_error(lucas_estimate_shares(bare), "class_shares is needed", class = "lucas_input_error")
  expect_error(lucas_adjust_shares(points, 1:3, old), "new_shares must be", class = "lucas_input_error")
  labelled <- points[!is.na(points$habitat), ]
  labelled$w <- 2
  bare$w <- 1
  apart <- suppressWarnings(suppressMessages(
    lucas_estimate_shares(bare[-(1:15), ], labelled = labelled, weights = "w", level = 0.9)
  ))
  near(apart$share, case$with_probabilities$share)
})
