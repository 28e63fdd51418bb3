new_card <- list(is_old = FALSE)
old_card <- list(is_old = TRUE)

test_that("torch comes from PyTorch's own index for the build asked for, alone", {
  first <- function(gpu = FALSE, torch_index = "auto", system = "Linux", card = new_card) {
    torch_sources(gpu, torch_index, system, card)[[1]]
  }
  own <- function(build) list(index = paste0("https://download.pytorch.org/whl/", build), alone = TRUE)
  default <- list(index = NULL, alone = FALSE)
  expect_equal(first(), own("cpu"))
  expect_equal(first(system = "Windows"), own("cpu"))
  expect_equal(first(system = "Darwin"), default)
  expect_equal(first(gpu = TRUE, system = "Darwin"), default)
  expect_equal(first(gpu = TRUE), default)
  expect_equal(first(gpu = TRUE, system = "Windows"), own("cu130"))
  expect_equal(first(gpu = TRUE, card = old_card), own("cu126"))
  expect_equal(first(gpu = TRUE, system = "Windows", card = old_card), own("cu126"))
  expect_equal(first(gpu = "cu124"), own("cu124"))
  expect_equal(first(torch_index = NULL), default)
  expect_equal(first(torch_index = "https://mirror.example"),
               list(index = "https://mirror.example", alone = TRUE))
  # Where that cannot be reached, a build that was not named comes from where pip looks by default.
  expect_equal(torch_sources(FALSE, "auto", "Linux", new_card)[[2]], default)
  expect_length(torch_sources("cu124", "auto", "Linux", new_card), 1)
  expect_error(torch_sources(gpu = NA), "gpu must be TRUE, FALSE or a build", class = "lucas_input_error")
})

test_that("a card's age and its driver's say which CUDA it can have", {
  card_of <- function(line) {
    skip_on_os("windows")
    program <- tempfile("nvidia smi")
    writeLines(c("#!/bin/sh", sprintf("echo '%s'", line)), program)
    Sys.chmod(program, "755")
    nvidia_card(program)$is_old
  }
  expect_false(card_of("9.0, 580.65.06"))
  expect_false(card_of("7.5, 590.10"))
  expect_true(card_of("6.1, 580.65.06"))
  expect_true(card_of("8.6, 535.183.01"))
  expect_false(card_of("NVIDIA-SMI has failed because it could not communicate with the driver."))
  expect_false(nvidia_card("")$is_old)
  expect_false(nvidia_card(file.path(tempdir(), "none"))$is_old)
})

# A stand-in for an environment's Python: `pip install --dry-run` reports what a table says for the requirements it
# is asked for, and each call is written down with the variables that change where pip looks.
fake_python <- function(offers, present = NULL, tried = c("ok", "a drawn photo was classified", "3.5", "0.1.0")) {
  folder <- tempfile("fake python ")
  dir.create(folder)
  dump <- function(x, file) jsonlite::write_json(x, file.path(folder, file), auto_unbox = TRUE)
  dump(offers, "offers.json")
  dump(list(present = as.list(present), tried = as.list(tried)), "answers.json")
  code <- c(
    # A first line that names a program may hold no space; to Python the next two are a text.
    "#!/bin/sh", sprintf("'''exec' \"%s\" \"$0\" \"$@\"", reticulate::py_config()$python), "'''",
    "import json, os, sys",
    "here = os.path.dirname(os.path.abspath(__file__))",
    "answers = json.load(open(os.path.join(here, 'answers.json')))",
    "arguments = sys.argv[1:]",
    "if arguments[0] == '-c':",
    "    lines = answers['tried' if 'print_try_out' in arguments[1] else 'present']",
    "    print('\\n'.join(lines), end='\\n' if lines else '')",
    "    sys.exit(not lines)",
    "with open(os.path.join(here, 'log'), 'a') as log:",
    "    blank = [os.environ.get(name) for name in ('PIP_EXTRA_INDEX_URL', 'PIP_FIND_LINKS')]",
    "    log.write(json.dumps({'arguments': arguments, 'alone': blank == [' ', ' ']}) + '\\n')",
    "if '--dry-run' in arguments:",
    "    index = arguments[arguments.index('--index-url') + 1] if '--index-url' in arguments else 'default'",
    "    where = index + (' alone' if blank == [' ', ' '] else '')",
    "    urls = json.load(open(os.path.join(here, 'offers.json'))).get(where + ' ' + ' '.join(arguments[-2:]))",
    "    if urls is None: sys.exit(1)",
    "    items = [{'download_info': {'url': url}} for url in urls + ['https://x.example/numpy-2-py3-none-any.whl']]",
    "    json.dump({'install': items}, open(arguments[arguments.index('--report') + 1], 'w'))"
  )
  program <- file.path(folder, "python")
  writeLines(code, program)
  Sys.chmod(program, "755")
  list(program = program, calls = function() {
    lapply(readLines(file.path(folder, "log")), jsonlite::fromJSON)
  })
}

