test_that("the pilot runs from the table to the page, and the same model is tested elsewhere", {
  skip_without_core()
  survey <- suppressMessages(lucas_select(demo_survey()))
  survey <- survey[!is.na(survey$habitat), ]
  wanted <- expand.grid(direction = c("P", "N", "E", "S", "W"), row = seq_len(nrow(survey)),
                        stringsAsFactors = FALSE)
  site <- tempfile("site")
  files <- file.path(site, server_path(survey$point_id[wanted$row], survey$year[wanted$row],
                                       wanted$direction))
  for (folder in unique(dirname(files))) dir.create(folder, recursive = TRUE)
  photos <- whole_photos()
  of_class <- split(photos, basename(dirname(photos)))
  for (i in seq_along(files)) {
    among <- of_class[[as.character(survey$habitat[wanted$row[i]])]]
    file.copy(among[(i - 1) %% length(among) + 1], files[i])
  }
  server <- local_server(site)
  on.exit(server$stop())

  out <- file.path(tempfile("k\u00f8r p\u00e5 \u00f8 "), "dk")
  run <- function(...) {
    suppressWarnings(suppressMessages(lucas_pilot(
      ..., table = survey_file(), sample = "all", base = server$base, per_second = 1000,
      verbose = FALSE
    )))
  }
  found <- run(out, test_size = 0.4, validation_split = 0, arch = "efficientnet_lite0",
               training = list(epochs = 2, precision = "float32"))
  expect_identical(class(found), "data.frame")
  expect_identical(found$unit, c("photos", "points", "pilot"))
  expect_identical(found$kappa[3], 0.65)
  expect_true(is.na(found$n[3]) && is.na(found$kappa_low[3]))
  expect_identical(normalizePath(attr(found, "report")), normalizePath(file.path(out, "report.html")))
  expect_identical(lucas_load(file.path(out, "model"))$card$training$epochs, 2L)
  points <- utils::read.csv(file.path(out, "points.csv"), colClasses = c(point_id = "character"))
  again <- lucas_evaluate(points)
  expect_equal(found$kappa[2], again$kappa)
  expect_equal(c(found$kappa_low[2], found$kappa_high[2]), again$kappa_interval)
  expect_true(all(points$point_id %in% survey$point_id))

  # It ends by offering to hand the model on.
  suppressMessages(suppressWarnings(expect_message(
    lucas_pilot(paste0(out, " new"), table = survey_file(), sample = "all", base = server$base,
                per_second = 1000, test_size = 0.4, validation_split = 0, arch = "efficientnet_lite0",
                training = list(epochs = 2, precision = "float32"), verbose = FALSE),
    "lucas_share_model\\(\".*model\", \".*dk new.zip\", licence = \"CC-BY-4.0\"", class = "lucas_message"
  )))

  # Finished: not done again, and not replaced by chance.
  before <- length(readLines(server$log))
  expect_message(
    lucas_pilot(out, table = survey_file(), sample = "all", base = server$base, test_size = 0.4,
                validation_split = 0, arch = "efficientnet_lite0", verbose = FALSE,
                training = list(epochs = 2, precision = "float32")),
    "finished.*overwrite = TRUE", class = "lucas_message"
  )
  expect_length(readLines(server$log), before)
  expect_error(run(out, test_size = 0.3), "finished run with other settings: .*overwrite = TRUE",
               class = "lucas_input_error")

  elsewhere <- run(file.path(dirname(out), "again"), model = demo_model())
  expect_identical(elsewhere$n[2], nrow(survey))
})

test_that("photos of one's own are trained and tested on in one call", {
  skip_without_core()
  parts <- demo_parts()
  photos <- rbind(transform(parts$train, split = "train"), transform(parts$test, split = "test"))
  out <- tempfile("own ")
  found <- suppressWarnings(suppressMessages(lucas_pilot(
    out, photos = photos, validation_split = 0, arch = "efficientnet_lite0",
    training = list(epochs = 2), verbose = FALSE
  )))
  predictions <- file.path(out, "predictions.csv")
  expect_identical(basename(utils::read.csv(predictions)$path), basename(parts$test$path))
  expect_equal(found$kappa[1], suppressMessages(lucas_evaluate(predictions))$kappa)
  expect_false(file.exists(file.path(out, "photos")))
  expect_error(lucas_pilot(tempfile(), photos = photos, years = 2018, verbose = FALSE),
               "years choose photos of the survey; with photos of your own", class = "lucas_input_error")
})

test_that("bad arguments of the pilot say what to do", {
  skip_without_core()
  wrong <- function(..., message) {
    expect_error(lucas_pilot(tempfile(), ..., verbose = FALSE), message, class = "lucas_input_error")
  }
  wrong(sample = "tiny", message = "sample must be 'small', 'large', 'all' or a number of photos")
  wrong(training = list(20), message = "training must be a list of named arguments of lucas_train")
  wrong(training = list(epoch = 20), message = "training has epoch; .*lucas_train\\(\\)")
  wrong(table = demo_survey(), message = "table must be files or addresses .* got a data.frame")
  wrong(table = "no such table.csv", message = "There is no table .*no such table.csv")
  wrong(directions = "C", message = "close-ups do not vote")
  expect_error(lucas_pilot(c("a", "b")), "out must be the name of one folder")
})
