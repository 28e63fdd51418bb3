# Every argument of every function, given what makes no sense: a result, or an error that is ours.

# What users have typed, and what no one should; a column comes where a name belongs.
odd_values <- function() list(
  "NULL" = NULL, "NA" = NA, "no text" = NA_character_, "NaN" = NaN, "Inf" = Inf, "-1" = -1, "0.5" = 0.5,
  "1e12" = 1e12, "TRUE" = TRUE, "empty text" = "", "nonsense" = "no such thing",
  "long text" = strrep("\u00f8", 5000), "two texts" = c("a", NA), "no texts" = character(),
  "numbers" = c(1, 2.5, NA), "named numbers" = c(woody = 0.5), "list" = list(), "mixed list" = list(1, "a"),
  "no table" = data.frame(), "another table" = data.frame(a = 1:2, b = c("x", NA)),
  "factor" = factor("a"), "column" = factor(rep("woody", 120)), "date" = as.Date("2018-06-01"),
  "function" = identity, "matrix" = matrix(0, 2, 2), "environment" = new.env(), "name" = quote(x),
  "complex" = 1i, "raw" = raw(2), "formula" = y ~ x
)

# A call of each function that ends well: its arguments.
usual_calls <- function() {
  points <- made_points(120)
  points$habitat <- points$predicted
  points$habitat[1:40] <- rev(points$predicted)[1:40]
  points$w <- seq(1, 2, length.out = 120)
  points$km_to_training <- seq(0, 30, length.out = 120)
  points$split <- "test"
  later <- points
  later$year <- 2022L
  later$predicted <- rev(later$predicted)
  both <- rbind(points, later)
  classes <- levels(points$predicted)
  equal <- stats::setNames(rep(0.25, 4), classes)
  levels <- data.frame(class = classes, level1 = c("a", "a", "b", "b"))
  labelled <- points[1:100, ]
  photos <- demo_parts()$train
  model <- demo_model()
  predictions <- demo_predictions()
  sites <- data.frame(lon = c(10, 10.1), lat = c(56, 56.1))
  covariates <- lucas_covariates(points)
  survey <- data.frame(point_id = points$point_id[1:40], year = 2018L, nuts0 = "DK",
                       lc1 = rep(c("A11", "B11", "E20", "C10"), 10), lon = 10, lat = 56,
                       obs_type = "In situ < 100 m", obs_dist = 5, photo_point = TRUE, photo_north = TRUE,
                       photo_east = TRUE, photo_south = TRUE, photo_west = TRUE)
  table <- tempfile(fileext = ".csv")
  utils::write.csv(survey, table, row.names = FALSE)
  folder <- tempfile("odd")
  lucas_save(model, file.path(folder, "model"))
  lucas_sort_photos(predictions, file.path(folder, "sorted"), verbose = FALSE)
  quick <- list(arch = "efficientnet_lite0", epochs = 1)
  recipes <- list(a = quick, b = utils::modifyList(quick, list(epochs = 2)))
  comparison <- lucas_compare_recipes(photos, recipes, folds = 2, repeats = 1, n_boot = 20,
                                      verbose = FALSE)
  list(
    lucas_abstain = list(points, labelled, 0.8),
    lucas_adjust_shares = list(points, equal, class_shares = equal),
    lucas_at_level = list(points, "level1", levels = levels),
    lucas_calibrate = list(model, photos, verbose = FALSE),
    lucas_changes = list(both, class_shares = equal),
    lucas_check_split = list(photos, demo_parts()$test, verbose = FALSE),
    lucas_classify = list(photos, model, verbose = FALSE),
    lucas_colours = list(classes),
    lucas_compare = list(points, points, n_boot = 20),
    lucas_compare_recipes = list(photos, recipes, folds = 2, repeats = 1, n_boot = 20, verbose = FALSE),
    lucas_covariates = list(points, sites, crs = "EPSG:4326", k = 3, max_distance = Inf),
    lucas_credit = list(2018),
    lucas_cross_validate = list(photos, folds = 2, training = quick, verbose = FALSE),
    lucas_demo_photos = list(file.path(folder, "demo"), n_points = 4, size = c(160, 160),
                             verbose = FALSE),
    lucas_doubted_labels = list(points),
    lucas_error_by_distance = list(points),
    lucas_estimate_shares = list(points, labelled = labelled),
    lucas_evaluate = list(points, n_boot = 20),
    lucas_habitat = list(survey),
    lucas_in_training = list(photos, model),
    lucas_labelling_saved = list(points, labelled),
    lucas_levels = list(c("B11", "E20")),
    lucas_load = list(file.path(folder, "model")),
    lucas_locate = list(photos, verbose = FALSE),
    lucas_quantize = list(model, photos, n_photos = 4, verbose = FALSE),
    lucas_model = list(4, arch = "efficientnet_lite0"),
    lucas_near_duplicates = list(photos, arch = "efficientnet_lite0", verbose = FALSE),
    lucas_odmap = list(covariates),
    lucas_photos = list(photos),
    lucas_pilot = list(file.path(folder, "pilot"), photos = lucas_photos(demo_folder()), training = quick,
                       overwrite = TRUE, verbose = FALSE),
    lucas_plot_confusion = list(lucas_evaluate(points, n_boot = 20)),
    lucas_plot_distance = list(lucas_error_by_distance(points)),
    lucas_plot_history = list(model),
    lucas_plot_labelling = list(lucas_labelling_saved(points, labelled)),
    lucas_plot_map = list(points),
    lucas_plot_photos = list(predictions),
    lucas_plot_point = list(predictions, predictions$point_id[1]),
    lucas_plot_recipes = list(comparison),
    lucas_plot_reliability = list(points),
    lucas_plot_transitions = list(lucas_transitions(both, class_shares = equal, n_boot = 20)),
    lucas_plot_votes = list(predictions),
    lucas_predict_level = list(points, labelled, 0.5, levels = levels),
    lucas_prediction_sets = list(points, labelled),
    lucas_read_sorted = list(file.path(folder, "sorted")),
    lucas_reliability = list(points),
    lucas_report = list(predictions, file.path(folder, "report.html")),
    lucas_review_list = list(predictions),
    lucas_save = list(model, file.path(folder, "saved"), overwrite = TRUE),
    lucas_select = list(survey),
    lucas_share_model = list(model, file.path(folder, "model.zip"), "CC-BY-4.0", "A. Author"),
    lucas_sort_photos = list(predictions, file.path(folder, "sorted"), verbose = FALSE),
    lucas_split = list(photos, test_size = 0.5, regroup = TRUE),
    lucas_support = list(covariates),
    lucas_survey = list(table),
    lucas_train = list(photos, arch = "efficientnet_lite0", epochs = 1, verbose = FALSE),
    lucas_transitions = list(both, class_shares = equal, n_boot = 20),
    lucas_vote = list(predictions),
    lucas_vote_gain = list(predictions, n_draws = 20),
    lucas_write_croissant = list(points, file.path(folder, "points.json"), "Points", "A. Author",
                                 "CC-BY-4.0"),
    lucas_write_dwca = list(points, file.path(folder, "points.zip"), "Points", "A. Author", "CC-BY-4.0"),
    lucas_write_xmp = list(predictions, verbose = FALSE)
  )
}

