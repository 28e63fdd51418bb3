test_that("both languages have the same functions", {
  skip_without_core()
  public <- unlist(reticulate::py_eval("[n for n in __import__('lucas_habitat').__all__ if n != '__version__']"))
  # Classes are not called, the demo is the command line's (`lucas-habitat demo`), R has its own
  # tables and .rds files, and an address alone serves nobody here.
  public <- setdiff(public, c("Evaluation", "HabitatModel", "MapAccuracy", "photo_url", "run_demo",
                              "save_rds", "to_r"))
  exports <- getNamespaceExports("lucashabitat")
  expect_setequal(setdiff(public, names(R_NAMES)), character())
  expect_true(all(R_NAMES[public] %in% exports))
  expect_setequal(setdiff(exports, R_NAMES), c("lucas_app_stop", "lucas_install", "lucas_status"))
})

test_that("arguments have the same names and defaults", {
  skip_without_core()
  signature <- reticulate::py_eval(paste0(
    "lambda name: [p for p in __import__('inspect').signature(getattr(",
    "__import__('lucas_habitat'), name)).parameters]"))
  for (name in names(R_NAMES)) {
    theirs <- setdiff(unlist(signature(name)), "progress")
    ours <- setdiff(names(formals(R_NAMES[[name]])), c("verbose", "as", "filename"))
    expect_identical(as.character(ours), as.character(theirs), info = name)
  }
})

test_that("every argument that errors may name is known to in_r_words()", {
  skip_without_core()
  ours <- unique(unlist(lapply(R_NAMES, function(name) names(formals(name)))))
  plain <- c("verbose", "as", "filename", "table", "predictions", "points", "model", "source",
             "covariates", "n_points")
  expect_setequal(setdiff(ours, c(ARGUMENTS, plain)), character())
})
