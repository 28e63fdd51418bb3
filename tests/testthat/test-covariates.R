nulls <- function(x) vapply(x, function(v) if (is.null(v)) NA_real_ else as.numeric(v), 0)

case_points <- function(cases) {
  points <- as.data.frame(lapply(cases$points, unlist))
  points$calibrated <- TRUE
  points
}

test_that("covariates of points are the numbers both languages must give", {
  skip_without_core()
  cases <- case_file("covariates.json")
  points <- case_points(cases)
  for (case in cases$at_points) {
    found <- suppressMessages(suppressWarnings(
      do.call(lucas_covariates, c(list(points), case$arguments))))
    expect_identical(names(found), names(case$columns))
    expect_identical(row.names(found), points$point_id)
    for (name in names(found)) {
      expect_equal(found[[name]], nulls(case$columns[[name]]), tolerance = cases$tolerance$log_ratios)
    }
  }
})

test_that("covariates at sites are the numbers both languages must give, in every crs", {
  skip_without_core()
  cases <- case_file("covariates.json")
  points <- case_points(cases)
  for (crs in names(cases$sites)) {
    sites <- as.data.frame(lapply(cases$sites[[crs]], unlist))
    for (case in cases$at_sites) {
      said <- character()
      found <- withCallingHandlers(
        do.call(lucas_covariates, c(list(points, sites, crs = crs, id = "site", drop = "none",
                                         year = "latest"), case$arguments)),
        warning = function(w) {
          said <<- c(said, conditionMessage(w))
          invokeRestart("muffleWarning")
        }
      )
      if (!is.null(case$warning)) expect_match(said, case$warning, all = FALSE)
      expect_identical(row.names(found), sites$site)
      for (name in names(case$columns)) {
        expect_equal(found[[name]], nulls(case$columns[[name]]), tolerance = cases$tolerance$shares)
      }
      support <- lucas_support(found)
      for (name in names(case$support)) {
        expect_equal(as.numeric(support[[name]]), nulls(case$support[[name]]), tolerance = 1e-5)
      }
    }
  }
})

test_that("the table is a plain data.frame of double columns and nothing else", {
  skip_without_core()
  env <- lucas_covariates(made_points(), drop = "woody")
  expect_identical(class(env), "data.frame")
  expect_identical(names(env), c("p_artificial", "p_cropland", "p_grassland"))
  expect_true(all(vapply(env, typeof, "") == "double"))
  expect_identical(row.names(env), made_points()$point_id)
  expect_identical(make.names(names(env)), names(env))
  expect_message(lucas_covariates(made_points()), "The last class is left out \\(p_woody\\)")
})

test_that("support follows rows and is an error where R forgot it", {
  skip_without_core()
  sites <- data.frame(x = c(4221000, 4231000, 4241000), y = 3542000, row.names = c("a", "b", "c"))
  env <- lucas_covariates(made_points(), sites, crs = "EPSG:3035", k = 3, drop = "woody")
  expect_identical(row.names(env), c("a", "b", "c"))
  expect_identical(row.names(lucas_support(env[c("c", "a"), ])), c("c", "a"))
  expect_identical(lucas_support(env[c("c", "a"), ]), lucas_support(env)[c("c", "a"), ])
  expect_type(lucas_support(env)$n_points, "integer")
  expect_error(lucas_support(env["p_cropland"]), "R forgot it", class = "lucas_input_error")
  expect_error(lucas_support(data.frame(a = 1)), "not known to come from")
  renamed <- env
  row.names(renamed) <- c("u", "v", "w")
  expect_error(lucas_support(renamed), "no row named u, v, w")
})

test_that("rows keep the order of sites, and rows without a value are NA and reported", {
  skip_without_core()
  sites <- data.frame(plot = c("far", "near", "nowhere"), x = c(4600000, 4221000, NA),
                      y = c(3542000, 3542000, 3542000))
  expect_warning(
    env <- lucas_covariates(made_points(), sites, crs = "EPSG:3035", id = "plot", radius = 5000,
                            drop = "woody"),
    "these rows are NA"
  )
  expect_identical(row.names(env), sites$plot)
  expect_identical(is.na(env$p_cropland), c(TRUE, FALSE, TRUE))
  expect_equal(lucas_support(env)$n_points[c(1, 3)], c(0, 0))
})

