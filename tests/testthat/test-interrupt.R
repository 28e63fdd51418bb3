test_that("Ctrl-C is an R interrupt and keeps the features computed so far", {
  skip_without_core()
  skip_on_os("windows")  # tools::pskill() has no SIGINT there
  folder <- lucas_demo_photos(tempfile("many"), n_points = 50, size = c(160, 120), verbose = FALSE)
  cache <- tempfile("cache")
  pid <- tempfile()
  out <- tempfile()
  said <- tempfile()
  code <- tempfile(fileext = ".R")
  writeLines(c(
    sprintf(".libPaths(c(%s, .libPaths()))",
            deparse(dirname(getNamespaceInfo("lucashabitat", "path")))),
    "options(reticulate.poetry.project = tempdir())",
    sprintf("Sys.setenv(LUCAS_HABITAT_CACHE = %s)", deparse(cache)),
    "library(lucashabitat)", sprintf("writeLines(as.character(Sys.getpid()), %s)", deparse(pid)),
    sprintf("photos <- %s", deparse(folder)),
    "train <- function() lucas_train(photos, arch = 'efficientnet_lite0', epochs = 500)",
    "how <- tryCatch({ train(); 'finished' }, interrupt = function(i) 'interrupted')",
    "again <- nrow(lucas_photos(photos))",
    sprintf("writeLines(c(how, again), %s)", deparse(out))
  ), code)
  system2(file.path(R.home("bin"), "Rscript"), shQuote(code), stdout = said, stderr = said, wait = FALSE)
  wait_until(file.exists(said) && any(grepl("^photos", readLines(said, warn = FALSE))), 90)
  tools::pskill(as.integer(readLines(pid)), tools::SIGINT)
  wait_until(file.exists(out), 60)
  expect_identical(readLines(out)[1], "interrupted")
  # R and Python go on working in that session, and nothing computed was lost.
  expect_gt(as.integer(readLines(out)[2]), 150)
  expect_gt(length(list.files(cache, "[.]npy$", recursive = TRUE)), 0)
})
