# Photos of the demo, sorted by their labels.
sorted_photos <- function(folder, ...) {
  photos <- lucas_photos(demo_folder())
  photos <- photos[file.size(photos$path) > 0, ]
  predictions <- data.frame(photos, predicted = photos$habitat, confidence = 0.9)
  list(photos = photos, placed = lucas_sort_photos(predictions, folder, ..., verbose = FALSE))
}

move <- function(folder, file, class) {
  expect_true(file.rename(file.path(folder, file), file.path(folder, class, basename(file))))
}

test_that("photos go into class folders and come back as corrections that training takes", {
  skip_without_core()
  folder <- tempfile("Sorteret p\u00e5 \u00f8 ")
  sorted <- sorted_photos(folder)
  expect_true(all(sorted$placed$status == "sorted"))
  expect_true(all(file.exists(file.path(folder, sorted$placed$file))))
  read <- lucas_read_sorted(folder)
  expect_equal(c(nrow(read$corrections), nrow(read$changes)), c(0, 0))
  expect_output(print(read), "0 corrections; 0 changes")

  i <- which(sorted$placed$predicted != "woody")[1:2]
  for (file in sorted$placed$file[i]) move(folder, file, "woody")
  unlink(file.path(folder, sorted$placed$file[rev(seq_len(nrow(sorted$placed)))[1]]))
  read <- lucas_read_sorted(folder)
  expect_setequal(read$corrections$path, sorted$photos$path[i])
  expect_s3_class(read$corrections$habitat, "factor")
  expect_equal(as.character(read$corrections$habitat), c("woody", "woody"))
  expect_equal(sort(table(read$changes$change), decreasing = TRUE)[["moved"]], 2)
  expect_true("deleted" %in% read$changes$change)

  model <- suppressWarnings(lucas_train(
    sorted$photos, corrections = read$corrections, arch = "efficientnet_lite0", epochs = 1,
    device = "cpu", precision = "float32", verbose = FALSE
  ))
  expect_equal(model$card$training$corrections$replaced, 2)
  expect_equal(model$card$training$corrections$added, 0)
})

test_that("what a person did stays when photos are sorted again", {
  skip_without_core()
  folder <- tempfile("sorted")
  sorted <- sorted_photos(folder, how = "link", min_confidence = 0.95)
  expect_true(all(sorted$placed$status == "unsure"))
  move(folder, sorted$placed$file[1], "woody")
  again <- sorted_photos(folder, how = "link")$placed
  expect_equal(again$status, c("left", rep("sorted", nrow(again) - 1)))
  expect_true(file.exists(file.path(folder, "woody", basename(again$path[1]))))
})

test_that("a photo that cannot be read is told with the reason", {
  skip_without_core()
  photos <- lucas_photos(demo_folder())
  predictions <- data.frame(photos, predicted = photos$habitat, confidence = 0.9)
  placed <- lucas_sort_photos(predictions, tempfile("sorted"), verbose = FALSE)
  refused <- placed[placed$status == "refused", ]
  expect_equal(refused$path, photos$path[file.size(photos$path) == 0])
  expect_match(refused$error, "0 bytes")
  expect_true(is.na(refused$file))
})

test_that("folders of no class correct nothing unless they are asked for", {
  skip_without_core()
  folder <- tempfile("sorted")
  sorted <- sorted_photos(folder)
  dir.create(file.path(folder, "hede"))
  move(folder, sorted$placed$file[1], "hede")
  expect_message(read <- lucas_read_sorted(folder), "hede. new_classes = TRUE takes")
  expect_equal(nrow(read$corrections), 0)
  read <- lucas_read_sorted(folder, new_classes = TRUE, confirmed = TRUE)
  expect_equal(nrow(read$corrections), nrow(sorted$photos))
  expect_true("hede" %in% read$corrections$habitat)
})

test_that("what cannot be sorted or read is refused in R's words", {
  skip_without_core()
  expect_error(lucas_read_sorted(tempdir()), "lucas_sort_photos() makes such folders", fixed = TRUE)
  expect_error(lucas_sort_photos(data.frame(path = "a.jpg"), tempfile()),
               "lucas_sort_photos() needs the column predicted", fixed = TRUE)
  expect_error(lucas_sort_photos(data.frame(path = "a.jpg", predicted = "x", confidence = 1), NA),
               "folder must be the name of one folder")
  expect_error(lucas_read_sorted(tempdir(), confirmed = "yes"), "confirmed must be TRUE or FALSE")
})
