# Tests run against the real core. Where there is none they are skipped; with LUCAS_FORCE_TESTS=true,
# as in continuous integration, that is a failure instead, so that nothing is green by not running.

options(reticulate.poetry.project = tempdir())
Sys.setenv(LUCAS_HABITAT_CACHE = file.path(tempdir(), "cache"))

forced <- function() identical(tolower(Sys.getenv("LUCAS_FORCE_TESTS")), "true")

skip_unless <- function(condition, why) {
  if (condition) return(invisible())
  if (forced()) stop("LUCAS_FORCE_TESTS is set, but ", why)
  skip(why)
}

skip_without_core <- function() {
  if (is.null(shared$status)) shared$status <- lucas_status(quiet = TRUE)
  skip_unless(shared$status$ready, paste(c("the core is not there:", shared$status$problems),
                                         collapse = " "))
}

skip_without <- function(package) {
  skip_unless(requireNamespace(package, quietly = TRUE), paste("there is no package", package))
}

# caret asks the system for its time zone, which not every container knows.
if (Sys.getenv("TZ") == "") Sys.setenv(TZ = "UTC")
