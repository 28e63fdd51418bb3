test_that("a survey is a data.frame of plain columns with what was put right and left out", {
  skip_without_core()
  expect_message(survey <- lucas_survey(survey_file()), "24 of 25 rows kept", class = "lucas_message")
  expect_identical(class(survey), "data.frame")
  expect_identical(nrow(survey), 24L)
  expect_type(survey$point_id, "character")
  expect_type(survey$year, "integer")
  expect_identical(survey$point_id[1], "42503580")
  expect_identical(unlist(survey[1, c("x", "y")], use.names = FALSE), c(4250000, 3580000))
  expect_identical(unlist(survey[1, c("lc1_perc_low", "lc1_perc_high")], use.names = FALSE), c(50, 75))
  taken <- survey[c("photo_point", "photo_north", "photo_east", "photo_south", "photo_west")]
  expect_true(all(vapply(taken, is.logical, NA)))
  expect_identical(survey$point_id[!survey$photo_west], c("42683580", "42863590"))
  expect_true(is.na(survey$obs_dist[survey$obs_type == "In office PI"]))
  expect_identical(survey$date[1], "2012-06-03")
  repairs <- attr(survey, "repairs")
  expect_type(repairs, "integer")
  expect_identical(repairs[["swapped_metres"]], 1L)
  expect_identical(repairs[["codes_tidied"]], 3L)
  problems <- attr(survey, "problems")
  expect_identical(names(problems), c("row", "point_id", "year", "problem"))
  expect_identical(problems$row, 25L)
  expect_identical(problems$point_id, "42623580")
  expect_match(problems$problem, "no campaign")
})

test_that("years, countries and further columns are kept, and what is not said is NA", {
  skip_without_core()
  expect_identical(unique(demo_survey(years = 2018)$year), 2018L)
  expect_setequal(demo_survey(years = c(2012, 2015), countries = "DK")$year, c(2012, 2015))
  expect_type(demo_survey(columns = "survey_date")$survey_date, "character")
  file <- tempfile("Sprog\u00f8 ", fileext = ".csv")
  writeLines(c("POINT_ID;YEAR;NUTS0;LC1;PHOTO_WEST", "42503580;2012;DK;A11;1",
               "42563580;2012;DK;B11;"), file)
  survey <- lucas_survey(file)
  expect_identical(survey$photo_west, c(TRUE, NA))
  expect_identical(survey$photo_point, c(NA, NA))
  expect_identical(attr(survey, "repairs"), stats::setNames(integer(), character()))
  expect_identical(nrow(attr(survey, "problems")), 0L)
})

test_that("points are chosen by field, distance, photos, cover and class", {
  skip_without_core()
  survey <- demo_survey()
  expect_message(points <- lucas_select(survey), "24 rows of the survey.*20 with their photos")
  expect_identical(levels(points$habitat), c("artificial", "cropland", "grassland", "woody"))
  expect_true(all(points$obs_dist <= 100))
  expect_false("42683580" %in% points$point_id)
  expect_identical(points$point_id, sort(points$point_id))
  choose <- function(...) suppressMessages(lucas_select(survey, ...))
  expect_identical(nrow(choose(max_distance = NULL, directions = "P")), 23L)
  expect_identical(nrow(choose(field_only = FALSE, max_distance = NULL, directions = "C")), 24L)
  expect_identical(unique(choose(years = 2015, countries = "DK")$year), 2015L)
  expect_true(all(choose(min_cover = 75)$lc1_perc_low >= 75))
  woody <- choose(classes = c("woody", "cropland"))
  expect_identical(levels(woody$habitat), c("cropland", "woody"))
  expect_false(anyNA(woody$habitat))
  mine <- choose(scheme = c(A = "built up", B = "arable", E = "grass"))
  expect_identical(levels(mine$habitat), c("arable", "built up", "grass"))
})

test_that("samples are drawn by seed, balanced or in proportion", {
  skip_without_core()
  survey <- demo_survey()
  choose <- function(...) suppressMessages(lucas_select(survey, ...))
  balanced <- choose(n_per_class = 3, seed = 5)
  expect_identical(as.vector(table(balanced$habitat)), rep(3L, 4))
  expect_identical(balanced, choose(n_per_class = 3, seed = 5))
  expect_identical(nrow(choose(n = 10)), 10L)
})