# The float32 trap: shares that sum to one only to float32's precision leave GLM without the alias
# that tells of the dependence, with coefficients in the millions and an AUC that looks normal.
float32 <- function(x) {
  x[] <- lapply(x, function(v) readBin(writeBin(v, raw(), size = 4), "double", length(v), size = 4))
  x
}

fitted_with <- function(env) {
  set.seed(3)
  present <- rbinom(nrow(env), 1, plogis(-1 + 3 * env$p_grassland))
  suppressWarnings(stats::glm(present ~ ., binomial, cbind(env, present = present)))
}

test_that("shares sum to one in double precision, so that GLM sees the alias", {
  skip_without_core()
  env <- lucas_covariates(made_points(300), drop = "none")
  expect_lt(max(abs(rowSums(env) - 1)), 4 * .Machine$double.eps)
  sound <- coef(fitted_with(env))
  expect_equal(sum(is.na(sound)), 1)
  expect_lt(max(abs(sound), na.rm = TRUE), 20)
  # What the trap looks like, so that this test is known to tell the difference.
  trapped <- coef(fitted_with(float32(env)))
  expect_true(!anyNA(trapped) || max(abs(trapped), na.rm = TRUE) > 1000)
  expect_gt(max(abs(rowSums(float32(env)) - 1)), 1e-9)
})

test_that("points that were rounded to float32 are closed again", {
  skip_without_core()
  points <- made_points(300)
  columns <- probability_columns(points)
  points[columns] <- float32(points[columns])
  expect_gt(max(abs(rowSums(points[columns]) - 1)), 1e-9)
  env <- lucas_covariates(points, drop = "none")
  expect_lt(max(abs(rowSums(env) - 1)), 4 * .Machine$double.eps)
  sound <- coef(fitted_with(env))
  expect_equal(sum(is.na(sound)), 1)
  sites <- data.frame(x = 4220500 + 2000 * (1:30), y = 3545000)
  at_sites <- lucas_covariates(points, sites, crs = "EPSG:3035", radius = 10000, drop = "none")
  expect_lt(max(abs(rowSums(at_sites) - 1)), 4 * .Machine$double.eps)
})

test_that("glm, gam and randomForest take it, and predict alike on rounded new data", {
  skip_without_core()
  skip_without("mgcv")
  skip_without("randomForest")
  env <- lucas_covariates(made_points(300), drop = "woody")
  set.seed(4)
  present <- rbinom(nrow(env), 1, plogis(-1 + 3 * env$p_grassland))
  data <- cbind(env, present = present)
  glm <- stats::glm(present ~ p_artificial + I(p_artificial^2) + p_cropland + p_grassland, binomial, data)
  expect_false(anyNA(coef(glm)))
  expect_lt(max(abs(predict(glm, round(env, 3), type = "response") -
                      predict(glm, env, type = "response"))), 0.01)
  gam <- mgcv::gam(present ~ s(p_artificial, k = 4) + s(p_cropland, k = 4) + s(p_grassland, k = 4),
                   data = data, family = stats::binomial)
  expect_length(gam$smooth, 3)
  expect_lt(max(abs(predict(gam, round(env, 3), type = "response") -
                      predict(gam, env, type = "response"))), 0.01)
  forest <- randomForest::randomForest(env, factor(present), ntree = 50)
  expect_setequal(rownames(forest$importance), names(env))
})

test_that("log-ratios are a basis without an alias", {
  skip_without_core()
  env <- lucas_covariates(made_points(300), transform = "ilr")
  expect_identical(names(env), paste0("ilr_", 1:3))
  set.seed(5)
  expect_false(anyNA(coef(stats::glm(rbinom(300, 1, 0.5) ~ ., binomial, env))))
  expect_error(lucas_covariates(made_points(), transform = "clr"), "transform must be one of 'ilr'")
})

