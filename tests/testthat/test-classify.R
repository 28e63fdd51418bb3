test_that("predictions are a plain data.frame, a row a photo, in order", {
  skip_without_core()
  test <- demo_parts()$test
  pred <- demo_predictions()
  expect_identical(class(pred), "data.frame")
  expect_identical(pred$path, test$path)
  expect_identical(levels(pred$predicted), demo_model()$classes)
  expect_identical(levels(pred$habitat), demo_model()$classes)
  columns <- paste0("p_", demo_model()$classes)
  expect_identical(probability_columns(pred), columns)
  read <- pred$status == "ok"
  expect_equal(rowSums(pred[read, columns]), rep(1, sum(read)), ignore_attr = TRUE, tolerance = 1e-14)
  expect_true(all(is.na(pred$predicted[!read])))
  expect_identical(attr(pred, "precision"), "float32")
  expect_true(attr(pred, "engine") %in% c("openvino", "torch"))
})

test_that("one file, files, a folder and a table give the same numbers", {
  skip_without_core()
  pred <- demo_predictions()
  model <- demo_model()
  some <- which(pred$status == "ok")[1:3]
  columns <- probability_columns(pred)
  one <- lucas_classify(pred$path[some[1]], model, verbose = FALSE)
  expect_equal(nrow(one), 1)
  expect_equal(one[1, columns], pred[some[1], columns], ignore_attr = TRUE, tolerance = 1e-5)
  few <- lucas_classify(pred$path[rev(some)], model, verbose = FALSE)
  expect_equal(few[columns], pred[rev(some), columns], ignore_attr = TRUE, tolerance = 1e-5)
  all <- lucas_classify(demo_folder(), model, verbose = FALSE)
  expect_equal(all[match(pred$path, all$path), columns], pred[columns], ignore_attr = TRUE,
               tolerance = 1e-5)
})

test_that("a photo that cannot be read is a row with its reason", {
  skip_without_core()
  bad <- tempfile(fileext = ".jpg")
  writeLines("no photo", bad)
  good <- demo_predictions()$path[demo_predictions()$status == "ok"][1]
  pred <- lucas_classify(c(bad, good, "nowhere.jpg"), demo_model(), verbose = FALSE)
  expect_identical(pred$status, c("not a photo", "ok", "missing"))
  expect_identical(is.na(pred$predicted), c(TRUE, FALSE, TRUE))
})

test_that("predict() gives tables, classes or probabilities", {
  skip_without_core()
  test <- demo_parts()$test
  expect_equal(predict(demo_model(), test, verbose = FALSE), demo_predictions())
  expect_identical(predict(demo_model(), test, type = "class", verbose = FALSE),
                   demo_predictions()$predicted)
  p <- predict(demo_model(), test, type = "prob", verbose = FALSE)
  expect_equal(dim(p), c(nrow(test), 4))
  expect_identical(colnames(p), demo_model()$classes)
})

test_that("classified tables can be classified again and written and read", {
  skip_without_core()
  expect_equal(lucas_classify(demo_predictions(), demo_model(), verbose = FALSE), demo_predictions())
  file <- tempfile(fileext = ".csv")
  utils::write.csv(demo_predictions(), file, row.names = FALSE)
  expect_equal(lucas_vote(file)$n_photos, lucas_vote(demo_predictions())$n_photos)
})

test_that("progress is R's own and can be switched off", {
  skip_without_core()
  said <- capture.output(type = "message", {
    bar <- progress_bar(TRUE, has_reader = TRUE)
    bar$update(0, 10, "photos")
    bar$update(10, 10, "photos")
    bar$close()
  })
  expect_match(said, "photos \\(10\\)", all = FALSE)
  expect_match(said, "100%", all = FALSE)
  expect_null(progress_bar(FALSE)$update)
  old <- options(knitr.in.progress = TRUE)
  on.exit(options(old))
  expect_null(progress_bar(TRUE)$update)
  expect_silent(lucas_classify(demo_parts()$test, demo_model(), verbose = FALSE))
})

test_that("an R error inside the progress callback stops the run with its message", {
  skip_without_core()
  bridge <- python_bridge()
  answer <- bridge$call("draw_demo_photos", list(
    folder = tempfile(), n_points = 40, size = list(1600, 1200)), function(...) stop("from R"))
  expect_false(answer$ok)
  expect_match(answer$message, "from R")
})

test_that("a run is a folder that goes on, and goes wherever predictions go", {
  skip_without_core()
  out <- file.path(tempfile("run "), "på ø")
  run <- lucas_classify(demo_folder(), demo_model(), out = out, verbose = FALSE)
  expect_s3_class(run, "lucas_run")
  expect_output(print(run), "photos classified")
  expect_true(all(c("_run.json", "part-000000.parquet") %in% list.files(out)))
  whole <- lucas_classify(demo_folder(), demo_model(), verbose = FALSE)
  expect_equal(as.data.frame(run), whole)
  expect_identical(levels(as.data.frame(run)$predicted), demo_model()$classes)
  expect_equal(suppressWarnings(lucas_vote(run)), suppressWarnings(lucas_vote(whole)))
  expect_equal(suppressWarnings(lucas_vote(out)), suppressWarnings(lucas_vote(whole)))
  accuracy <- function(x) suppressMessages(lucas_evaluate(x, n_boot = 50))
  expect_equal(accuracy(run), accuracy(whole))
  expect_equal(accuracy(out), accuracy(whole))
  expect_message(lucas_classify(demo_folder(), demo_model(), out = out, verbose = FALSE), "is finished")
  expect_error(lucas_classify(demo_folder(), demo_model(), out = out, flag_unlike = TRUE, verbose = FALSE),
               "other settings", class = "lucas_error")
})

# Ray takes a minute to start; `make test-slow` asks for it.
if (Sys.getenv("LUCAS_TEST_SLOW") == "true") test_that("a run on Ray is the run on one machine", {
  skip_without_core()
  out <- tempfile("run ")
  run <- lucas_classify(demo_folder(), demo_model(), out = out, engine = "ray", verbose = FALSE)
  ordered <- function(x) {
    x <- as.data.frame(x)
    x <- x[order(x$path), ]
    row.names(x) <- NULL
    x
  }
  expect_equal(ordered(run), ordered(lucas_classify(demo_folder(), demo_model(), verbose = FALSE)))
  expect_error(lucas_classify(demo_folder(), demo_model(), engine = "ray"),
               'engine = "ray" writes runs|engine = .ray. writes runs', class = "lucas_error")
})

test_that("predictions are written to a file on the way", {
  skip_without_core()
  file <- tempfile(fileext = ".csv")
  pred <- lucas_classify(demo_parts()$test, demo_model(), out = file, verbose = FALSE)
  expect_s3_class(pred, "data.frame")
  expect_equal(nrow(utils::read.csv(file)), nrow(pred))
})
