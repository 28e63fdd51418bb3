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

test_that("Python's spelling becomes R's", {
  say <- function(python, r) expect_equal(in_r_words(python), r)
  say("Pass regroup=True to split anew by point.", "Pass regroup = TRUE to split anew by point.")
  say("Give k=5 or radius=5000, or year='<=2018'.", "Give k = 5 or radius = 5000, or year = '<=2018'.")
  say("name the true class with reference=.", "name the true class with reference.")
  say("Split by point with split_photos(), or use validation_split=",
      "Split by point with lucas_split(), or use validation_split")
  say("drop='none' keeps it, drop=<class> leaves out another.",
      "drop = 'none' keeps it, drop = <class> leaves out another.")
  say("Use device='cpu' or 'auto'", "Use device = 'cpu' or 'auto'")
  say("overwrite it explicitly (overwrite=True, --overwrite).",
      "overwrite it explicitly (overwrite = TRUE).")
  say("test_size must be a number, more than 0; got None instead.",
      "test_size must be a number, more than 0; got NULL instead.")
  say("closeups=False leaves them", "closeups = FALSE leaves them")
  say("assign_habitat() makes it from LC1 codes", "lucas_habitat() makes it from LC1 codes")
  say("Models are made by train() and save_model().", "Models are made by lucas_train() and lucas_save().")
  say("Say it with years=, such as years=2018.", "Say it with years, such as years = 2018.")
  say("n=9 rows; credit() gives the citation", "n = 9 rows; lucas_credit() gives the citation")
  say("left out; attrs['problems'] lists them.", "left out; attr(, \"problems\") lists them.")
  say("crs='EPSG:4326' and", "crs = 'EPSG:4326' and")
  say("photos need pillow-heif: pip install \"lucas-habitat[heic]\".",
      "photos need pillow-heif: lucas_install(heic = TRUE).")
  say("Rows of 3 sites that are NaN: 1", "Rows of 3 sites that are NA: 1")
})

test_that("a missing device says how R gets it", {
  skip_without_core()
  expect_error(lucas_classify(demo_parts()$test, demo_model(), device = "cuda:7"),
               "lucas_install\\(gpu = TRUE", class = "lucas_device_error")
})

test_that("what only looks like Python is left alone", {
  same <- function(text) expect_equal(in_r_words(text), text)
  same("None of 12 photos could be read: a.jpg (damaged).")
  same("There is no /home/k=5/photos.")
  same("https://example.org/table?url=x&year=2018&n=5 cannot be had")
  same("the class 'True' has a single point")
  same("The index of 5 was 3 == 3.")
})

test_that("what reticulate reports by itself is read in all its forms", {
  kind <- function(text) tryCatch(stop_from_text(text), error = function(e) c(class(e)[1], conditionMessage(e)))
  expect_equal(kind("ValueError: text"), c("lucas_internal_error", "text"))
  expect_equal(kind("lucas_habitat.errors.SplitError: pass regroup=True"),
               c("lucas_split_error", "pass regroup = TRUE"))
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
  expect_error(lucas_vote(5), "predictions must be a data.frame or the path")
  expect_error(lucas_train(demo_parts()$train, epochs = "ten", arch = "efficientnet_lite0"),
               "epochs must be a whole number")
  expect_error(lucas_train(demo_parts()$train, recipe = "mine"), "recipe must be one of 'pilot'")
  expect_error(lucas_evaluate(data.frame(predicted = "a")), "reference")
})
