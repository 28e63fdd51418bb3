computes_int8 <- function() {
  skip_without_core()
  reticulate::import("lucas_habitat.engines.openvino_engine")$cpu_has_int8() &&
    reticulate::py_module_available("nncf")
}

test_that("a model gets eight bits, and classifies by them", {
  skip_if_not(computes_int8(), "this CPU, or Python, has no eight bits")
  photos <- demo_parts()$train
  model <- suppressWarnings(suppressMessages(
    lucas_quantize(demo_model(), photos, n_photos = 8, verbose = FALSE)
  ))
  expect_s3_class(model, "lucas_model")
  expect_null(demo_model()$card$quantisation)
  agreement <- model$card$quantisation$agreement
  expect_gt(agreement$n, 8) # one demo photo cannot be read
  expect_lte(agreement$low, agreement$n_equal / agreement$n)
  expect_output(print(model), "eight bits   int8, found with 8 photos")
  predictions <- lucas_classify(demo_parts()$test, model, verbose = FALSE)
  expect_equal(attr(predictions, "precision"), "int8")

  folder <- tempfile("model")
  lucas_save(model, folder)
  again <- lucas_classify(demo_parts()$test, lucas_load(folder), verbose = FALSE)
  expect_equal(again$confidence, predictions$confidence)
})

test_that("what has no eight bits says how to get them, in R's words", {
  skip_without_core()
  expect_error(
    lucas_classify(demo_parts()$test, demo_model(), precision = "int8", verbose = FALSE),
    "lucas_quantize\\(\\) finds them.*lucas_train\\(\\) with precision = 'int8'"
  )
})
