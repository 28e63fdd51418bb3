test_that("a network is described without a Python object", {
  skip_without_core()
  network <- lucas_model(4, arch = "efficientnet_lite0", weights = NULL)
  expect_s3_class(network, "lucas_network")
  expect_equal(network$features, 1280)
  # 1280 x 1024 + 1024 in the first dense layer, 1024 x 4 + 4 in the second
  expect_equal(network$trained, 1280 * 1024 + 1024 + 1024 * 4 + 4)
  expect_equal(sum(network$layers$parameters), network$parameters)
  expect_false(any(rapply(unclass(network), inherits, what = "python.builtin.object", how = "unlist")))
  expect_output(print(network), "1 315 844 trained")
  expect_equal(lucas_model(4, "efficientnet_lite0", freeze_backbone = FALSE, weights = NULL)$trained,
               network$parameters)
  expect_error(lucas_model(1, "efficientnet_lite0"), "num_classes must be a whole number")
  expect_error(lucas_model(4, "efficientnet_lite"), class = "lucas_input_error")
})

test_that("a trained model is a plain R object", {
  skip_without_core()
  model <- demo_model()
  expect_s3_class(model, "lucas_model")
  expect_identical(model$classes, c("artificial", "cropland", "grassland", "woody"))
  expect_identical(names(model$history), c("epoch", "loss", "accuracy"))
  expect_equal(model$history$epoch, 1:3)
  expect_equal(model$card$backbone$arch, "efficientnet_lite0")
  expect_type(model$bytes, "raw")
  expect_false(any(rapply(unclass(model), inherits, what = "python.builtin.object", how = "unlist")))
})

test_that("print, summary and plot work without Python's help", {
  skip_without_core()
  model <- demo_model()
  expect_output(print(model), "lucas-habitat model.*artificial, cropland, grassland, woody")
  expect_output(print(model), "lucas_calibrate\\(\\)")
  found <- summary(model)
  expect_equal(sum(found$classes$share), 1)
  expect_output(print(found), "classes in training")
  pdf(NULL)
  on.exit(dev.off())
  expect_identical(plot(model), model)
})

test_that("a validation gives a history to compare and a calibration", {
  skip_without_core()
  parts <- demo_parts()
  model <- suppressWarnings(lucas_train(
    parts$train, validation = parts$test, arch = "efficientnet_lite0", epochs = 2, verbose = FALSE))
  expect_identical(names(model$history),
                   c("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "val_kappa"))
  pdf(NULL)
  on.exit(dev.off())
  expect_silent(plot(model))
})

test_that("classes are balanced where it is asked for, and the model says so", {
  skip_without_core()
  parts <- demo_parts()
  model <- lucas_train(parts$train, arch = "efficientnet_lite0", epochs = 1, class_balance = "weights",
                       verbose = FALSE)
  expect_identical(model$card$training$class_balance, "weights")
  expect_output(print(model), "balanced \\(weights\\).*lucas_adjust_shares\\(\\)")
  expect_error(lucas_train(parts$train, class_balance = "yes"), "class_balance must be one of",
               class = "lucas_input_error")
})

test_that("a model survives saveRDS, a new Python and a new session", {
  skip_without_core()
  model <- demo_model()
  expected <- demo_predictions()
  file <- tempfile(fileext = ".rds")
  saveRDS(model, file, compress = FALSE)
  python_bridge()$forget_models()
  expect_silent(again <- lucas_classify(demo_parts()$test, readRDS(file), verbose = FALSE))
  expect_equal(again, expected)
  expect_silent(lucas_classify(demo_parts()$test, model, verbose = FALSE))

  table <- tempfile(fileext = ".rds")
  saveRDS(demo_parts()$test, table)
  out <- tempfile(fileext = ".rds")
  said <- in_new_session(c(
    "library(lucashabitat)", sprintf("model <- readRDS(%s)", deparse(file)), "print(model)",
    "stopifnot(!reticulate::py_available(initialize = FALSE))",
    sprintf("saveRDS(lucas_classify(readRDS(%s), model, verbose = FALSE), %s)", deparse(table),
            deparse(out))))
  expect_false(any(grepl("Python is new", said)))
  expect_equal(readRDS(out), expected)
})

test_that("a saved folder is loaded, classified by, and never overwritten by accident", {
  skip_without_core()
  folder <- file.path(dirname(demo_folder()), "model")
  saved <- lucas_save(demo_model(), folder)
  expect_equal(saved$folder, file_path(folder))
  expect_true(all(c("card.json", "model.safetensors") %in% list.files(folder)))
  loaded <- lucas_load(folder)
  expect_equal(loaded$card$created, demo_model()$card$created)
  expect_output(print(loaded), "saved in")
  columns <- probability_columns(demo_predictions())
  expect_equal(lucas_classify(demo_parts()$test, folder, verbose = FALSE)[columns],
               demo_predictions()[columns])
  expect_error(lucas_save(demo_model(), folder), "overwrite = TRUE")
  expect_silent(lucas_save(demo_model(), folder, overwrite = TRUE))
  expect_error(lucas_load(tempfile()), class = "lucas_model_error")
  writeLines("damaged", file.path(folder, "history.csv"))
  expect_error(lucas_load(folder), "damaged", class = "lucas_model_error")
  expect_error(lucas_save(5, tempfile()), "model must be")
})

test_that("damaged bytes are an error, not a crash", {
  skip_without_core()
  model <- demo_model()
  model$id <- "another"
  model$bytes <- as.raw(1:100)
  expect_error(suppressMessages(lucas_classify(demo_parts()$test, model)), "bytes are damaged",
               class = "lucas_model_error")
})

test_that("calibration leaves classes and the given model as they are", {
  skip_without_core()
  model <- demo_model()
  done <- suppressWarnings(lucas_calibrate(model, demo_parts()$test, verbose = FALSE))
  expect_null(model$card$calibration)
  expect_gt(done$card$calibration$temperature, 0)
  again <- lucas_classify(demo_parts()$test, done, verbose = FALSE)
  expect_identical(again$predicted, demo_predictions()$predicted)
  expect_true(all(again$calibrated))
  expect_error(lucas_calibrate(model, demo_parts()$train), "were trained on",
               class = "lucas_calibration_error")
})

test_that("networks side by side with a logistic head are trained, shown and drawn", {
  skip_without_core()
  model <- suppressMessages(lucas_train(demo_parts()$train, recipe = "recommended",
                                        target_size = 64, verbose = FALSE))
  expect_equal(model$card$backbone$arch,
               "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2")
  expect_equal(model$card$training$head, "logistic")
  expect_null(model$card$training$epochs)
  expect_gt(model$card$training$regularisation$C, 0)
  expect_output(print(model), "recipe recommended, logistic head, C ")
  expect_equal(nrow(model$history), 1)
  pdf(NULL)
  on.exit(dev.off())
  expect_silent(plot(model))
  predictions <- suppressMessages(lucas_classify(demo_parts()$test, model, verbose = FALSE))
  expect_true(all(model$classes %in% sub("^p_", "", grep("^p_", names(predictions), value = TRUE))))
  expect_error(lucas_train(demo_parts()$train, recipe = "recommended", epochs = 3),
               "epochs.* mean nothing to a logistic head", class = "lucas_input_error")
})
