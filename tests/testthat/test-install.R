test_that("torch comes from PyTorch's own index for the build asked for", {
  index <- function(...) {
    torch <- pip_commands("src", ...)[[1]]
    if ("--index-url" %in% torch) torch[which(torch == "--index-url") + 1]
  }
  own <- "https://download.pytorch.org/whl/"
  expect_equal(index(system = "Linux"), paste0(own, "cpu"))
  expect_equal(index(system = "Windows"), paste0(own, "cpu"))
  expect_null(index(system = "Darwin"))
  expect_null(index(gpu = TRUE, system = "Linux"))
  expect_match(index(gpu = TRUE, system = "Windows"), "/cu[0-9]+$")
  expect_equal(index(gpu = "cu124", system = "Linux"), paste0(own, "cu124"))
  expect_null(index(torch_index = NULL, system = "Linux"))
  expect_equal(index(torch_index = "https://mirror.example", system = "Linux"), "https://mirror.example")
  expect_error(pip_commands("src", gpu = NA), "gpu must be TRUE, FALSE or a build")
})

test_that("our own package is only ever installed from a path", {
  for (offline in c(TRUE, FALSE)) {
    last <- pip_commands("/a path/to/checkout", offline = offline, system = "Linux")[[2]]
    expect_equal(last[length(last)], paste0("/a path/to/checkout", if (offline) "[offline]"))
  }
  last <- pip_commands("/a/src", app = TRUE, heic = TRUE, cluster = TRUE, system = "Linux")[[2]]
  expect_equal(last[length(last)], "/a/src[offline,app,heic,cluster]")
  last <- pip_commands("/a/src", offline = FALSE, remote = TRUE, system = "Linux")[[2]]
  expect_equal(last[length(last)], "/a/src[remote]")
  expect_error(pip_commands("/a/src", heic = NA, system = "Linux"), "heic must be TRUE or FALSE")
  all <- unlist(pip_commands("/a/src", system = "Linux"))
  expect_false(any(grepl("^lucas[-_]habitat", all)))
  expect_true("--no-input" %in% all)
})

test_that("without a source and a carried wheel it says what to pass", {
  expect_error(core_source(NULL, carried = character()), "Pass the source", class = "lucas_install_error")
  expect_equal(core_source(NULL, carried = "x/lucas_habitat-0.1.0-py3-none-any.whl"),
               "x/lucas_habitat-0.1.0-py3-none-any.whl")
  expect_error(core_source(tempdir()), "neither a checkout")
  expect_error(core_source("lucas-habitat"), "neither a checkout")
  expect_error(core_source(NA), "source must be one path")
  checkout <- tempfile("check out")
  dir.create(file.path(checkout, "python", "lucas_habitat"), recursive = TRUE)
  file.create(file.path(checkout, "pyproject.toml"),
              file.path(checkout, "python", "lucas_habitat", "__init__.py"))
  expect_equal(core_source(checkout), file_path(checkout))
  wheel <- file.path(tempdir(), "lucas_habitat-0.1.0-py3-none-any.whl")
  file.create(wheel)
  expect_equal(core_source(wheel), file_path(wheel))
})

test_that("a Python that is none, or too old, is refused", {
  expect_error(find_python(file.path(tempdir(), "no-python")), "is no Python 3.11",
               class = "lucas_install_error")
})

test_that("the core's version must fit the package's", {
  expect_true(check_versions("0.1.7", "0.1.0"))
  expect_error(check_versions("0.2.0", "0.1.0"), "Update the R package", class = "lucas_version_error")
  expect_error(check_versions("0.0.9", "0.1.0"), "lucas_install\\(force = TRUE\\)")
})

test_that("DESCRIPTION and the core have one version", {
  skip_without_core()
  expect_equal(python_bridge()$version(), package_version_text())
})

test_that("loading the package starts no Python and loads no package that it only suggests", {
  said <- in_new_session(c(
    "loadNamespace('reticulate')", "before <- loadedNamespaces()", "library(lucashabitat)",
    "suggested <- trimws(strsplit(packageDescription('lucashabitat')$Suggests, ',')[[1]])",
    "suggested <- sub(' .*', '', suggested)", "stopifnot('ggplot2' %in% suggested)",
    "cat('python', reticulate::py_available(initialize = FALSE),",
    "    'suggested', intersect(setdiff(loadedNamespaces(), before), suggested), '.')"))
  expect_match(said, "python FALSE suggested +[.]$", all = FALSE)
})

