test_that("votes are the numbers both languages must give", {
  skip_without_core()
  cases <- case_file("votes.json")
  predictions <- do.call(rbind, lapply(cases$predictions, function(row) {
    as.data.frame(lapply(row, function(v) if (is.null(v)) NA else v))
  }))
  expect_gt(length(cases$cases), 0)
  for (case in cases$cases) {
    table <- predictions
    for (name in names(case$carried)) table[[name]] <- case$carried[[name]]
    expect_warning(
      found <- suppressMessages(do.call(lucas_vote, c(list(table), case$arguments))),
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

test_that("a model that learned no vote is an error that says what to do, in R's words", {
  skip_without_core()
  expect_error(
    suppressWarnings(lucas_vote(demo_predictions()[0:10, ], method = "learned")),
    "carry no learned vote.*lucas_calibrate\\(\\).*method = 'mean'"
  )
})

test_that("the gain by method has a row a method, the learned one where there is one", {
  skip_without_core()
  photos <- data.frame(
    path = paste0(1:40, ".jpg"), point_id = rep(paste("plot", 1:20), each = 2), year = 2018,
    direction = c("P", "N"), habitat = rep(c("a", "b"), each = 2), predicted = c("a", "a", "b", "a"),
    p_a = c(0.8, 0.7, 0.1, 0.6), p_b = c(0.2, 0.3, 0.9, 0.4), calibrated = TRUE,
    vote_calibration = paste0(
      "shares 0.5000/0.5000, mean 0.0000/0.0000/0.0000, product 0.0000/0.0000/0.0000, learned ",
      "weighted_mean 60 0.0000/1.0000/3.0000/0.5000/0.5000/0.5000/0.5000/0.0000/0.0000"
    )
  )
  gain <- lucas_vote_gain(photos, n_draws = 50, by = "method")
  expect_identical(gain$method, c("one photo", "majority", "mean", "product", "learned"))
  expect_equal(gain$accuracy, c(0.75, 1, 1, 1, 1))
  expect_equal(gain$gain_photo, gain$accuracy - 0.75)
  expect_true(all(gain$n_points == 20))
  photos$vote_calibration <- NULL
  expect_identical(
    suppressMessages(lucas_vote_gain(photos, n_draws = 50, by = "method"))$method,
    c("one photo", "majority", "mean", "product")
  )
})