test_that("points have the inclusion probabilities and weights worked out by hand", {
  skip_without_core()
  cases <- case_file("selection.json")
  choose <- function(table, arguments) {
    always <- list(field_only = cases$always$field_only, max_distance = NULL,
                   directions = cases$always$directions)
    suppressMessages(do.call(lucas_select, c(list(table), always, arguments)))
  }
  for (case in cases$cases) {
    survey <- as.data.frame(lapply(cases$survey, unlist))
    if (!case$survey_weights) survey$WGT_LUCAS <- NULL
    points <- choose(survey, case$arguments)
    if (!is.null(case$again)) points <- choose(points, case$again)
    habitat <- as.character(points$habitat)
    expect_equal(c(table(habitat)), unlist(case$n), info = case$how)
    for (column in c("inclusion_probability", "weight")) {
      expect_equal(points[[column]], unname(unlist(case[[column]])[habitat]),
                   tolerance = cases$tolerance, info = case$how)
    }
  }
  case <- cases$evaluation
  points <- as.data.frame(lapply(case[c("habitat", "predicted", "weight")], unlist))
  weighted <- lucas_evaluate(points, weights = "weight", n_boot = 0)
  expect_equal(weighted$overall_accuracy, case$weighted)
  expect_equal(lucas_evaluate(points, n_boot = 0)$overall_accuracy, case$plain)
  # Both photos of a point carry its weight, and the point keeps it.
  photos <- merge(data.frame(path = c("N.jpg", "E.jpg")), cbind(point_id = paste("plot", 1:6), points))
  photos$path <- paste(photos$point_id, photos$path)
  for (label in unique(case$habitat)) {
    photos[[paste0("p_", label)]] <- ifelse(photos$predicted == label, 0.8, 0.1)
  }
  voted <- suppressMessages(lucas_vote(photos))
  expect_identical(voted$weight, points$weight)
})

test_that("the credit names years, licence and citation", {
  skip_without_core()
  said <- strsplit(lucas_credit(c(2018L, NA, 2015L, 2018L)), "\n")[[1]]
  expect_length(said, 3)
  expect_identical(said[1], "(c) European Union, LUCAS 2015, 2018, Eurostat")
  expect_match(said[2], "CC BY 4.0")
  expect_match(said[3], "doi:10.1038/s41597-020-00675-z", fixed = TRUE)
  expect_error(lucas_credit(2017), "years must be campaigns .*got 2017", class = "lucas_input_error")
  expect_error(lucas_credit(NA_integer_), "got none instead")
  expect_error(lucas_credit("2018"), "years must be campaigns", class = "lucas_input_error")
})

test_that("what cannot be is said in R's words", {
  skip_without_core()
  survey <- demo_survey()
  wrong <- function(call, what) expect_error(suppressMessages(call), what, class = "lucas_input_error")
  wrong(lucas_survey(tempfile("none")), "There is no table")
  wrong(lucas_survey(c("a.csv", "b.csv")), "source must be the name of one file; got character of length 2")
  wrong(lucas_survey(survey_file(), years = 2016), "years must be campaigns")
  wrong(lucas_survey(survey_file(), countries = "Denmark"), "'DK' or 'EL'; got 'Denmark'")
  wrong(lucas_survey(survey_file(), columns = "obs_dis"), "did you mean obs_dist")
  wrong(lucas_select(survey_file()), "survey must be a data.frame, as lucas_survey")
  wrong(lucas_select(survey["point_id"]), "lucas_select\\(\\).*lucas_survey\\(\\) gives it")
  wrong(lucas_select(survey, n = 99), "n = 99 rows were asked for")
  expect_lte(max(table(suppressMessages(lucas_select(survey, n_per_class = "<=2"))$habitat)), 2)
  wrong(lucas_select(survey, n_per_class = 99), "n_per_class = 99 rows were asked for")
  wrong(lucas_select(survey, field_only = NA), "field_only must be TRUE or FALSE")
  wrong(lucas_select(survey[c("point_id", "year", "nuts0", "lc1")]), "field_only = TRUE")
  wrong(lucas_select(survey, directions = "X"), "directions must be some of P, N, E, S, W, C")
  wrong(lucas_select(survey, directions = NULL), "directions must be some of")
  wrong(lucas_download(survey, NA), "folder must be the name of one folder")
  wrong(lucas_download(survey, tempfile(), base = "ftp://127.0.0.1"), "base must be an https address")
  wrong(lucas_download(survey, tempfile(), connections = 99), "connections must be")
  wrong(lucas_download(data.frame(a = 1), tempfile()), "lucas_select\\(\\) gives such a table")
  wrong(lucas_download_table("https://127.0.0.1/table.html", tempfile(fileext = ".html")),
        "Name the file to write with out\\.")
})

