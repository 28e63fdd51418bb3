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
