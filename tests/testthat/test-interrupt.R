# Ctrl-C reaches the core as KeyboardInterrupt in the main thread. Here it is raised at a known
# moment; the real signal is sent below, on request, because what it meets by chance is not ours.

test_that("Ctrl-C is an R interrupt and keeps the features computed so far", {
  skip_without_core()
  python_bridge()
  cache <- tempfile("cache")
  old <- Sys.getenv("LUCAS_HABITAT_CACHE")
  set_cache <- function(folder) Sys.setenv(LUCAS_HABITAT_CACHE = folder)
  set_cache(cache)
  reticulate::py_run_string(paste(
    "from lucas_habitat.cache import FeatureCache as cache_class",
    "plain_add, added = cache_class.add, []",
    "def add_and_stop(self, key, features, file=None):",
    "    plain_add(self, key, features, file)",
    "    added.append(key)",
    "    if len(added) == 20: raise KeyboardInterrupt",
    "cache_class.add = add_and_stop", sep = "\n"))
  on.exit({
    set_cache(old)
    reticulate::py_run_string("cache_class.add = plain_add")
  })
  train <- function() lucas_train(demo_parts()$train, arch = "efficientnet_lite0", verbose = FALSE)
  how <- tryCatch(train(), interrupt = function(i) "interrupted")
  expect_identical(how, "interrupted")
  expect_gt(length(list.files(cache, "[.]safetensors$", recursive = TRUE)), 0)
  # The session goes on, and the second run computes only what is left.
  reticulate::py_run_string("cache_class.add = plain_add")
  expect_s3_class(suppressWarnings(train()), "lucas_model")
})

test_that("what only reads like an interrupt is an error", {
  skip_without_core()
  how <- tryCatch(lucas_photos("KeyboardInterrupt"), interrupt = function(i) "interrupted",
                  error = conditionMessage)
  expect_match(how, "^There is no .*KeyboardInterrupt")
})

# `make test-slow` asks for it. Not on Windows, where tools::pskill() has no SIGINT.
if (Sys.getenv("LUCAS_TEST_SIGNALS") == "true") test_that("a signal that a library made an error of is an interrupt", {
  skip_without_core()
  python_bridge()
  reticulate::py_run_string(paste(
    "import time", "from pathlib import Path", "from lucas_habitat.bridge.for_r import FOR_R",
    "def swallow(started):",
    "    Path(started).touch()",
    "    try: time.sleep(30)",
    "    except KeyboardInterrupt: pass",
    "    raise RuntimeError('(Unknown exception occurred)')",
    "FOR_R['swallow'] = swallow", sep = "\n"))
  on.exit(reticulate::py_run_string("del FOR_R['swallow']"))
  started <- tempfile()
  system(sprintf("(while [ ! -f %s ]; do sleep 0.1; done; sleep 0.3; kill -INT %d) &",
                 shQuote(started), Sys.getpid()))
  how <- tryCatch(call_core("swallow", list(started = started)),
                  interrupt = function(i) "interrupted", error = conditionMessage)
  expect_identical(how, "interrupted")
})

if (Sys.getenv("LUCAS_TEST_SIGNALS") == "true") test_that("a real signal stops a training", {
  skip_without_core()
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
    # A second signal may still be on its way.
    "list_again <- function() {",
    "  tryCatch(nrow(lucas_photos(photos)), interrupt = function(i) list_again())",
    "}", "again <- list_again()",
    sprintf("writeLines(c(how, again), %s)", deparse(out))
  ), code)
  system2(file.path(R.home("bin"), "Rscript"), shQuote(code), stdout = said, stderr = said, wait = FALSE)
  wait_until(file.exists(said) && any(grepl("^photos", readLines(said, warn = FALSE))))
  # In about one of ten tries OpenVINO's converter swallows the first; a user would press again.
  for (attempt in 1:3) {
    tools::pskill(as.integer(readLines(pid)), tools::SIGINT)
    if (!inherits(try(wait_until(file.exists(out), 120), silent = TRUE), "try-error")) break
  }
  if (!file.exists(out)) {
    tools::pskill(as.integer(readLines(pid)))
    stop("The session went on or ended: ", paste(utils::tail(readLines(said, warn = FALSE), 15),
                                                 collapse = "\n"))
  }
  expect_identical(readLines(out)[1], "interrupted")
  # R and Python go on working in that session, and nothing computed was lost.
  expect_gt(as.integer(readLines(out)[2]), 150)
  expect_gt(length(list.files(cache, "[.]safetensors$", recursive = TRUE)), 0)
})
