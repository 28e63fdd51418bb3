exchange_points <- function() {
  data.frame(
    point_id = c("38023110", "31603628"), year = c(2006L, 2018L), n_photos = 5L,
    predicted = factor(c("cropland", "woody"), c("cropland", "woody")), agreement = c(0.6, 1),
    p_cropland = c(0.638759, 0.001), p_woody = c(0.361241, 0.999), nuts0 = c("BE", "UK"),
    habitat = c("cropland", "cropland"), date = as.Date(c("2006-06-06", NA))
  )
}

archive_tables <- function(archive) {
  folder <- tempfile("archive")
  utils::unzip(archive, exdir = folder)
  lapply(c(event = "event.csv", measurement = "measurement.csv"), function(name) {
    utils::read.csv(file.path(folder, name), colClasses = "character", encoding = "UTF-8")
  })
}

test_that("a Darwin Core archive from R holds the same as one from Python", {
  skip_without_core()
  judged <- lucas_evaluate(exchange_points(), n_boot = 0)
  archive <- tempfile(fileext = ".zip")
  expect_message(
    path <- lucas_write_dwca(exchange_points(), archive, title = "Two points", licence = "CC0-1.0",
                             authors = c("Ada Lovelace <ada@example.org>", "Grace Hopper"),
                             evaluation = judged),
    "lucas_write_dwca\\(\\) does not say which model"
  )
  expect_identical(normalizePath(path), normalizePath(archive))
  tables <- archive_tables(archive)
  expect_identical(tables$event$eventID, c("38023110-2006", "31603628-2018"))
  expect_identical(tables$event$eventDate, c("2006-06-06", "2018"))
  expect_identical(tables$event$habitat, c("cropland", "woody"))
  expect_identical(tables$event$countryCode, c("BE", "GB"))
  expect_match(tables$measurement$measurementAccuracy[1], "overall accuracy 0.500")
})

test_that("blurring from R hides places and keeps the key apart", {
  skip_without_core()
  archive <- tempfile(fileext = ".zip")
  key <- tempfile(fileext = ".csv")
  suppressMessages(lucas_write_dwca(exchange_points(), archive, title = "Two points", licence = "CC-BY-4.0",
                                    authors = "Ada Lovelace", grid = 10000, key = key))
  event <- archive_tables(archive)$event
  known <- utils::read.csv(key, colClasses = "character")
  expect_setequal(event$locationID, known$id)
  expect_setequal(known$point_id, exchange_points()$point_id)
  expect_setequal(event$eventDate, c("2006", "2018"))
  expect_true(all(as.numeric(event$coordinateUncertaintyInMeters) > 7000))
  expect_error(
    lucas_write_dwca(exchange_points(), archive, title = "x", licence = "GPL", authors = "Ada Lovelace"),
    "licence must be one of", class = "lucas_input_error"
  )
})

test_that("ODMAP rows are the same from a data.frame, a selection of its rows, and a raster", {
  skip_without_core()
  sites <- data.frame(x = c(4221000, 4231000), y = 3542000, row.names = c("a", "b"))
  env <- lucas_covariates(made_points(), sites, crs = "EPSG:3035", k = 3, drop = "woody")
  rows <- suppressMessages(lucas_odmap(env))
  expect_identical(class(rows), "data.frame")
  expect_identical(names(rows), c("section", "subsection", "element", "value"))
  value <- function(rows, element) {
    rows$value[rows$subsection == "Predictor variables" & rows$element == element]
  }
  expect_match(value(rows, "Spatial resolution"), "the 3 nearest points; no value beyond [0-9]+ m")
  expect_match(value(rows, "Predictor variables"), "^p_artificial, p_cropland, p_grassland: ")
  expect_identical(suppressMessages(lucas_odmap(env["b", ])), rows)
  expect_error(lucas_odmap(env["p_cropland"]), "not known to come from lucas_covariates\\(\\)",
               class = "lucas_input_error")
  skip_without("terra")
  raster <- terra::rast(xmin = 4221000, xmax = 4231000, ymin = 3542000, ymax = 3552000, resolution = 5000,
                        crs = "EPSG:3035")
  layers <- suppressMessages(lucas_covariates(made_points(), raster, k = 3, drop = "woody", as = "raster"))
  of_raster <- suppressMessages(lucas_odmap(layers))
  expect_identical(value(of_raster, "Predictor variables"), value(rows, "Predictor variables"))
})

test_that("biomod2's table is filled in", {
  skip_without_core()
  elements <- do.call(rbind, case_file("odmap_elements.json")$elements)
  theirs <- data.frame(section = elements[, 1], subsection = elements[, 2], element = elements[, 3], value = NA)
  env <- lucas_covariates(made_points(), drop = "woody")
  filled <- suppressMessages(lucas_odmap(env, theirs))
  expect_identical(filled[1:3], theirs[1:3])
  rows <- suppressMessages(lucas_odmap(env))
  expect_identical(filled$value[!is.na(filled$value)], rows$value)
})

test_that("Croissant metadata from R describe a table beside them", {
  skip_without_core()
  skip_without("jsonlite")
  folder <- tempfile("croissant")
  dir.create(folder)
  out <- file.path(folder, "points.json")
  path <- suppressMessages(lucas_write_croissant(
    exchange_points(), out, title = "Two points", authors = c("Ada Lovelace", "Plato"), licence = "CC0-1.0",
    url = "https://example.org/two", grid = 10000, key = file.path(folder, "key.csv")
  ))
  expect_identical(normalizePath(path), normalizePath(out))
  document <- jsonlite::fromJSON(out, simplifyVector = FALSE)
  expect_identical(document$name, "Two points")
  expect_identical(document$distribution[[1]]$contentUrl, "points.parquet")
  columns <- vapply(document$recordSet[[1]]$field, function(field) field$name, "")
  expect_true(all(c("point_id", "lon", "lat", "coordinate_uncertainty", "p_woody") %in% columns))
  expect_false("date" %in% columns)
  expect_setequal(list.files(folder), c("key.csv", "points.json", "points.parquet"))
  expect_message(
    lucas_write_croissant(exchange_points(), out, title = "x", authors = "Plato", licence = "CC0-1.0"),
    "; url gives it"
  )
})