wheel_of <- function(name, version, folder) {
  paste0(folder, "/", name, "-", sub("+", "%2B", version, fixed = TRUE), "-cp312-cp312-win_amd64.whl")
}
pytorch <- "https://download.pytorch.org/whl/cpu"
pypi <- "https://files.pythonhosted.org/packages/aa/bb"
skip_without_fake <- function() {
  skip_on_os("windows")
  skip_without_core()
  skip_without("jsonlite")
}

test_that("torch and torchvision come from one index, whatever else pip is set up to look at", {
  skip_without_fake()
  offers <- stats::setNames(list(list(wheel_of("torchvision", "0.29.1+cpu", pytorch),
                                      wheel_of("torch", "2.14.1+cpu", pytorch))),
                            paste(pytorch, "alone torchvision torch"))
  python <- fake_python(offers)
  before <- Sys.getenv(c("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"), NA)
  expect_message(pair <- install_torch(python$program, torch_sources(FALSE, "auto", "Linux", new_card), FALSE, FALSE),
                 "torch 2.14.1+cpu and torchvision 0.29.1+cpu come from https://download.pytorch.org/.", fixed = TRUE)
  expect_setequal(pair$pins, c("torch===2.14.1+cpu", "torchvision===0.29.1+cpu"))
  last <- utils::tail(python$calls(), 1)[[1]]
  expect_true(last$alone)
  expect_true(all(c("--index-url", pytorch, pair$pins, "--no-input") %in% last$arguments))
  expect_equal(Sys.getenv(c("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"), NA), before)
})

test_that("two builds of pip's default become one, the CPU's if there is one and else the other", {
  skip_without_fake()
  mixed <- list(wheel_of("torchvision", "0.29.1", pypi), wheel_of("torch", "2.14.1+cpu", "file:///site/wheels"))
  plain <- list(wheel_of("torchvision", "0.29.1", pypi), wheel_of("torch", "2.14.1", pypi))
  cpu <- list(wheel_of("torchvision", "0.29.1+cpu", "file:///site/wheels"), mixed[[2]])
  pins <- function(offers, gpu = FALSE) {
    python <- fake_python(offers)
    suppressMessages(install_torch(python$program, torch_sources(gpu, NULL), gpu, FALSE))$pins
  }
  expect_setequal(pins(list("default torchvision torch" = mixed, "default torchvision torch===2.14.1" = plain)),
                  c("torch===2.14.1", "torchvision===0.29.1"))
  expect_setequal(pins(list("default torchvision torch" = mixed, "default torchvision===0.29.1+cpu torch" = cpu)),
                  c("torch===2.14.1+cpu", "torchvision===0.29.1+cpu"))
  expect_error(pins(list("default torchvision torch" = mixed)), "No torch and torchvision of one build",
               class = "lucas_install_error")
  # A card needs no build for the CPU.
  expect_error(pins(list("default torchvision torch" = cpu), gpu = TRUE), "of one build")
  expect_error(pins(list()), "where pip looks by default. Name a source that has both")
})