test_that("sf points bring their crs", {
  skip_without_core()
  skip_without("sf")
  sites <- data.frame(plot = c("a", "b"), x = c(4221000, 4231000), y = 3542000)
  points <- sf::st_as_sf(sites, coords = c("x", "y"), crs = 3035)
  plain <- lucas_covariates(made_points(), sites, crs = 3035, id = "plot", k = 4, drop = "woody")
  expect_equal(lucas_covariates(made_points(), points, id = "plot", k = 4, drop = "woody"), plain,
               tolerance = 1e-6)
  degrees <- sf::st_transform(points, 4326)
  of_degrees <- lucas_covariates(made_points(), degrees, id = "plot", k = 4, drop = "woody")
  # What is noted of the sites names their crs; all else is the same.
  expect_match(attr(of_degrees, "lucas_covariates"), "\"crs\": \"EPSG:4326\"", fixed = TRUE)
  attr(of_degrees, "lucas_covariates") <- attr(plain, "lucas_covariates")
  expect_equal(of_degrees, plain, tolerance = 1e-6)
  lines <- sf::st_sf(geometry = sf::st_sfc(sf::st_linestring(matrix(c(0, 1, 0, 1), 2)), crs = 3035))
  expect_error(lucas_covariates(made_points(), lines, k = 1), "sites must be points")
})

test_that("a raster is filled cell by cell and written as double", {
  skip_without_core()
  skip_without("terra")
  template <- terra::rast(xmin = 4220000, xmax = 4240000, ymin = 3540000, ymax = 3550000,
                          resolution = 5000, crs = "EPSG:3035")
  file <- tempfile(fileext = ".tif")
  env <- lucas_covariates(made_points(), template, k = 4, drop = "none", as = "raster",
                          filename = file)
  expect_s4_class(env, "SpatRaster")
  expect_identical(names(env), paste0("p_", c("artificial", "cropland", "grassland", "woody")))
  expect_identical(terra::datatype(env), rep("FLT8S", 4))
  expect_lt(max(abs(terra::values(sum(env)) - 1)), 1e-14)
  cells <- data.frame(terra::xyFromCell(template, 1:8))
  plain <- lucas_covariates(made_points(), cells, crs = "EPSG:3035", k = 4, drop = "none")
  expect_equal(terra::values(terra::rast(file), dataframe = TRUE), plain, ignore_attr = TRUE)
  expect_equal(nrow(lucas_support(env)), 8)

  terra::values(template) <- c(NA, 2:8)
  masked <- lucas_covariates(made_points(), template, k = 4, drop = "woody", as = "raster")
  expect_identical(which(is.na(terra::values(masked[[1]], mat = FALSE))), 1L)
  expect_equal(nrow(lucas_covariates(made_points(), template, k = 4, drop = "woody")), 7)
  expect_error(lucas_covariates(made_points(), as = "raster"), "needs sites to be a SpatRaster")
})

test_that("years, classes and missing arguments are told in R's words", {
  skip_without_core()
  twice <- made_points(4)
  twice <- rbind(twice, transform(twice, year = 2015L))
  expect_error(lucas_covariates(twice), "year = 2018 \\(that campaign\\), year = 'latest'")
  expect_equal(nrow(lucas_covariates(twice, year = 2015, drop = "woody")), 4)
  expect_equal(nrow(lucas_covariates(twice, year = "<=2016", drop = "woody")), 4)
  expect_error(lucas_covariates(made_points(), data.frame(x = 1, y = 2)), "give k .*k = 5")
  expect_error(lucas_covariates(made_points(), data.frame(x = 1, y = 2), k = 5), "crs is needed")
  expect_error(lucas_covariates(made_points(), drop = "sea"), "drop must be one of 'last'")
})

