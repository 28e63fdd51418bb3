# Checks of arguments that only R can make; ranges and choices are the core's.

# What a thing is, for an error that says what it got.
describe <- function(x) {
  if (is.null(x)) return("NULL")
  if (is.data.frame(x)) return("a data.frame")
  if (is.function(x)) return("a function")
  if (length(x) == 1L && is.atomic(x)) return(deparse(as.vector(x)))
  paste0(class(x)[1], if (is.atomic(x) || is.list(x)) paste0(" of length ", length(x)))
}

# Python has no counterpart of a function, an environment, a formula or a name.
check_data <- function(x, name) {
  if (is.function(x) || is.language(x) || (is.environment(x) && !inherits(x, "python.builtin.object"))) {
    stop_lucas("input", name, " must be data; got ", describe(x), " instead.")
  }
}

# One of some words; the first of them where an argument's default, all of them, was left as it is.
chosen <- function(x, name, choices) {
  if (identical(x, choices)) return(choices[1])
  if (!(is.character(x) && length(x) == 1L && x %in% choices)) {
    stop_lucas("input", name, " must be one of ", paste0("'", choices, "'", collapse = ", "), "; got ",
               describe(x), " instead.")
  }
  x
}

check_flag <- function(x, name) {
  if (!(is.logical(x) && length(x) == 1L && !is.na(x))) {
    stop_lucas("input", name, " must be TRUE or FALSE; got ", describe(x), " instead.")
  }
  x
}

check_folder_name <- function(x, name) {
  if (!(is.character(x) && length(x) == 1L && !is.na(x) && nzchar(x))) {
    stop_lucas("input", name, " must be the name of one folder; got ", describe(x), " instead.")
  }
  file_path(x)
}

check_file_name <- function(x, name) {
  if (!(is.character(x) && length(x) == 1L && !is.na(x) && nzchar(x))) {
    stop_lucas("input", name, " must be the name of one file; got ", describe(x), " instead.")
  }
  file_path(x)
}
