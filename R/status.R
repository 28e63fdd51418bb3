#' What is set up, what is missing, and how to mend it
#'
#' Tells in about a second what is installed and what computes here, without loading torch. Whether all
#' that works together is tried with `check = TRUE`: a small network is trained on drawn photos and
#' classifies one, as your own first lines would. [lucas_install()] ends with the same.
#'
#' @param quiet Whether to return without printing.
#' @param check Whether to send a drawn photo through a network: some seconds, up to half a minute the
#'   first time.
#'
#' @return A list, invisibly: `ready` (whether everything needed is there and fits, and went well where it
#'   was tried), `python` (the executable), `python_version`, `core` (version of lucas-habitat),
#'   `package` (version of lucashabitat), `fit` (whether the two belong together), `torch`,
#'   `torchvision`, `openvino` (versions), `gpu` (the name of the one that torch computes on), `device`
#'   (what computes here, in words), `weights` (pretrained weights at hand), `cache` (the folder of
#'   cached features), `checked` (what the last check in this session told) and `problems` (a character
#'   vector of what is missing, each with what mends it). What is not known is `NA`. Without Python it
#'   says so; it is never an error.
#' @examples
#' lucas_status()
#' lucas_status(quiet = TRUE)$ready
#' @export
lucas_status <- function(quiet = FALSE, check = FALSE) {
  check_flag(quiet, "quiet")
  check_flag(check, "check")
  out <- list(
    ready = FALSE, python = NA_character_, python_version = NA_character_, core = NA_character_,
    package = package_version_text(), fit = NA, torch = NA_character_, torchvision = NA_character_,
    openvino = NA_character_, gpu = NA_character_, device = NA_character_, weights = character(),
    cache = NA_character_, checked = NA_character_, problems = character()
  )
  found <- tryCatch(python_bridge()$status(), error = function(error) error)
  if (inherits(found, "error")) {
    out$problems <- conditionMessage(found)
    if (inherits(found, "lucas_version_error")) out$fit <- FALSE
    if (reticulate::py_available(initialize = FALSE)) {
      out$python <- reticulate::py_config()$python
    }
  } else {
    known <- function(x) if (nzchar(x)) x else NA_character_
    for (name in c("core", "torch", "torchvision", "openvino", "gpu", "device", "cache")) {
      out[[name]] <- known(found[[name]])
    }
    out$python <- found$executable
    out$python_version <- found$python
    out$fit <- TRUE
    out$weights <- c(sprintf("%s (installed)", unlist(found$lites)), unlist(found$weights_files))
    is_whole <- !length(c(unlist(found$missing), unlist(found$unfit))) && !nzchar(found$torch_error)
    if (check && is_whole) session$checked <- python_bridge()$try_out()
    if (!is.null(session$checked)) out$checked <- checked_text(session$checked)
    out$problems <- status_problems(found, session$checked)
    out$ready <- is_whole && !isFALSE(session$checked$ok)
  }
  if (!quiet) print_status(out)
  invisible(out)
}

checked_text <- function(told) {
  paste0(if (!told$ok) "failed: ", told$text, ", in ", format(told$seconds), " s")
}

status_problems <- function(found, checked = NULL) {
  missing <- unlist(found$missing)
  unfit <- unlist(c(found$unfit, found$unfit_extras))
  c(
    character(),
    if (length(missing)) {
      paste0("Python packages are missing (", paste(missing, collapse = ", "),
             "): lucas_install(force = TRUE)")
    },
    if (length(unfit)) {
      paste0("Python packages have versions that do not fit (", paste(unfit, collapse = ", "),
             "): lucas_install(force = TRUE)")
    },
    if (nzchar(found$torch_error)) {
      paste0("torch does not load (", found$torch_error, "): lucas_install(force = TRUE)")
    },
    if (isFALSE(checked$ok)) {
      paste0("A drawn photo did not go through a network (", checked$text,
             "): restart R; if it stays so, lucas_install(force = TRUE)")
    },
    if (!is.null(found$device_problem) && nzchar(found$device_problem)) found$device_problem,
    if (!length(found$lites)) {
      "No weights come with this installation; to have some without a download: lucas_install(offline = TRUE)"
    },
    if (nzchar(found$weights_folder) && !length(unlist(found$weights_files))) {
      paste0("LUCAS_HABITAT_WEIGHTS names ", found$weights_folder, ", which has no .safetensors or ",
             ".pth file: put weights there, or Sys.unsetenv(\"LUCAS_HABITAT_WEIGHTS\")")
    }
  )
}

print_status <- function(x) {
  shown <- function(v, none = "none") if (length(v) && !anyNA(v)) paste(v, collapse = ", ") else none
  cat("lucashabitat  ", x$package, if (x$ready) ", ready" else ", not ready", "\n",
      "  Python      ", if (is.na(x$python_version)) shown(x$python) else
        paste0(x$python_version, " (", x$python, ")"), "\n",
      "  core        ", shown(x$core), if (isTRUE(x$fit)) " (fits)", "\n",
      "  torch       ", shown(x$torch), if (!is.na(x$torchvision)) paste0(", torchvision ", x$torchvision), "\n",
      "  OpenVINO    ", shown(x$openvino), "\n",
      "  GPU         ", shown(x$gpu), "\n",
      "  computes on ", shown(x$device, "nothing yet"), "\n",
      "  weights     ", shown(x$weights, "none; downloaded at first use"), "\n",
      "  cache       ", shown(x$cache), "\n",
      "  checked     ", shown(x$checked, "not in this session; lucas_status(check = TRUE) tries a drawn photo"),
      "\n", sep = "")
  if (length(x$problems)) cat("To mend:\n", paste0("  - ", x$problems, "\n"), sep = "")
}