# Sessions that know of no Python: a home without virtualenvs and no variable that names one.
without_python <- function() {
  c("RETICULATE_PYTHON=", "RETICULATE_PYTHON_ENV=", "VIRTUAL_ENV=",
    paste0("WORKON_HOME=", tempfile("none")), paste0("RETICULATE_VIRTUALENV_ROOT=", tempfile("none")))
}

test_that("without Python there are messages, not failures", {
  said <- in_new_session(c(
    "library(lucashabitat)", "found <- lucas_status()", "stopifnot(!found$ready)",
    "cat(class(tryCatch(lucas_photos('x'), error = identity))[1], '\\n')",
    "cat('started', reticulate::py_available(initialize = FALSE))"), env = without_python())
  expect_match(said, "not ready", all = FALSE)
  expect_match(said, "lucas_install\\(\\)", all = FALSE)
  expect_match(said, "lucas_python_error", all = FALSE)
  expect_match(said, "started FALSE", all = FALSE)
})

test_that("a Python without the core says what to do", {
  skip_without_core()
  bare <- tempfile("bare")
  system2(reticulate::py_config()$python, c("-m", "venv", "--without-pip", shQuote(bare)))
  python <- environment_python(bare)
  said <- in_new_session(c(
    "library(lucashabitat)", "cat(conditionMessage(tryCatch(lucas_photos('x'), error = identity)))"),
    env = c(paste0("RETICULATE_PYTHON=", python), "VIRTUAL_ENV=", "PYTHONPATH="))
  expect_match(paste(said, collapse = " "), "has no lucas_habitat.*lucas_install\\(\\)")
})

test_that("another core version says which to update", {
  skip_without_core()
  said <- in_new_session(c(
    "library(lucashabitat)",
    "reticulate::py_run_string('import lucas_habitat._base.version as v; v.__version__ = \"0.7.0\"')",
    "print(lucas_status(quiet = TRUE)[c('ready', 'fit', 'problems')])",
    "cat(conditionMessage(tryCatch(lucas_codes(), error = identity)))"))
  expect_match(paste(said, collapse = " "), "found 0.7.0. Update the R package lucashabitat")
})

test_that("status tells everything, quietly if asked", {
  skip_without_core()
  expect_silent(found <- lucas_status(quiet = TRUE))
  expect_named(found, c("ready", "python", "python_version", "core", "package", "fit", "torch",
                        "openvino", "gpu", "weights", "cache", "problems"))
  expect_true(found$fit)
  expect_output(lucas_status(), "lucashabitat .* ready")
  expect_equal(found$cache, Sys.getenv("LUCAS_HABITAT_CACHE"))
  broken <- status_problems(list(missing = list("timm"), torch_error = "", lites = list(),
                                 weights_folder = "/w", weights_files = list()))
  expect_match(broken, "lucas_install|LUCAS_HABITAT_WEIGHTS")
  expect_length(broken, 3)
  unfit <- status_problems(list(unfit = list("pandas 2.3.3 instead of >=3.0"), torch_error = "",
                                unfit_extras = list("gradio 5 instead of >=6"), lites = list("efficientnet_lite0"),
                                weights_folder = ""))
  expect_match(unfit, "do not fit (pandas 2.3.3 instead of >=3.0, gradio 5 instead of >=6): lucas_install",
               fixed = TRUE)
})

test_that("R's library path does not leak into pip, the user's own does", {
  libraries <- paste(R.home("lib"), "/usr/lib/x86_64-linux-gnu", "/opt/my tools/lib", sep = ":")
  expect_equal(own_environment(libraries)[3], "LD_LIBRARY_PATH='/opt/my tools/lib'")
})

test_that("a virtualenv in use is neither removed nor called another", {
  skip_without_core()
  expect_true(in_use(reticulate::py_eval("__import__('sys').prefix")))
  expect_false(in_use(tempdir()))
})
