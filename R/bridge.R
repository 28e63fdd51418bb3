# Calls of the Python core. Only plain columns cross, because those are what every version of
# reticulate converts alike: see python/lucas_habitat/bridge/__init__.py.

# Calls a function of the core and returns its value in R's form. Warnings and messages of the
# core arrive as R's, also when the call then fails.
call_core <- function(name, arguments = list(), verbose = FALSE) {
  force(arguments)  # their own errors must not be taken for Python's below
  bridge <- python_bridge()
  bar <- progress_bar(verbose)
  on.exit(bar$close(), add = TRUE)
  answer <- tryCatch(
    bridge$call(name, arguments, bar$update),
    error = function(error) list(ok = FALSE, failed = conditionMessage(error))
  )
  bar$close()
  Sys.sleep(0.001)  # an interrupt that Python lost, but R still has pending, comes through here
  for (note in answer$notes) relay(note$kind, note$text)
  if (!is.null(answer$failed)) stop_from_text(answer$failed)
  if (!answer$ok) stop_from_core(answer)
  from_core(answer$value)
}
