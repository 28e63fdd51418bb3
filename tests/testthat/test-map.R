# One pixel of 1 km a value, in a row.
pixel_row <- function(values, ...) {
  terra::rast(nrows = 1, ncols = length(values), xmin = 4e6, xmax = 4e6 + 1000 * length(values),
              ymin = 2999000, ymax = 3e6, crs = "EPSG:3035", vals = values, ...)
}

points_on <- function(columns, labels) {
  data.frame(point_id = paste0("p", seq_along(columns)), year = 2018, n_photos = 5,
             predicted = labels, x = 4e6 + 1000 * columns - 500, y = 2999500)
}

numbers <- function(x) as.numeric(unlist(x))

test_that("maps are the numbers both languages must give", {
  skip_without_core()
  skip_without("terra")
  cases <- case_file("map.json")
  expect_gt(length(cases$cases), 0)
  for (case in cases$cases) {
    times <- numbers(case$times)
    points <- points_on(rep(numbers(case$value), times), rep(unlist(case$reference), times))
    if (!is.null(case$weight)) points$weight <- rep(numbers(case$weight), times)
    confusion <- if (!is.null(case$confusion)) {
      counts <- do.call(rbind, lapply(case$confusion, numbers))
      k <- nrow(counts)
      classes <- unlist(case$classes)
      tested <- data.frame(predicted = rep(rep(classes, k), as.vector(counts)),
                           habitat = rep(rep(classes, each = k), as.vector(counts)))
      lucas_evaluate(tested, n_boot = 0)
    }
    found <- lucas_validate_map(
      pixel_row(numbers(case$legend$value)), points,
      data.frame(value = numbers(case$legend$value), class = unlist(case$legend$class)),
      confusion = confusion, weights = if (!is.null(case$weight)) "weight",
      areas = data.frame(value = numbers(case$areas$value), area = numbers(case$areas$area)),
      n_boot = 0
    )
    expect_equal(unclass(found$confusion), do.call(rbind, lapply(case$counts, numbers)),
                 ignore_attr = TRUE)
    expect_identical(dimnames(found$confusion),
                     list(map = unlist(case$classes), reference = unlist(case$classes)))
    expect_equal(is.null(found$corrected), is.null(case$corrected))
    for (name in c("as_if_true", "corrected")) for (number in names(case[[name]])) {
      part <- found[[name]]
      got <- if (is.null(part[[number]])) part$per_class[[number]] else part[[number]]
      # expect_equal()'s tolerance is relative
      expect_lt(max(abs(got - numbers(case[[name]][[number]]))), cases$tolerance)
    }
  }
})

made_map <- function(n = 400, ...) {
  set.seed(4)
  classes <- c("artificial", "cropland", "grassland", "woody")
  on_map <- sample(4, n, TRUE)
  noisy <- function(x) ifelse(runif(length(x)) < 0.8, x, sample(classes, length(x), TRUE))
  tested <- data.frame(habitat = rep(classes, 40))
  tested$predicted <- noisy(tested$habitat)
  lucas_validate_map(pixel_row(1:4), points_on(on_map, noisy(classes[on_map])),
                     stats::setNames(classes, 1:4), confusion = lucas_evaluate(tested), ...)
}

test_that("a map's accuracy prints and becomes a data.frame", {
  skip_without_core()
  skip_without("terra")
  found <- made_map(n_boot = 200, level = 0.9)
  expect_s3_class(found, "lucas_map_accuracy")
  expect_output(print(found), paste0("Accuracy of 100% of a map's area at 400 points.*As if the points' ",
                                     "classes were true.*90% interval.*own errors taken out.*",
                                     "rows map, columns reference"))
  table <- as.data.frame(found)
  expect_identical(class(table), "data.frame")
  expect_identical(table$reference, rep(c("as_if_true", "corrected"), each = 4))
  expect_gt(found$corrected$overall_accuracy, found$as_if_true$overall_accuracy + 0.1)
  expect_equal(sum(found$corrected$proportions), 1)
  expect_gt(found$corrected$overall_accuracy_se, found$as_if_true$overall_accuracy_se)
  expect_identical(made_map(n_boot = 200, level = 0.9), found)
  expect_true(is.na(made_map(n_boot = 0)$corrected$overall_accuracy_se))
})

test_that("files, labels and layers of maps are read as values", {
  skip_without_core()
  skip_without("terra")
  # Two thirds a, so that counting is seen
  map <- pixel_row(c(1, 1, 2))
  points <- points_on(c(1, 2, 3, 3), c("a", "a", "b", "b"))
  legend <- data.frame(value = 1:2, class = c("a", "b"))
  first <- lucas_validate_map(map, points, legend)
  expect_equal(first$as_if_true$per_class$area_mapped, c(2, 1) / 3)
  expect_equal(first$as_if_true$overall_accuracy, 1)
  file <- tempfile("Gr\u00f8n kort ", fileext = ".tif")
  terra::writeRaster(map, file, datatype = "INT1U")
  expect_equal(lucas_validate_map(file, points, legend), first)
  labelled <- map
  levels(labelled) <- data.frame(value = 1:2, name = c("Ager", "Skov"))
  expect_equal(lucas_validate_map(labelled, points, legend), first)
  expect_identical(terra::levels(labelled)[[1]]$name, c("Ager", "Skov"))
  expect_message(two <- lucas_validate_map(c(map, map * 0), points, legend), "2 layers; the first")
  expect_equal(two, first)
})