test_that("where PyTorch's index cannot be reached pip's default is taken, and it is said", {
  skip_without_fake()
  python <- fake_python(list("default torchvision torch" = list(wheel_of("torchvision", "0.29.1", pypi),
                                                                wheel_of("torch", "2.14.1", pypi))))
  expect_message(install_torch(python$program, torch_sources(FALSE, "auto", "Linux", new_card), FALSE, FALSE),
                 "from https://files.pythonhosted.org/, because they were not found at https://download")
  expect_false(utils::tail(python$calls(), 1)[[1]]$alone)
})

test_that("a pair that is there stays, unless it is two builds or not the one asked for", {
  skip_without_fake()
  offers <- list("default torchvision torch" = list(wheel_of("torchvision", "0.30.0", pypi),
                                                    wheel_of("torch", "2.15.0", pypi)))
  pins <- function(present, gpu = FALSE) {
    python <- fake_python(offers, present)
    suppressMessages(install_torch(python$program, torch_sources(gpu, NULL), gpu, FALSE))$pins
  }
  new <- c("torch===2.15.0", "torchvision===0.30.0")
  expect_setequal(pins(c("0.20.0+cpu", "2.5.0+cpu")), c("torchvision===0.20.0+cpu", "torch===2.5.0+cpu"))
  expect_setequal(pins(c("0.20.0", "2.5.0+cpu")), new)
  expect_setequal(pins(c("0.20.0+cpu", "2.5.0+cpu"), gpu = TRUE), new)
})

test_that("an installation ends with a photo through a network, or says that it did not get there", {
  skip_without_fake()
  told <- try_installed(fake_python(list())$program, list(text = "torch 1 and torchvision 2"))
  expect_equal(told, list(text = "a drawn photo was classified", seconds = "3.5", version = "0.1.0"))
  broken <- fake_python(list(), tried = c("failed", "RuntimeError: operator torchvision::nms does not exist", "1", "0.1.0"))
  expect_error(try_installed(broken$program, list(text = "torch 1 from a, torchvision 2 from b")),
               "did not go through a network: RuntimeError: operator torchvision::nms.*torch 1 from a",
               class = "lucas_install_error")
  expect_error(try_installed(fake_python(list(), tried = NULL)$program, list(text = "")), "did not go through")
})

test_that("our own package is only ever installed from a path, with its extras", {
  expect_equal(core_extras(TRUE, FALSE, FALSE, FALSE, FALSE, FALSE), "[offline]")
  expect_null(core_extras(FALSE, FALSE, FALSE, FALSE, FALSE, FALSE))
  expect_equal(core_extras(TRUE, TRUE, TRUE, TRUE, TRUE, TRUE), "[offline,app,heic,remote,cluster,fast]")
  expect_equal(core_extras(FALSE, FALSE, FALSE, TRUE, FALSE, FALSE), "[remote]")
  expect_error(core_extras(TRUE, FALSE, NA, FALSE, FALSE, FALSE), "heic must be TRUE or FALSE")
})

