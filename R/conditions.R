# Errors, warnings and messages of the core as conditions of R. Their words are R's already.

stop_lucas <- function(kinds, ..., traceback = NULL) {
  classes <- c(paste0("lucas_", kinds, "_error"), "lucas_error", "error", "condition")
  stop(structure(class = unique(classes),
                 list(message = paste0(...), call = NULL, traceback = traceback)))
}

relay <- function(kind, text) {
  if (kind == "message") {
    if (is_quiet()) return(invisible())
    message(structure(class = c("lucas_message", "message", "condition"),
                      list(message = paste0(text, "\n"), call = NULL)))
  } else {
    warning(structure(class = c("lucas_warning", "warning", "condition"),
                      list(message = text, call = NULL)))
  }
}

# An error that the core raised on purpose, or one that nobody foresaw.
stop_from_core <- function(answer) {
  if (!answer$known) {
    stop_lucas("internal", "The Python core failed unexpectedly: ", answer$kinds[[1]], ": ",
               answer$message, "\nPlease report this with what ",
               "writeLines(tryCatch(<the call>, error = function(e) e$traceback)) shows.",
               traceback = answer$traceback)
  }
  kinds <- tolower(sub("Error$", "", unlist(answer$kinds)))
  stop_lucas(setdiff(kinds, "lucas"), answer$message, traceback = answer$traceback)
}

# What reticulate itself reports: "ValueError: text" in 1.28, and newer ones with advice behind.
stop_from_text <- function(text) {
  text <- sub("\n?Run `?reticulate::py_last_error\\(\\)`?.*$", "", text)
  text <- sub("\n+(Detailed traceback|Traceback)[^\n]*:?\n.*$", "", text)
  if (grepl("^(KeyboardInterrupt|.*KeyboardInterrupt: ?$)", text)) stop_interrupted()
  kind <- sub("^([A-Za-z_.]+)(: .*|:?)$", "\\1", strsplit(text, "\n")[[1]][1])
  message <- trimws(sub("^[A-Za-z_.]*(Error|Exception|Warning|Interrupt|Exit): *", "", text))
  known <- c("Input", "Split", "Calibration", "Device", "Download", "Model", "Weights", "Photo")
  kind <- sub("^.*\\.", "", sub("Error$", "", kind))
  stop_lucas(if (kind %in% known) tolower(kind) else "internal", message)
}

# Python may hand Ctrl-C over as an error; for R it is an interrupt all the same.
stop_interrupted <- function() {
  signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
  invokeRestart("abort")
}
