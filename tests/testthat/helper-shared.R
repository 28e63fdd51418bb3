# Made once for all tests: a few small demo photos, their split, a small trained model.

shared <- new.env()

demo_folder <- function() {
  if (is.null(shared$folder)) {
    # A space and a Danish letter, as in "Mine billeder/Gr\u00f8n".
    parent <- tempfile("Mine gr\u00f8nne ")
    dir.create(parent)
    shared$folder <- lucas_demo_photos(file.path(parent, "lucas01"), n_points = 12,
                                       size = c(320, 240), verbose = FALSE)
  }
  shared$folder
}

demo_parts <- function() {
  if (is.null(shared$parts)) {
    shared$parts <- lucas_split(lucas_photos(demo_folder()), test_size = 0.4, seed = 1)
  }
  shared$parts
}

demo_model <- function() {
  if (is.null(shared$model)) {
    shared$model <- suppressWarnings(lucas_train(
      demo_parts()$train, arch = "efficientnet_lite0", epochs = 3, device = "cpu",
      precision = "float32", verbose = FALSE
    ))
  }
  shared$model
}

demo_predictions <- function() {
  if (is.null(shared$predictions)) {
    shared$predictions <- lucas_classify(demo_parts()$test, demo_model(), verbose = FALSE)
  }
  shared$predictions
}

# Points as lucas_vote() gives them, with shares that are a composition in double precision.
made_points <- function(n = 200, seed = 1) {
  set.seed(seed)
  classes <- c("artificial", "cropland", "grassland", "woody")
  p <- matrix(stats::rgamma(4 * n, 1), n)
  p <- p / rowSums(p)
  x <- 4220 + 2 * (seq_len(n) %% 40)
  y <- 3540 + 2 * (seq_len(n) %/% 40)
  data.frame(
    point_id = paste0(x, y), year = 2018L, n_photos = 5L,
    predicted = factor(classes[max.col(p)], classes), structure(p, dimnames = list(
      NULL, paste0("p_", classes))), calibrated = TRUE
  )
}

# tests/cases stands beside tests/testthat, in the source and in the copy that R CMD check makes.
case_file <- function(name) {
  folder <- normalizePath(".")
  while (!file.exists(file.path(folder, "cases", name))) {
    above <- dirname(folder)
    if (above == folder) {
      skip_unless(FALSE, paste("tests/cases has no", name))
    }
    folder <- if (file.exists(file.path(folder, "tests", "cases", name))) {
      file.path(folder, "tests")
    } else above
  }
  skip_without("jsonlite")
  jsonlite::fromJSON(file.path(folder, "cases", name), simplifyVector = TRUE,
                     simplifyDataFrame = FALSE, simplifyMatrix = FALSE)
}

# What Python gets for an R value, as Python writes it.
seen_by_python <- function(x) {
  python_bridge()
  reticulate::py_eval("lambda value: repr(value)")(x)
}

# A table to Python and back.
there_and_back <- function(table, ...) {
  python_bridge()
  reticulate::py_run_string(paste(
    "from lucas_habitat.bridge.from_r import table_from_r",
    "from lucas_habitat.bridge.to_r import table_to_r",
    "echo = lambda table: table_to_r(table_from_r(table))", sep = "\n"
  ))
  table_from_core(reticulate::py$echo(table_argument(table, ...)))
}

# Runs code in an R of its own, with the package under test.
in_new_session <- function(code, env = character()) {
  system2(file.path(R.home("bin"), "Rscript"), shQuote(session_file(code)), stdout = TRUE, stderr = TRUE,
          env = env)
}

# A file of code that a new R session runs with the package as this one has it.
session_file <- function(code) {
  file <- tempfile(fileext = ".R")
  where <- dirname(getNamespaceInfo("lucashabitat", "path"))
  writeLines(c(
    sprintf(".libPaths(c(%s, .libPaths()))", deparse(where)),
    "options(reticulate.poetry.project = tempdir())", code
  ), file)
  file
}

# Time of this process and its threads: unlike time on the clock, a busy machine changes little of it.
cpu_seconds <- function(code, times = 3) {
  expression <- substitute(code)
  caller <- parent.frame()
  min(replicate(times, sum(system.time(eval(expression, caller))[c("user.self", "sys.self")])))
}

# So long a wait ends only where something hangs.
wait_until <- function(condition, seconds = 300) {
  end <- Sys.time() + seconds
  expression <- substitute(condition)
  caller <- parent.frame()
  while (!isTRUE(eval(expression, caller))) {
    if (Sys.time() > end) stop("Nothing happened within ", seconds, " s: ", deparse(expression))
    Sys.sleep(0.05)
  }
}

# The names of the core's functions in R, by their names in Python, as the core tells them.
names_in_r <- function() {
  python_bridge()
  unlist(reticulate::py_eval(
    "{k: v.r for k, v in __import__('lucas_habitat._base.words')._base.words.NAMES.items() if v.r}"
  ))
}