test_that("lucas_install() installs the pair, then the core beside it, tries it and says that it is done", {
  skip_without_fake()
  python <- fake_python(list("default torchvision torch" = list(wheel_of("torchvision", "0.29.1", pypi),
                                                                wheel_of("torch", "2.14.1", pypi))))
  wheel <- file.path(tempdir(), "lucas_habitat-0.1.0-py3-none-any.whl")
  file.create(wheel)
  environment <- file.path(dirname(python$program), "made here")
  dir.create(file.path(environment, "bin"), recursive = TRUE)
  file.symlink(python$program, environment_python(environment))
  # The stand-in finds its tables beside itself.
  file.copy(file.path(dirname(python$program), c("offers.json", "answers.json")), file.path(environment, "bin"))
  said <- testthat::capture_messages(lucas_install(wheel, envname = environment, torch_index = NULL,
                                                   app = TRUE, verbose = FALSE))
  expect_match(said, "^Done: lucas-habitat 0.1.0 is in .*; a drawn photo was classified, in 3.5 s. ", all = FALSE)
  expect_match(utils::tail(said, 1), "Restart R to use it: another Python")
  calls <- lapply(readLines(file.path(environment, "bin", "log")), jsonlite::fromJSON)
  expect_length(calls, 3)
  expect_equal(utils::tail(calls[[3]]$arguments, 3),
               c("torchvision===0.29.1", "torch===2.14.1", paste0(file_path(wheel), "[offline,app]")))
  expect_false(any(grepl("^lucas[-_]habitat", unlist(calls))))
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
  expect_named(found, c("ready", "python", "python_version", "core", "package", "fit", "torch", "torchvision",
                        "openvino", "gpu", "device", "weights", "cache", "checked", "problems"))
  expect_true(found$fit)
  expect_output(lucas_status(), "lucashabitat .* ready")
  expect_match(found$device, "CPU|torch")
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
  unused <- status_problems(list(torch_error = "", lites = list("efficientnet_lite0"), weights_folder = "",
                                 device_problem = "NVIDIA H100 is not used"))
  expect_equal(unused, "NVIDIA H100 is not used")
})

test_that("a check sends a photo through a network, and what it told is remembered", {
  skip_without_core()
  before <- session$checked
  on.exit(session$checked <- before)
  session$checked <- NULL
  expect_output(lucas_status(), "checked +not in this session; lucas_status[(]check = TRUE[)]")
  found <- lucas_status(quiet = TRUE, check = TRUE)
  expect_true(found$ready)
  expect_match(found$checked, "a drawn photo was classified by EfficientNet-Lite0 .* in [0-9.]+ s$")
  expect_equal(lucas_status(quiet = TRUE)$checked, found$checked)
  session$checked <- list(ok = FALSE, text = "RuntimeError: operator torchvision::nms does not exist", seconds = 1)
  broken <- lucas_status(quiet = TRUE)
  expect_false(broken$ready)
  expect_match(broken$problems, "did not go through a network .*nms does not exist.*lucas_install", all = FALSE)
  expect_error(lucas_status(check = NA), "check must be TRUE or FALSE")
})

test_that("variables that R sets after Python started reach it at the next call, and those it unsets are gone", {
  skip_without_core()
  names <- c("LUCAS_HABITAT_CACHE", "LUCAS_HABITAT_CACHE_GB", "LUCAS_HABITAT_WEIGHTS")
  before <- Sys.getenv(names, NA, names = TRUE)
  on.exit({
    Sys.unsetenv(names)
    do.call(Sys.setenv, as.list(before[!is.na(before)]))
  })
  lucas_codes()
  folder <- file.path(tempdir(), "anden cache p\u00e5 \u00f8")
  Sys.setenv(LUCAS_HABITAT_CACHE = folder, LUCAS_HABITAT_CACHE_GB = "3", LUCAS_HABITAT_WEIGHTS = tempfile("none"))
  cache <- lucas_cache_info()
  expect_equal(attr(cache, "folder"), folder)
  expect_equal(attr(cache, "limit"), 3000)
  expect_error(lucas_model(4, arch = "efficientnet_lite0"), "LUCAS_HABITAT_WEIGHTS names .*, which is no folder")
  Sys.unsetenv(names)
  expect_equal(attr(lucas_cache_info(), "limit"), 20000)
  expect_s3_class(lucas_model(4, arch = "efficientnet_lite0"), "lucas_network")
  expect_false(lucas_status(quiet = TRUE)$cache == folder)
})

test_that("a RETICULATE_PYTHON that names nothing is to be unset", {
  said <- in_new_session(c(
    "library(lucashabitat)", "cat(conditionMessage(tryCatch(lucas_codes(), error = identity)), '\\n')",
    "Sys.unsetenv('RETICULATE_PYTHON')", "cat(conditionMessage(tryCatch(lucas_codes(), error = identity)))"
  ), env = c(without_python()[-1], paste0("RETICULATE_PYTHON=", file.path(tempdir(), "gone", "python"))))
  said <- paste(said, collapse = " ")
  expect_match(said, "RETICULATE_PYTHON names .*gone/python, which is not there. Sys.unsetenv[(]\"RETICULATE_PYTHON\"[)] mends")
  expect_match(said, "No Python is set up for lucashabitat. Run lucas_install[(][)] once")
})

