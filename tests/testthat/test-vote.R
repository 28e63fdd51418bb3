test_that("votes are the numbers both languages must give", {
  skip_without_core()
  cases <- case_file("votes.json")
  predictions <- do.call(rbind, lapply(cases$predictions, function(row) {
    as.data.frame(lapply(row, function(v) if (is.null(v)) NA else v))
  }))
  expect_gt(length(cases$cases), 0)
  for (case in cases$cases) {
    expect_warning(
      found <- suppressMessages(do.call(lucas_vote, c(list(predictions), case$arguments))),
      cases$warning
    )
    for (name in names(case$columns)) {
      wanted <- unlist(lapply(case$columns[[name]], function(v) if (is.null(v)) NA else v))
      given <- found[[name]]
      if (is.factor(given)) given <- as.character(given)
      if (is.character(given)) {
        expect_equal(given, as.character(wanted))
      } else {
        expect_equal(as.numeric(given), as.numeric(wanted), tolerance = cases$tolerance)
      }
    }
  }
})

test_that("points are a plain data.frame with all classes and known coordinates", {
  skip_without_core()
  points <- suppressWarnings(lucas_vote(demo_predictions()))
  expect_identical(class(points), "data.frame")
  expect_identical(levels(points$predicted), demo_model()$classes)
  expect_identical(levels(points$habitat), demo_model()$classes)
  expect_type(points$n_photos, "integer")
  expect_true(all(c("x", "y", "agreement", "v_woody") %in% names(points)))
  expect_error(lucas_vote(demo_predictions(), method = "loudest"), "method must be one of 'majority'")
})
