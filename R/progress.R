# Whether the user wants to hear of warnings and errors only.
is_quiet <- function() isFALSE(getOption("lucashabitat.verbose"))

# Progress in R's own bar. The core calls back at most five times a second, and only for what
# takes longer than half a second; Python's own bars look broken in most R consoles.

progress_bar <- function(verbose, has_reader = interactive()) {
  if (!check_flag(verbose, "verbose") || is_quiet() || isTRUE(getOption("knitr.in.progress"))) {
    return(list(update = NULL, close = function() NULL))
  }
  bar <- NULL
  doing <- ""
  close_bar <- function() {
    if (!is.null(bar)) close(bar)
    bar <<- NULL
  }
  show <- function(done, total, what) {
    if (is.null(bar) || what != doing) {
      close_bar()
      is_new <- what != doing
      doing <<- what
      if (is_new) cat(what, " (", total, ")\n", sep = "", file = stderr())
      if (!has_reader) return("")  # a log gets a line a step
      bar <<- utils::txtProgressBar(max = max(total, 1), style = 3, file = stderr())
    }
    utils::setTxtProgressBar(bar, done)
    ""
  }
  # An interrupt must not be lost between R and Python: Python is told, and raises it there.
  update <- function(done, total, what) {
    tryCatch(show(done, total, what), interrupt = function(i) "interrupted")
  }
  list(update = update, close = close_bar)
}