test_that("where another package started Python, what to do then is said", {
  skip_without_core()
  bare <- tempfile("bare")
  system2(reticulate::py_config()$python, c("-m", "venv", "--without-pip", shQuote(bare)))
  said <- paste(in_new_session(c(
    "reticulate::py_run_string('x = 1')", "library(lucashabitat)",
    "cat(conditionMessage(tryCatch(lucas_photos('x'), error = identity)))"
  ), env = c(paste0("RETICULATE_PYTHON=", environment_python(bare)), "VIRTUAL_ENV=", "PYTHONPATH=")), collapse = " ")
  expect_match(said, "Another package, or reticulate itself, started Python before lucashabitat was called")
  expect_match(said, "Restart R, then call lucas_status[(][)] before the other package")
  expect_match(said, "reticulate::virtualenv_install[(]\"r-lucas-habitat\", \"keras\"[)]")
  expect_no_match(said, "temporary")
  expect_match(other_python("/x/uv/python", TRUE), "has no lucas_habitat (it is temporary: install nothing into it)",
               fixed = TRUE)
})

test_that("a lucas-habitat that py_require() was asked for counts as chosen, others do not", {
  expect_true(all(is_core(c(
    "lucas-habitat", "lucas_habitat[offline]", "../lucas-habitat", "/home/me/lucas-habitat/", "C:\\code\\lucas-habitat",
    "lucas-habitat[offline] @ file:///x/lucas_habitat-0.1.0-py3-none-any.whl", "/x/lucas_habitat-0.1.0-py3-none-any.whl"
  ))))
  expect_false(any(is_core(c("numpy", "keras>=3", "/home/lucas-habitat/other", "git+https://x/lucas-habitat-tools/b"))))
  if (!has_py_require()) expect_length(declared_packages(), 0)
  said <- in_new_session(c(
    "cat('[', lucashabitat:::choose_python(c('numpy', '/a/lucas-habitat')), ']\\n')",
    "cat(class(tryCatch(lucashabitat:::choose_python('keras'), error = identity))[1], '\\n')",
    "cat('started', reticulate::py_available(initialize = FALSE))"
  ), env = without_python())
  expect_match(paste(said, collapse = " "), "\\[ declared \\] .*lucas_python_error .*started FALSE")
  expect_equal(wheel_requirement("/a b/lucas_habitat-0.1.0-py3-none-any.whl"),
               "lucas-habitat[offline] @ file:///a%20b/lucas_habitat-0.1.0-py3-none-any.whl")
})

test_that("what py_require() was asked for and our environment lacks is told, with what brings it", {
  skip_without_core()
  asked <- c("numpy", "no-such-package>=2", "/a/path/to/wheel.whl", "other.thing[x]")
  expect_message(tell_of_undeclared(python_bridge(), asked), paste0(
    "lacks what py_require() was asked for: no-such-package, other.thing. To have it there too, once: ",
    "reticulate::virtualenv_install(\"r-lucas-habitat\", c(\"no-such-package>=2\", \"other.thing[x]\"))"
  ), fixed = TRUE, class = "lucas_message")
  expect_silent(tell_of_undeclared(python_bridge(), "numpy"))
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

test_that("the vignette is found after an installation that built none", {
  found <- vignette("pilot", package = "lucashabitat",
                    lib.loc = dirname(getNamespaceInfo("lucashabitat", "path")))
  expect_identical(found$PDF, "pilot.html")
  page <- readLines(file.path(found$Dir, "doc", found$PDF), encoding = "UTF-8")
  expect_true(any(grepl("Overall accuracy", page, fixed = TRUE)))
})
