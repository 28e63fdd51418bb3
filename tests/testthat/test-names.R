test_that("both languages have the same functions", {
  skip_without_core()
  expect_setequal(getNamespaceExports("lucashabitat"),
                  c(names_in_r(), "lucas_app_stop", "lucas_install", "lucas_status"))
})

# Arguments that R alone has: in what form it gives the result.
ONLY_IN_R <- list(
  lucas_covariates = c("as", "filename"), lucas_plot_confusion = "as", lucas_plot_distance = "as", lucas_plot_history = "as",
  lucas_plot_labelling = "as",
  lucas_plot_map = "as", lucas_plot_point = "as", lucas_plot_recipes = "as", lucas_plot_reliability = "as",
  lucas_plot_transitions = "as", lucas_plot_votes = "as"
)

# A default as text that both languages can be brought to: numbers by value, words in quotes, several in
# brackets, nothing as NULL.
default_text <- function(x) {
  if (is.null(x)) return("NULL")
  each <- if (is.numeric(x)) sprintf("%.15g", x) else if (is.logical(x)) as.character(x) else
    paste0("'", x, "'", recycle0 = TRUE)
  if (length(x) == 1) each else paste0("[", paste(each, collapse = ", "), "]")
}

defaults <- function(name) {
  formals <- formals(name, envir = asNamespace("lucashabitat"))
  vapply(formals, function(default) {
    if (identical(default, quote(expr = ))) return("required")
    default_text(eval(default, asNamespace("lucashabitat")))
  }, "")
}

core_defaults <- function() {
  reticulate::py_run_string(paste(
    "import inspect, lucas_habitat",
    "def default_text(x):",
    "    if x is inspect.Parameter.empty: return 'required'",
    "    if x is None: return 'NULL'",
    "    if isinstance(x, bool): return str(x).upper()",
    "    if isinstance(x, (int, float)): return '%.15g' % x",
    "    if isinstance(x, str): return \"'\" + x + \"'\"",
    "    return '[' + ', '.join(default_text(each) for each in x) + ']'",
    "def defaults(name):",
    "    parameters = inspect.signature(getattr(lucas_habitat, name)).parameters",
    "    return [list(parameters), [default_text(p.default) for p in parameters.values()]]",
    sep = "\n"
  ))$defaults
}

test_that("arguments have the same names and defaults, in the same order", {
  skip_without_core()
  theirs_of <- core_defaults()
  r_names <- names_in_r()
  for (name in names(r_names)) {
    both <- theirs_of(name)
    theirs <- stats::setNames(as.character(unlist(both[[2]])), as.character(unlist(both[[1]])))
    # What Python calls back while it works, R shows as a bar.
    names(theirs)[names(theirs) == "progress"] <- "verbose"
    ours <- defaults(r_names[[name]])
    ours <- ours[setdiff(names(ours), ONLY_IN_R[[r_names[[name]]]])]
    expect_identical(sprintf("%s = %s", names(ours), ours),
                     sprintf("%s = %s", names(theirs), theirs), info = name)
  }
})

test_that("defaults are compared by what they mean", {
  expect_identical(default_text(NULL), "NULL")
  expect_identical(default_text(1e10), "10000000000")
  expect_identical(c(default_text(5), default_text(5L)), c("5", "5"))
  expect_identical(default_text(0.1 + 0.2), "0.3")
  expect_identical(c(default_text(TRUE), default_text("TRUE")), c("TRUE", "'TRUE'"))
  expect_identical(default_text(c("P", "N")), "['P', 'N']")
  expect_identical(default_text(character()), "[]")
})
