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
  expect_identical(check$table$question,
                   c("points", "content", "near-duplicates", "distance", "years", "countries", "classes"))
  expect_identical(check$table$verdict[3:4], c("unknown", "limit"))
  expect_output(print(check), "Check of a split: 320 training photos, 80 test photos.*within 15 km")
  printed <- utils::capture.output(print(check))
  expect_true(any(startsWith(printed, "fine     points: no point")))
  expect_true(all(nchar(printed) < 80))
  expect_identical(as.data.frame(check), check$table)
  both <- lucas_check_split(do.call(rbind, parts), near = 15)
  expect_identical(both$table, check$table)
  leak <- lucas_check_split(parts$train, rbind(parts$test, parts$train[1, ]))
  expect_true(leak$leaks)
  expect_identical(leak$table$verdict[1], "leak")
})

test_that("near-duplicates are found, stay on one side and are told where they do not", {
  skip_without_core()
  folder <- tempfile("photos")
  dir.create(folder)
  original <- list.files(demo_folder(), "[.]jpg$", recursive = TRUE, full.names = TRUE)
  original <- original[which.max(file.size(original))]
  file.copy(original, file.path(folder, "31062100_north_2018.jpg"))
  photos <- lucas_photos(c(original, file.path(folder, "31062100_north_2018.jpg")))
  photos$habitat <- c("woody", "cropland")
  expect_message(table <- lucas_near_duplicates(photos, "efficientnet_lite0", verbose = FALSE),
                 "2 of 2 photos have near-duplicates at other points")
  expect_equal(table$near_duplicates, rep(photos$path[1], 2))
  expect_lt(max(table$duplicate_distance), 1e-6)
  check <- lucas_check_split(photos[1, ], photos[2, ], arch = "efficientnet_lite0", verbose = FALSE)
  expect_identical(check$table$verdict[check$table$question == "near-duplicates"], "leak")
  case <- case_file("splits.json")$near_duplicates
  photos <- data.frame(path = paste0(case$point, ".jpg"), point_id = case$point, habitat = case$habitat,
                       near_duplicates = case$group, split = case$split)
  check <- lucas_check_split(photos)
  row <- check$table[check$table$question == "near-duplicates", ]
  expect_equal(row$n_test, case$n_test)
  expect_match(row$finding, case$example, fixed = TRUE)
  for (seed in 1:5) {
    parts <- lucas_split(photos, test_size = 0.4, regroup = TRUE, seed = seed)
    expect_length(stats::na.omit(intersect(parts$train$near_duplicates, parts$test$near_duplicates)), 0)
  }
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

test_that("classes keep the order of the user's factor levels", {
  skip_without_core()
  wanted <- c("woody", "grassland", "artificial", "cropland")
  photos <- lucas_photos(demo_folder())
  photos$habitat <- factor(photos$habitat, wanted)
  listed <- lucas_photos(photos)
  expect_identical(levels(listed$habitat), wanted)
  parts <- lucas_split(listed, test_size = 0.4, seed = 1)
  expect_identical(levels(parts$train$habitat), wanted)
  expect_identical(parts$test$path, demo_parts()$test$path)
  model <- suppressWarnings(lucas_train(parts$train, arch = "efficientnet_lite0", epochs = 2,
                                        verbose = FALSE))
  expect_identical(model$classes, wanted)
  pred <- suppressWarnings(lucas_classify(parts$test, model, verbose = FALSE))
  expect_identical(levels(pred$predicted), wanted)
  expect_identical(levels(pred$habitat), wanted)
  expect_message(env <- suppressWarnings(lucas_covariates(lucas_vote(pred), year = "latest")),
                 "last class is left out \\(p_cropland\\)")
  expect_identical(names(env), c("p_woody", "p_grassland", "p_artificial"))
})