test_that("pixels of a geographic map weigh by the cosine of latitude", {
  skip_without_core()
  skip_without("terra")
  map <- terra::rast(nrows = 2, ncols = 3, xmin = 0, xmax = 150, ymin = 0, ymax = 100,
                     crs = "EPSG:4326", vals = rep(1:2, each = 3))
  points <- data.frame(point_id = letters[1:4], predicted = c("a", "a", "b", "b"), lon = 10,
                       lat = c(75, 70, 25, 20))
  found <- lucas_validate_map(map, points, c("1" = "a", "2" = "b"))
  weight <- cos(c(75, 25) * pi / 180)
  expect_equal(found$as_if_true$per_class$area_mapped, weight / sum(weight))
})

test_that("a LUCAS point where pixels meet belongs right and below", {
  skip_without_core()
  skip_without("terra")
  map <- terra::rast(nrows = 2, ncols = 2, xmin = 4e6, xmax = 4002000, ymin = 2998000, ymax = 3e6,
                     crs = "EPSG:3035", vals = 1:4)
  # The id spells 4001 km east, 2999 km north, the corner of all pixels; the outer border is the map's
  points <- data.frame(point_id = c("40012999", "40012998"), predicted = "woody")
  expect_warning(found <- lucas_validate_map(map, points, c("1" = "a", "2" = "b", "3" = "c",
                                                            "4" = "woody")), "Not all of the map")
  expect_equal(found$confusion["woody", "woody"], 2)
})

test_that("what is left out is counted, and the rest of the map named", {
  skip_without_core()
  skip_without("terra")
  map <- pixel_row(c(1, 2, NA, 9))
  points <- points_on(c(1, 1, 2, 2, 3, 4, 60, 1), c("a", "a", "b", "b", "b", "b", "b", NA))
  expect_warning(found <- lucas_validate_map(map, points, c("1" = "a", "2" = "b")),
                 "33% of the map's area has values that the legend lacks \\(9\\)")
  expect_equal(found$left_out, data.frame(
    reason = c("no class", "outside the map", "no data on the map", "map value that the legend lacks"),
    n = 1L
  ))
  expect_equal(found$judged, 2 / 3)
  expect_output(print(found), "Left out: 1 no class; 1 outside the map")
})

test_that("errors say what was got and what to do", {
  skip_without_core()
  skip_without("terra")
  points <- points_on(c(1, 1, 2, 2), c("a", "a", "b", "b"))
  legend <- c("1" = "a", "2" = "b")
  map <- pixel_row(1:2)
  expect_error(lucas_validate_map("nowhere.tif", points, legend), "There is no map",
               class = "lucas_input_error")
  broken <- tempfile(fileext = ".tif")
  writeLines("no map", broken)
  expect_error(suppressWarnings(lucas_validate_map(broken, points, legend)), "Cannot read the map",
               class = "lucas_input_error")
  expect_error(lucas_validate_map(1:4, points, legend), "raster must be a SpatRaster")
  bare <- map
  terra::crs(bare) <- ""
  expect_error(lucas_validate_map(bare, points, legend), "no coordinate reference system")
  expect_error(lucas_validate_map(map, points, c(one = "a")), "legend must be the map's numbers; got one")
  expect_error(lucas_validate_map(map, points[-1], legend),
               "lucas_validate_map\\(\\) needs the column point_id.*reference and weights name")
  tested <- data.frame(habitat = rep(c("a", "b"), 9), predicted = "a")
  expect_error(lucas_validate_map(map, points, legend, confusion = lucas_evaluate(tested)),
               "none of the test points right that are b", class = "lucas_input_error")
})

test_that("labelled points on the map tell which number to quote", {
  skip_without_core()
  skip_without("terra")
  set.seed(2)
  classes <- c("artificial", "cropland", "grassland", "woody")
  on_map <- sample(4, 400, TRUE)
  flip <- function(x, p) ifelse(runif(length(x)) < p, x %% 4 + 1, x)
  truth <- flip(on_map, 0.15)
  points <- points_on(on_map, classes[flip(truth, 0.2)])
  points$habitat <- ifelse(seq_len(400) <= 100, classes[truth], NA)
  legend <- stats::setNames(classes, 1:4)
  found <- lucas_validate_map(pixel_row(1:4), points, legend)
  expect_identical(found$to_quote, "prediction_powered")
  expect_output(print(found), "To quote: prediction_powered.*From the labelled points alone")
  interval <- found$prediction_powered$overall_accuracy_interval
  expect_true(interval[1] < 0.85 && 0.85 < interval[2])
  expect_lt(found$prediction_powered$overall_accuracy_se, found$from_labels$overall_accuracy_se)
  expect_true(is.numeric(found$independence$p_value))
  expect_setequal(as.data.frame(found)$reference, c("as_if_true", "from_labels", "prediction_powered"))
  bare <- points[101:400, names(points) != "habitat"]
  apart <- lucas_validate_map(pixel_row(1:4), bare, legend, labelled = points[1:100, ])
  expect_equal(apart$prediction_powered, found$prediction_powered)
})
