# Rscript tools/dist.R ...: what tools/dist.py builds, for who has R at hand and perhaps not on the path, as on
# Windows. Run it from the repository's root. PYTHON names the Python; default: the first 3.11 or newer.
is_new_enough <- function(python) {
  code <- shQuote("import sys; sys.exit(sys.version_info < (3, 11))")
  identical(suppressWarnings(system2(python, c("-c", code), stdout = FALSE, stderr = FALSE)), 0L)
}
pythons <- c(Sys.getenv("PYTHON"), Sys.which(c("python3", "python", "py", paste0("python3.", 11:14))))
python <- Find(is_new_enough, unname(pythons[nzchar(pythons)]))
if (is.null(python)) stop("Python 3.11 or newer is needed; name one in the environment variable PYTHON.")
arguments <- c("-m", "tools.dist", "--r", file.path(R.home("bin"), "R"), commandArgs(trailingOnly = TRUE))
quit(status = system2(python, shQuote(arguments)))
