# Finding Python and the core, at first use and never before.

ENVIRONMENT <- "r-lucas-habitat"

session <- new.env(parent = emptyenv())

python_bridge <- function() {
  if (is.null(session$bridge)) session$bridge <- load_bridge()
  hand_over_variables(session$bridge)
  session$bridge
}

# Python reads its environment once, when it starts; what Sys.setenv() says later is handed over.
hand_over_variables <- function(bridge) {
  variables <- unclass(Sys.getenv())
  read <- "^(LUCAS_HABITAT|AWS)_|^(HTTPS?|ALL|NO)_PROXY$|^SSL_CERT_(FILE|DIR)$|^HF_ENDPOINT$"
  variables <- variables[grepl(read, names(variables), ignore.case = TRUE)]
  bridge$hand_over(as.list(names(variables)), unname(as.list(enc2utf8(variables))))
}

load_bridge <- function() {
  choice <- choose_python()
  # So that no other environment that lies about comes before the one that was declared.
  if (choice == "declared") {
    Sys.setenv(RETICULATE_PYTHON = "managed")
    on.exit(Sys.unsetenv("RETICULATE_PYTHON"))
  }
  bridge <- tryCatch(
    reticulate::import("lucas_habitat.bridge", convert = TRUE),
    error = function(error) conditionMessage(error)
  )
  if (is.character(bridge)) stop_without_core(bridge, choice)
  check_versions(bridge$version())
  if (choice == "own") tell_of_undeclared(bridge)
  bridge
}

# A Python that the user chose wins; else the virtualenv that lucas_install() made. Nothing else is
# ever searched for: a Python found by chance lacks the core, and newer reticulate would
# download one. Gives how it was chosen: "running" already, "chosen", "declared" or our "own".
choose_python <- function(declared = declared_packages()) {
  if (reticulate::py_available(initialize = FALSE)) return("running")
  check_named_python()
  if (python_was_chosen()) return("chosen")
  if (any(is_core(declared))) return("declared")
  if (!has_environment(ENVIRONMENT)) stop_without_python()
  reticulate::use_virtualenv(environment_path(ENVIRONMENT), required = TRUE)
  "own"
}

# A variable that names a Python that is gone; one that is empty names none.
check_named_python <- function() {
  named <- Sys.getenv("RETICULATE_PYTHON", NA)
  if (is.na(named)) return(invisible())
  if (!nzchar(named)) return(invisible(Sys.unsetenv("RETICULATE_PYTHON")))
  if (named != "managed" && !file.exists(path.expand(named))) {
    stop_lucas("python", "RETICULATE_PYTHON names ", named, ", which is not there. ",
               "Sys.unsetenv(\"RETICULATE_PYTHON\") mends it for this session; .Renviron, ~/.Renviron ",
               "or .Rprofile may set it anew in the next.")
  }
}

python_was_chosen <- function() {
  named <- c("RETICULATE_PYTHON", "RETICULATE_PYTHON_ENV")
  if (any(nzchar(Sys.getenv(named))) || dir.exists(Sys.getenv("VIRTUAL_ENV"))) return(TRUE)
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

has_py_require <- function() exists("py_require", asNamespace("reticulate"))

# What py_require() was asked for so far.
declared_packages <- function() {
  if (!has_py_require()) return(character())
  as.character(getExportedValue("reticulate", "py_require")()$packages)
}

# Whether a requirement is the core: by its name, a checkout's path, or a wheel's.
is_core <- function(x) grepl("^lucas[-_]habitat|[/\\\\]lucas[-_]habitat[^/\\\\]*[/\\\\]?$", x)

# What other packages declared is not in our environment, unless somebody put it there.
tell_of_undeclared <- function(bridge, declared = declared_packages()) {
  declared <- declared[grepl("^[A-Za-z0-9][A-Za-z0-9._-]*([^A-Za-z0-9._/\\\\-]|$)", declared)]
  names <- sub("[^A-Za-z0-9._-].*$", "", declared)
  missing <- names %in% unlist(bridge$lacking(as.list(names)))
  if (any(missing)) {
    relay("message", paste0(
      "This session's Python is that of lucas_install(), which lacks what py_require() was asked for: ",
      paste(names[missing], collapse = ", "), ". To have it there too, once: ", both_in_one(declared[missing])
    ))
  }
}

# How others' Python packages come into the environment that is ours.
both_in_one <- function(packages) {
  paste0("reticulate::virtualenv_install(\"", ENVIRONMENT, "\", ",
         if (length(packages) > 1) "c(", paste0("\"", packages, "\"", collapse = ", "),
         if (length(packages) > 1) ")", ")")
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

stop_without_python <- function() {
  wheel <- carried_wheel()
  stop_lucas("python", "No Python is set up for lucashabitat. Run lucas_install() once; or, if ",
             "the Python package lucas-habitat is installed already, name its Python before ",
             "anything else: Sys.setenv(RETICULATE_PYTHON = \"path/to/python\").",
             if (length(wheel) && has_py_require()) paste0(
               " Where this machine is online, reticulate can also make one for the session: ",
               "reticulate::py_require(\"", wheel_requirement(wheel[length(wheel)]), "\") before anything else."
             ))
}

# A wheel as py_require() takes it.
wheel_requirement <- function(wheel) {
  path <- normalizePath(wheel, "/", mustWork = FALSE)
  paste0("lucas-habitat[offline] @ file://", if (!startsWith(path, "/")) "/", utils::URLencode(path))
}

stop_without_core <- function(text, choice = "chosen") {
  config <- tryCatch(reticulate::py_config(), error = function(error) NULL)
  python <- if (is.null(config$python)) "unknown" else config$python
  if (grepl("No module named .?lucas_habitat", text)) {
    stop_lucas("python", if (choice == "running") other_python(python, isTRUE(config$ephemeral)) else paste0(
      "The Python in use (", python, ") has no lucas_habitat. Either restart R ",
      "and run lucas_install(), leaving RETICULATE_PYTHON unset; or install lucas-habitat ",
      "into that Python from its source or wheel."
    ))
  }
  stop_lucas("python", "lucas_habitat cannot be loaded into the Python in use (", python, "): ",
             sub("\n?Run `?reticulate::py_last_error.*$", "", text),
             "\nlucas_status() tells what is missing; lucas_install(force = TRUE) makes it anew.")
}

# What to do where another package was first to start Python; a session has only one.
other_python <- function(python, is_ephemeral) {
  paste0(
    "Another package, or reticulate itself, started Python before lucashabitat was called: ", python,
    ", which has no lucas_habitat", if (is_ephemeral) " (it is temporary: install nothing into it)",
    ". Restart R, then call lucas_status() before the other package, ",
    if (!has_environment(ENVIRONMENT)) "after lucas_install(), " else "",
    "so that both use lucashabitat's environment; what the other needs is put there once: ",
    both_in_one("keras"), ", for example."
  )
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