test_that("the demo's points become covariates", {
  skip_without_core()
  points <- suppressWarnings(lucas_vote(demo_predictions()))
  expect_warning(env <- lucas_covariates(points, year = "latest", drop = "woody"),
                 "lucas_calibrate\\(\\)")
  expect_setequal(row.names(env), points$point_id)
})

test_that("sites far outside the sampled area have no values, and a wrong zone is named", {
  skip_without_core()
  points <- made_points(300)
  sites <- data.frame(x = c(4260000, 4760000), y = 3546000, row.names = c("in", "out"))
  expect_warning(env <- lucas_covariates(points, sites, crs = 3035, k = 5, drop = "woody"),
                 "1 are more than .* km from every point \\(out\\): .*max_distance sets another limit")
  expect_identical(is.na(env$p_cropland), c(FALSE, TRUE))
  expect_gt(lucas_support(env)["out", "nearest_distance"], 1e5)
  anyway <- lucas_covariates(points, sites, crs = 3035, k = 5, max_distance = Inf, drop = "woody")
  expect_false(anyNA(anyway))
  expect_warning(lucas_covariates(points, sites["out", ], crs = 3035, k = 5, drop = "woody"),
                 "All sites are far from every point: is crs .* a zone wrong")
})

test_that("distances with units are converted, and other units refused", {
  skip_without_core()
  skip_without("units")
  sites <- data.frame(plot = c("a", "b"), x = c(4221000, 4231000), y = 3552500)
  at <- function(...) lucas_covariates(made_points(), sites, crs = 3035, id = "plot", drop = "woody", ...)
  km <- function(x) units::set_units(x, "km", mode = "standard")
  expect_identical(at(radius = km(5)), at(radius = 5000))
  expect_identical(at(k = 3, max_distance = km(6)), at(k = 3, max_distance = 6000))
  expect_error(at(radius = units::set_units(5, "kg", mode = "standard")), "radius must be in m or .* got kg",
               class = "lucas_input_error")
  expect_error(at(k = units::set_units(5, "m", mode = "standard")), "k must be without units",
               class = "lucas_input_error")
  sites$x <- km(sites$x / 1000)
  expect_equal(lucas_covariates(made_points(), sites, crs = 3035, id = "plot", drop = "woody", k = 3),
               lucas_covariates(made_points(), transform(sites, x = as.numeric(x) * 1000), crs = 3035,
                                id = "plot", drop = "woody", k = 3))
  expect_identical(in_unit(as.difftime(1, units = "hours"), "minutes", "min"), 60)
})

test_that("a SpatVector and a matrix of coordinates are sites", {
  skip_without_core()
  skip_without("terra")
  sites <- data.frame(plot = c("a", "b"), x = c(4221000, 4231000), y = 3542000)
  plain <- lucas_covariates(made_points(), sites, crs = 3035, id = "plot", k = 4, drop = "woody")
  vector <- terra::vect(sites, geom = c("x", "y"), crs = "EPSG:3035")
  expect_equal(lucas_covariates(made_points(), vector, id = "plot", k = 4, drop = "woody"), plain)
  expect_error(lucas_covariates(made_points(), vector, id = "site", k = 4), "no column site")
  lines <- terra::as.lines(terra::ext(0, 1, 0, 1))
  expect_error(lucas_covariates(made_points(), lines, crs = 3035, k = 1), "sites must be points")
  nowhere <- terra::vect(sites, geom = c("x", "y"))
  expect_error(lucas_covariates(made_points(), nowhere, k = 4), "crs is needed")
  xy <- as.matrix(sites[c("x", "y")])
  rownames(xy) <- sites$plot
  expect_equal(lucas_covariates(made_points(), xy, crs = 3035, k = 4, drop = "woody"), plain)
  expect_equal(lucas_covariates(made_points(), unname(xy), crs = 3035, k = 4, drop = "woody"), plain,
               ignore_attr = TRUE)
  expect_error(lucas_covariates(made_points(), cbind(unname(xy), 1), crs = 3035, k = 4),
               "must hold two columns of numbers")
})
