test_that("errors arrive without traceback, with R's names and a class to catch", {
  skip_without_core()
  found <- tryCatch(lucas_photos(tempfile("nothing")), error = identity)
  expect_s3_class(found, c("lucas_input_error", "lucas_error", "error", "condition"), exact = TRUE)
  expect_null(conditionCall(found))
  expect_match(conditionMessage(found), "^There is no ")
  expect_no_match(conditionMessage(found), "Traceback|InputError|list_photos|py_last_error")
  expect_match(found$traceback, "InputError")
})

test_that("a narrower error is also the wider one", {
  skip_without_core()
  photos <- demo_parts()$train
  photos$split <- rep_len(c("train", "test"), nrow(photos))
  found <- tryCatch(lucas_split(photos), error = identity)
  expect_s3_class(found, c("lucas_split_error", "lucas_input_error", "lucas_error", "error",
                           "condition"), exact = TRUE)
  expect_match(conditionMessage(found), "regroup = TRUE")
})

test_that("functions, arguments and values are said as R has them", {
  skip_without_core()
  points <- made_points(20)
  expect_error(lucas_covariates(transform(points, year = NULL)[c(1, 1), ]), "year = 2018 \\(that campaign\\)")
  expect_error(lucas_vote(points[c("point_id", "year")]),
               "lucas_vote() needs the columns p_<class> that lucas_classify() makes", fixed = TRUE)
  expect_error(lucas_evaluate(points, n_boot = NULL),
               "n_boot must be a whole number, at least 0 and at most 100000; got NULL instead.", fixed = TRUE)
  folder <- tempfile("model")
  lucas_save(demo_model(), folder)
  expect_error(lucas_save(demo_model(), folder), "overwrite it explicitly (overwrite = TRUE).",
               fixed = TRUE)
  expect_output(print(demo_model()), "see lucas_calibrate()", fixed = TRUE)
})

test_that("a missing device says how R gets it", {
  skip_without_core()
  expect_error(lucas_classify(demo_parts()$test, demo_model(), device = "cuda:7"),
               "lucas_install\\(gpu = TRUE", class = "lucas_device_error")
})

test_that("a file or a folder that looks like Python keeps its name", {
  skip_without_core()
  said <- function(call) tryCatch(call, error = conditionMessage)
  file <- file.path(file_path(tempdir()), "NaN", "covariates(1).csv")
  expect_identical(said(lucas_vote(file)), paste0("There is no table ", file, "."))
  for (name in c("NaN", "k=5", "True", "list_photos()")) {
    folder <- file.path(file_path(tempdir()), name)
    expect_match(said(lucas_photos(folder)), paste0("There is no ", folder, "."), fixed = TRUE)
  }
  expect_match(said(lucas_habitat(data.frame(lc1 = "A11"), scheme = "NaN")), "got 'NaN' instead")
})

test_that("what reticulate reports by itself is read in all its forms", {
  kind <- function(text) tryCatch(stop_from_text(text), error = function(e) c(class(e)[1], conditionMessage(e)))
  expect_equal(kind("ValueError: text"), c("lucas_internal_error", "text"))
  expect_equal(kind("lucas_habitat.errors.SplitError: pass regroup"),
               c("lucas_split_error", "pass regroup"))
  expect_equal(kind("InputError: bad\nRun `reticulate::py_last_error()` for details."),
               c("lucas_input_error", "bad"))
  expect_equal(kind("ValueError: bad\n\nDetailed traceback:\n  File \"x\", line 1, in f"),
               c("lucas_internal_error", "bad"))
})

test_that("warnings and messages arrive, also when the call then fails", {
  skip_without_core()
  expect_warning(lucas_habitat(data.frame(lc1 = c("A11", "Q99"))), "no LUCAS nomenclature",
                 class = "lucas_warning")
  expect_message(lucas_habitat(data.frame(lc1 = c("A11", "G11"))), "codes without a class",
                 class = "lucas_message")
  photos <- data.frame(path = c("a.jpg", "b.jpg"), point_id = c("1", "2"), habitat = c("woody", NA))
  seen <- NULL
  found <- tryCatch(
    withCallingHandlers(lucas_split(photos), warning = function(w) {
      seen <<- conditionMessage(w)
      invokeRestart("muffleWarning")
    }),
    error = conditionMessage
  )
  expect_match(seen, "1 of 2 photos have no class")
  expect_match(found, "At least two classes are needed")
})

test_that("warnings of the photo readers' threads do not swallow the core's", {
  skip_without_core()
  for (i in 1:3) {
    expect_warning(lucas_train(demo_parts()$train, arch = "efficientnet_lite0", epochs = 1,
                               cache = FALSE, verbose = FALSE), "photos were refused")
  }
})

test_that("an unforeseen failure says so and keeps the traceback", {
  skip_without_core()
  found <- tryCatch(call_core("list_photos", list(nonsense = 1)), error = identity)
  expect_s3_class(found, "lucas_internal_error")
  expect_match(conditionMessage(found), "failed unexpectedly: TypeError")
  expect_match(found$traceback, "Traceback")
})

test_that("arguments of the wrong kind are named", {
  skip_without_core()
  expect_error(lucas_photos("x", labels = NA), "labels must be TRUE or FALSE; got NA")
  expect_error(lucas_photos(5), "Photos must be a data.frame")
  expect_error(lucas_photos(NULL), "got NULL")
  expect_error(lucas_classify("x", model = 5), "model must be what lucas_train")
  expect_error(lucas_vote(5), "predictions must be a data.frame, the path")
  expect_error(lucas_train(demo_parts()$train, epochs = "ten", arch = "efficientnet_lite0"),
               "epochs must be a whole number")
  expect_error(lucas_train(demo_parts()$train, recipe = "mine"), "recipe must be one of 'pilot'")
  expect_error(lucas_evaluate(data.frame(predicted = "a")), "reference")
})

test_that("options(lucashabitat.verbose = FALSE) quiets messages and progress, not warnings", {
  skip_without_core()
  before <- options(lucashabitat.verbose = FALSE)
  on.exit(options(before))
  expect_silent(lucas_covariates(made_points()))
  expect_warning(lucas_covariates(transform(made_points(), calibrated = FALSE), drop = "woody"),
                 "not calibrated")
  expect_null(progress_bar(TRUE)$update)
  options(lucashabitat.verbose = NULL)
  expect_message(lucas_covariates(made_points()), "last class is left out")
})

test_that("progress is a line a step where R is not interactive", {
  file <- tempfile()
  con <- file(file, open = "wt")
  sink(con, type = "message")
  bar <- tryCatch({
    bar <- progress_bar(TRUE, has_reader = FALSE)
    for (i in 1:40) bar$update(i, 40, "reading photos")
    for (i in 1:40) bar$update(i, 40, "computing features")
    bar$close()
  }, finally = {
    sink(type = "message")
    close(con)
  })
  expect_identical(readLines(file), c("reading photos (40)", "computing features (40)"))
})
