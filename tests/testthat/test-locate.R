# Photos whose EXIF says what the rows of the case do; R itself cannot write it.
write_geotagged <- function(photos) {
  skip_without_core()
  python_bridge()
  reticulate::py_run_string("
def write_geotagged(path, lat, lon, time, heading):
    from PIL import Image
    exif = Image.Exif()
    exif[0x8769] = {0x9003: time} if time else {}
    gps = {1: 'NS'[lat < 0], 2: abs(lat), 3: 'EW'[lon < 0], 4: abs(lon)} if lat == lat else {}
    exif[0x8825] = {**gps, **({16: 'T', 17: heading} if heading == heading else {})}
    Image.new('RGB', (32, 24)).save(path, exif=exif)
")
  parent <- tempfile("Mine gr\u00f8nne ")
  dir.create(parent)
  for (p in photos) {
    number <- function(x) if (is.null(x)) NaN else as.double(x)
    time <- if (is.null(p$time)) "" else gsub("T", " ", gsub("-", ":", p$time))
    reticulate::py$write_geotagged(file.path(parent, p$name), number(p$lat), number(p$lon), time,
                                   number(p$heading))
  }
  parent
}

test_that("points are those both languages must find", {
  skip_without_core()
  cases <- case_file("locate.json")
  folder <- write_geotagged(cases$photos)
  expect_gt(length(cases$cases), 0)
  for (case in cases$cases) {
    expect_message(found <- do.call(lucas_locate, c(list(folder), case$arguments)),
                   "9 photos, [0-9] points")
    for (name in names(case$columns)) {
      wanted <- unlist(lapply(case$columns[[name]], function(v) if (is.null(v)) NA else v))
      if (is.character(found[[name]])) {
        expect_identical(found[[name]], as.character(wanted), info = name)
      } else {
        expect_equal(as.numeric(found[[name]]), as.numeric(wanted), tolerance = cases$tolerance)
      }
    }
  }
})

test_that("geotagged photos are a plain photo table that the next steps take", {
  skip_without_core()
  photos <- list.files(demo_folder(), "(2015|2018)[.]jpg$", recursive = TRUE, full.names = TRUE)
  folder <- tempfile("phone")
  for (habitat in unique(basename(dirname(photos)))) {
    dir.create(file.path(folder, habitat), recursive = TRUE)
  }
  file.copy(photos, file.path(folder, basename(dirname(photos)), sprintf("IMG_%03d.jpg", seq_along(photos))))
  found <- suppressMessages(lucas_locate(folder, verbose = FALSE))
  expect_identical(class(found), "data.frame")
  expect_true(all(c("lon", "lat", "datetime", "visit", "gps_error", "heading", "status", "error")
                  %in% names(found)))
  expect_type(found$year, "integer")
  expect_type(found$datetime, "character")
  expect_s3_class(found$habitat, "factor")
  named <- suppressMessages(lucas_photos(photos))
  ok <- found$status == "ok"
  expect_gt(sum(ok), 20)
  expect_equal(length(unique(found$point_id[ok])), length(unique(named$point_id[ok])))
  again <- suppressMessages(lucas_locate(found, verbose = FALSE))
  expect_equal(again, found)
  parts <- suppressMessages(lucas_split(found[ok, ], test_size = 0.4))
  expect_length(intersect(parts$train$point_id, parts$test$point_id), 0)
  pred <- suppressMessages(lucas_classify(parts$test, demo_model(), verbose = FALSE))
  points <- suppressMessages(suppressWarnings(lucas_vote(pred)))
  expect_match(points$point_id, "^N5\\d\\.\\d{5}E0\\d\\d\\.\\d{5}$")
  expect_false(anyNA(points$lat))
  expect_silent(map <- lucas_plot_map(points, out = tempfile(fileext = ".png")))
})

test_that("what cannot be located says so in R's words", {
  skip_without_core()
  folder <- write_geotagged(list(list(name = "IMG_1.jpg", time = "2023-06-01T10:00:00")))
  suppressMessages(expect_warning(found <- lucas_locate(folder), "None of 1 photos has a position"))
  expect_identical(found$status, "no position")
  expect_identical(found$point_id, NA_character_)
  expect_error(lucas_locate(folder, radius = 1), "radius must be a number, at least 2", class = "lucas_input_error")
  expect_error(lucas_locate(folder, labels = NA), "labels must be TRUE or FALSE")
  expect_error(lucas_locate(5), "Photos must be a data.frame")
})
