# Finding Python and the core, at first use and never before.

ENVIRONMENT <- "r-lucas-habitat"

session <- new.env(parent = emptyenv())

python_bridge <- function() {
  if (is.null(session$bridge)) session$bridge <- load_bridge()
  session$bridge
}

load_bridge <- function() {
  choose_python()
  bridge <- tryCatch(
    reticulate::import("lucas_habitat.bridge", convert = TRUE),
    error = function(error) conditionMessage(error)
  )
  if (is.character(bridge)) stop_without_core(bridge)
  check_versions(bridge$version())
  bridge
}

# A Python that the user chose wins; else the virtualenv that lucas_install() made. Nothing else is
# ever searched for: a Python found by chance lacks the core, and newer reticulate would
# download one.
choose_python <- function() {
  if (reticulate::py_available(initialize = FALSE) || python_was_chosen()) return(invisible())
  if (!has_environment(ENVIRONMENT)) {
    stop_lucas("python", "No Python is set up for lucashabitat. Run lucas_install() once; or, if ",
               "the Python package lucas-habitat is installed already, name its Python before ",
               "anything else: Sys.setenv(RETICULATE_PYTHON = \"path/to/python\").")
  }
  reticulate::use_virtualenv(environment_path(ENVIRONMENT), required = TRUE)
}

python_was_chosen <- function() {
  named <- c("RETICULATE_PYTHON", "RETICULATE_PYTHON_ENV", "VIRTUAL_ENV")
  if (any(nzchar(Sys.getenv(named)))) return(TRUE)
  # What use_python() and its kin were told, in the versions that keep it there.
  told <- tryCatch(
    {
      kept <- get(".globals", envir = asNamespace("reticulate"))
      c(kept$required_python_version, kept$use_python_versions)
    },
    error = function(error) NULL
  )
  length(told) > 0
}

environment_path <- function(envname) {
  if (grepl("[/\\\\]", envname)) return(path.expand(envname))
  file.path(path.expand(reticulate::virtualenv_root()), envname)
}

environment_python <- function(envname) {
  within <- if (.Platform$OS.type == "windows") c("Scripts", "python.exe") else c("bin", "python")
  do.call(file.path, as.list(c(environment_path(envname), within)))
}

has_environment <- function(envname) file.exists(environment_python(envname))

stop_without_core <- function(text) {
  python <- tryCatch(reticulate::py_config()$python, error = function(error) "unknown")
  if (grepl("No module named .?lucas_habitat", text)) {
    stop_lucas("python", "The Python in use (", python, ") has no lucas_habitat. Either restart R ",
               "and run lucas_install(), leaving RETICULATE_PYTHON unset; or install lucas-habitat ",
               "into that Python from its source or wheel.")
  }
  stop_lucas("python", "lucas_habitat cannot be loaded into the Python in use (", python, "): ",
             sub("\n?Run `?reticulate::py_last_error.*$", "", text),
             "\nlucas_status() tells what is missing; lucas_install(force = TRUE) makes it anew.")
}

# While both are 0.x, the first two parts of the version must agree.
check_versions <- function(core, package = package_version_text()) {
  parts <- function(v) strsplit(v, ".", fixed = TRUE)[[1]][1:2]
  if (!identical(parts(core), parts(package))) {
    newer <- utils::compareVersion(core, package) > 0
    stop_lucas("version", "lucashabitat ", package, " needs the Python core lucas-habitat ",
               paste(parts(package), collapse = "."), ".x, but found ", core, ". ",
               if (newer) "Update the R package lucashabitat"
               else "Run lucas_install(force = TRUE)", ", then restart R.")
  }
  invisible(TRUE)
}

package_version_text <- function() {
  as.character(utils::packageVersion("lucashabitat"))
}
