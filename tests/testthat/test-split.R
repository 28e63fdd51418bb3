# Points on a grid of 10 km in a square of 200 km.
land <- function() {
  places <- expand.grid(x = 4300000 + 10000 * 0:19, y = 3300000 + 10000 * 0:19)
  data.frame(path = paste0(seq_len(400), ".jpg"), point_id = paste("plot", seq_len(400)), places,
             year = 2018L, habitat = rep(c("cropland", "woody"), 200))
}

cells <- function(photos, km) unique(paste(photos$x %/% (1000 * km), photos$y %/% (1000 * km)))

test_that("blocks are whole, and a buffer is left out of training", {
  skip_without_core()
  parts <- lucas_split(land(), by = "block", block = 50)
  expect_length(intersect(cells(parts$train, 50), cells(parts$test, 50)), 0)
  expect_equal(nrow(parts$train) + nrow(parts$test), 400)
  expect_message(apart <- lucas_split(land(), by = "block", block = 50, buffer = 15),
                 "photos within 15 km of a test point are left out")
  expect_identical(apart$test, parts$test)
  expect_lt(nrow(apart$train), nrow(parts$train))
})

test_that("what cannot be kept apart is told in R's words", {
  skip_without_core()
  expect_error(lucas_split(land(), by = "photo"), "by must be one of 'point', 'block'")
  expect_error(lucas_split(land(), block = 20), "by = 'block'", class = "lucas_input_error")
  expect_error(lucas_split(land(), by = "year"), "All photos are of one year", class = "lucas_split_error")
})