# These need what is not here (a server, a map), or end Python, the page or the cache.
NOT_CALLED <- c("lucas_app", "lucas_app_stop", "lucas_cache_clear", "lucas_cache_info", "lucas_codes",
                "lucas_download", "lucas_download_table", "lucas_eunis", "lucas_install",
                "lucas_scheme", "lucas_status", "lucas_validate_map")

# These train or classify where a value can be taken.
TAKE_LONG <- c("lucas_calibrate", "lucas_check_split", "lucas_classify", "lucas_compare_recipes",
               "lucas_cross_validate", "lucas_locate", "lucas_near_duplicates", "lucas_pilot",
               "lucas_quantize", "lucas_report", "lucas_train")

# What a call comes to that should not: nothing, or an error that is not ours.
outcome <- function(name, arguments) {
  tryCatch({
    suppressWarnings(suppressMessages(utils::capture.output(
      do.call(name, arguments, quote = TRUE, envir = asNamespace("lucashabitat"))
    )))
    ""
  }, error = function(e) {
    if (inherits(e, "lucas_error") && !inherits(e, "lucas_internal_error")) return("")
    substr(gsub("\n", " ", conditionMessage(e)), 1, 300)
  })
}

odd_outcomes <- function(name, usual, values) {
  arguments <- names(formals(name, envir = asNamespace("lucashabitat")))
  position <- seq_along(usual)
  given <- names(usual)
  if (is.null(given)) given <- rep("", length(usual))
  given[given == ""] <- setdiff(arguments, given)[seq_len(sum(given == ""))]
  usual <- stats::setNames(usual, given)
  bad <- list()
  for (argument in setdiff(arguments, "...")) {
    if (nzchar(Sys.getenv("ODD_LOG"))) cat("     at", name, argument, "\n", file = Sys.getenv("ODD_LOG"), append = TRUE)
    for (what in names(values)) {
      changed <- usual
      changed[argument] <- list(values[[what]])
      result <- outcome(name, changed)
      if (nzchar(result)) bad[[paste(name, argument, what)]] <- result
    }
  }
  bad
}

test_that("no odd value ends in an error that is not ours", {
  skip_without_core()
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  calls <- suppressWarnings(suppressMessages(usual_calls()))
  expect_setequal(c(names(calls), NOT_CALLED), getNamespaceExports("lucashabitat"))
  owd <- setwd(tempdir())
  on.exit(setwd(owd), add = TRUE)
  few <- c("NA", "1e12", "two texts", "numbers", "mixed list", "no table", "column", "function", "matrix")
  for (name in names(calls)) {
    values <- odd_values()
    if (name %in% TAKE_LONG) values <- values[few]
    expect_identical(odd_outcomes(name, calls[[name]], values), list(), info = name)
  }
})
