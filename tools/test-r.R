# Run the R package's tests against the real core; any failure is the exit code.
# An argument chooses among the test files, as testthat's filter does.
chosen <- commandArgs(trailingOnly = TRUE)
results <- as.data.frame(testthat::test_local(
  ".", filter = if (length(chosen)) chosen, reporter = "summary", stop_on_failure = FALSE
))
n <- c(passed = sum(results$passed), failed = sum(results$failed) + sum(results$error),
       skipped = sum(results$skipped))
cat(sprintf("\n%d passed, %d failed, %d skipped\n", n["passed"], n["failed"], n["skipped"]))
if (n["failed"] > 0 || (n["skipped"] > 0 && identical(Sys.getenv("LUCAS_FORCE_TESTS"), "true"))) {
  quit(status = 1)
}