test_that("the server is the core's", {
  skip_without_core()
  theirs <- reticulate::py_eval("__import__('lucas_habitat.survey.server').survey.server.BASE")
  expect_identical(formals(lucas_download)$base, theirs)
})

test_that("photos and tables come from a server, are checked, and come once", {
  skip_without_core()
  site <- tempfile("site")
  points <- suppressMessages(lucas_select(demo_survey(), years = 2012, classes = c("cropland", "woody"),
                                          directions = c("P", "N", "E", "S")))
  expect_identical(points$point_id, c("42623580", "42683580", "42863580", "42923580"))
  wanted <- expand.grid(direction = c("P", "N", "E", "S", "W"), point = points$point_id,
                        stringsAsFactors = FALSE)
  wanted <- wanted[!(wanted$point == "42683580" & wanted$direction == "W"), ]  # was not taken
  files <- file.path(site, server_path(wanted$point, 2012, wanted$direction))
  for (folder in unique(dirname(files))) dir.create(folder, recursive = TRUE)
  expect_true(all(file.copy(rep_len(whole_photos(), length(files)), files)))
  unlink(files[2])
  writeLines(rep("<p>Login</p>", 500), files[3])
  file.copy(survey_file(), site)

  server <- local_server(site)
  on.exit(server$stop())
  folder <- tempfile("hentede billeder p\u00e5 \u00f8 ")
  fetch <- function(...) {
    lucas_download(points, folder, base = server$base, per_second = 1000, verbose = FALSE, ...)
  }
  expect_message(photos <- fetch(), "17 of 19 photos are in .*LUCAS 2012, Eurostat.*lucas_credit\\(\\)",
                 class = "lucas_message")
  expect_identical(photos$point_id, wanted$point)
  expect_identical(photos$direction, wanted$direction)
  expect_identical(photos$status[1:4], c("ok", "missing", "not a photo", "ok"))
  expect_identical(which(is.na(photos$error)), which(photos$status == "ok"))
  expect_identical(file.exists(photos$path), photos$status == "ok")
  expect_identical(levels(photos$habitat), c("cropland", "woody"))
  expect_identical(photos$lc1[1], "B11")
  expect_type(photos$year, "integer")
  fine <- photos$status == "ok"
  expect_identical(unname(tools::md5sum(photos$path[fine])), unname(tools::md5sum(files[fine])))
  expect_identical(lucas_photos(photos[fine, ])$path, photos$path[fine])

  # Again: only what another answer may be had for is asked for.
  before <- length(readLines(server$log))
  expect_message(photos <- fetch(directions = c("P", "N")), "0 were asked for now")
  expect_identical(photos$direction, rep(c("P", "N"), 4))
  expect_length(readLines(server$log), before)
  file.copy(whole_photos()[1], files[2])
  expect_message(photos <- fetch(directions = "N", again = TRUE), "4 of 4 photos .*1 were asked for")
  expect_identical(photos$status, rep("ok", 4))

  table <- tempfile(fileext = ".csv")
  url <- paste0(server$base, "/survey.csv")
  expect_identical(lucas_download_table(url, table, verbose = FALSE), normalizePath(table))
  expect_identical(unname(tools::md5sum(table)), unname(tools::md5sum(survey_file())))
  expect_message(lucas_download_table(url, table, verbose = FALSE), "is there already")
  expect_error(lucas_download_table(paste0(url, ".gz"), tempdir(), verbose = FALSE),
               "cannot be had \\(missing\\)", class = "lucas_download_error")

  server$stop()
  expect_error(lucas_download(points, tempfile(), base = server$base, per_second = 1000, retries = 0,
                              verbose = FALSE), class = "lucas_download_error")
})
