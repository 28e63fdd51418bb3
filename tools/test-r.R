# Run the R package's tests against the real core; any failure is the exit code. The package is
# installed into a folder of its own first, because some tests start further R processes.
library <- tempfile("library")
dir.create(library)
built <- system2(file.path(R.home("bin"), "Rscript"), stdout = FALSE, stderr = FALSE, args = c(
  "tools/dist.R", shQuote(library), "--only", "r", "--no-build-vignettes"
))
package <- list.files(library, "^lucashabitat_.*[.]tar[.]gz$", full.names = TRUE)
if (built != 0 || length(package) != 1) stop("The package cannot be built; run Rscript tools/dist.R.")
utils::install.packages(package, lib = library, repos = NULL, type = "source", quiet = TRUE)
Sys.setenv(R_LIBS = paste(c(library, Sys.getenv("R_LIBS")), collapse = .Platform$path.sep))
.libPaths(c(library, .libPaths()))

# An argument chooses among the test files, as testthat's filter does.
chosen <- commandArgs(trailingOnly = TRUE)
results <- as.data.frame(testthat::test_dir(
  "tests/testthat", package = "lucashabitat", load_package = "installed",
  filter = if (length(chosen)) chosen, reporter = "summary", stop_on_failure = FALSE
))
n <- c(passed = sum(results$passed), failed = sum(results$failed) + sum(results$error),
       skipped = sum(results$skipped))
cat(sprintf("\n%d passed, %d failed, %d skipped\n", n["passed"], n["failed"], n["skipped"]))
if (n["failed"] > 0 || (n["skipped"] > 0 && identical(Sys.getenv("LUCAS_FORCE_TESTS"), "true"))) {
  quit(status = 1)
}
