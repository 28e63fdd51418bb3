test_that("photos that were trained on are known, and others are not", {
  skip_without_core()
  parts <- demo_parts()
  train <- parts$train[file.size(parts$train$path) > 0, ]
  test <- parts$test[file.size(parts$test$path) > 0, ]
  photos <- suppressMessages(suppressWarnings(
    lucas_classify(rbind(train, test), demo_model(), verbose = FALSE)
  ))
  ours <- lucas_in_training(photos, demo_model(), verbose = FALSE)
  is_train <- ours$split == "train"
  # Close-ups and damaged photos are not trained on, their points are.
  is_used <- ours$status == "ok" & (is.na(ours$direction) | ours$direction != "C")
  expect_equal(ours$in_training == "photo", is_train & is_used)
  expect_equal(ours$in_training == "no", !is_train)
  expect_equal(ours$in_training == "point", is_train & !is_used)
  expect_type(ours$photo_in_training, "logical")
  expect_equal(ours$point_in_training, is_train)
})

test_that("a copy under another name is known, also by a model in a folder", {
  skip_without_core()
  folder <- tempfile("model")
  lucas_save(demo_model(), folder)
  train <- demo_parts()$train
  is_used <- file.size(train$path) > 0 & (is.na(train$direction) | train$direction != "C")
  copy <- file.path(tempfile(), "ferie p\u00e5 \u00f8.jpg")
  dir.create(dirname(copy))
  file.copy(train$path[is_used][1], copy)
  ours <- lucas_in_training(copy, folder, verbose = FALSE)
  expect_equal(ours$in_training, "photo")
  expect_identical(ours$point_in_training, NA)
})

test_that("a model of before says that nothing was recorded", {
  skip_without_core()
  folder <- tempfile("model")
  lucas_save(demo_model(), folder)
  file <- file.path(folder, "training_photos.csv")
  photos <- utils::read.csv(file, colClasses = "character", check.names = FALSE)
  utils::write.csv(photos[names(photos) != "content"], file, row.names = FALSE, na = "")
  card <- file.path(folder, "card.json")
  text <- readLines(card, encoding = "UTF-8", warn = FALSE)
  sha <- reticulate::import("hashlib")$sha256(reticulate::py_eval("open")(file, "rb")$read())$hexdigest()
  text <- sub("(\"training_photos.csv\": \")[0-9a-f]{64}", paste0("\\1", sha), text)
  writeLines(text, card, useBytes = TRUE)
  test <- demo_parts()$test
  expect_message(
    ours <- suppressWarnings(lucas_in_training(test, folder, verbose = FALSE)),
    "before contents of training photos were recorded"
  )
  expect_false("no" %in% ours$in_training)
  expect_true(all(is.na(ours$photo_in_training)))
})

test_that("vote gain and reliability say when rows are of training points", {
  skip_without_core()
  predictions <- suppressMessages(suppressWarnings(
    lucas_classify(demo_parts()$train, demo_model(), verbose = FALSE)
  ))
  expect_message(lucas_reliability(predictions), "labelled rows are of the training split")
  expect_message(lucas_vote_gain(predictions, n_draws = 20), "labelled rows are of the training split")
})
