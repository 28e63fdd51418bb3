# Runs a page's R blocks, one after another in one session: Rscript session.R BLOCKS.json RESULTS.json.
options(width = 88, reticulate.poetry.project = tempdir(), device = function(...) grDevices::pdf(NULL))

# Nothing of this stands where the blocks' own variables do.
local({
  files <- commandArgs(trailingOnly = TRUE)
  blocks <- jsonlite::fromJSON(files[1], simplifyVector = FALSE)

  as_text <- function(part) {
    if (is.character(part)) return(part)
    if (inherits(part, "message")) return(conditionMessage(part))
    if (inherits(part, "warning")) return(paste0("Warning: ", conditionMessage(part), "\n"))
    if (inherits(part, "error")) return(paste0("Error: ", conditionMessage(part), "\n"))
    ""
  }

  run <- function(code, number) {
    grDevices::png(sprintf("figure-%02d-%%d.png", number), width = 1400, height = 900, res = 190)
    on.exit(grDevices::dev.off())
    parts <- evaluate::evaluate(code, envir = globalenv(), stop_on_error = 1L, new_device = FALSE)
    list(text = paste(vapply(parts, as_text, ""), collapse = ""),
         failed = any(vapply(parts, inherits, NA, "error")))
  }

  done <- list()
  for (number in seq_along(blocks)) {
    one <- run(blocks[[number]]$code, number - 1)
    done[[number]] <- one
    if (one$failed && !blocks[[number]]$error) break
  }
  writeLines(jsonlite::toJSON(done, auto_unbox = TRUE), files[2], useBytes = TRUE)
})
