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

test_that("what leaks is said in words", {
  skip_without_core()
  parts <- lucas_split(land(), by = "point")
  check <- lucas_check_split(parts$train, parts$test, near = 15)
  expect_s3_class(check, "lucas_split_check")
  expect_false(check$leaks)
  expect_identical(check$table$question, c("points", "content", "distance", "years", "countries", "classes"))
  expect_identical(check$table$verdict[3], "limit")
  expect_output(print(check), "Check of a split: 320 training photos, 80 test photos.*within 15 km")
  expect_identical(as.data.frame(check), check$table)
  both <- lucas_check_split(do.call(rbind, parts), near = 15)
  expect_identical(both$table, check$table)
  leak <- lucas_check_split(parts$train, rbind(parts$test, parts$train[1, ]))
  expect_true(leak$leaks)
  expect_identical(leak$table$verdict[1], "leak")
})

test_that("buffers and distances are the numbers both languages must give", {
  skip_without_core()
  case <- case_file("splits.json")$buffer
  photos <- data.frame(path = paste0(case$x, ".jpg"), point_id = paste0("p", case$x),
                       habitat = case$habitat, split = case$split, x = 4300000 + 1000 * case$x, y = 3300000)
  expect_message(parts <- lucas_split(photos, buffer = case$buffer), "2 photos within 10 km")
  expect_equal((parts$train$x - 4300000) / 1000, case$trained_on)
  case <- case_file("splits.json")$distance
  predictions <- data.frame(path = paste0(seq_along(case$right), ".jpg"), point_id = paste0("p", seq_along(case$right)),
                            habitat = "a", predicted = ifelse(case$right, "a", "b"),
                            km_to_training = case$km_to_training)
  table <- lucas_error_by_distance(predictions, breaks = case$breaks)
  for (name in c("n", "accuracy", "distance")) expect_equal(table[[name]], case[[name]], tolerance = 1e-8)
  picture <- tempfile(fileext = ".png")
  expect_identical(lucas_plot_distance(table, out = picture), table)
  expect_gt(file.size(picture), 1000)
})
