test_that("evaluations are the numbers both languages must give", {
  skip_without_core()
  cases <- case_file("evaluation.json")
  expect_gt(length(cases$cases), 0)
  na <- function(x) vapply(x, function(v) if (is.null(v)) NA_real_ else as.numeric(v), 0)
  text <- function(x) vapply(x, function(v) if (is.null(v)) NA_character_ else v, "")
  for (case in cases$cases) {
    table <- data.frame(predicted = text(case$predicted), habitat = text(case$reference))
    found <- lucas_evaluate(table[rep(seq_len(nrow(table)), case$times), ], n_boot = 0)
    expect_equal(found$overall_accuracy, na(list(case$overall_accuracy)), tolerance = cases$tolerance)
    expect_equal(found$kappa, na(list(case$kappa)), tolerance = cases$tolerance)
    for (name in names(case$further)) {
      expect_equal(found[[name]], case$further[[name]], tolerance = cases$tolerance, info = name)
    }
    for (name in c("n", "n_unlabelled", "n_unread")) expect_equal(found[[name]], case[[name]])
    expect_equal(unclass(found$confusion), do.call(rbind, lapply(case$confusion, unlist)),
                 ignore_attr = TRUE)
    expect_equal(rownames(found$confusion), unlist(case$classes))
    for (name in c("producers_accuracy", "users_accuracy", "f1")) {
      expect_equal(found$per_class[[name]], na(case[[name]]), tolerance = cases$tolerance)
    }
  }
})

test_that("weights and class shares give what survey and vcd give", {
  skip_without_core()
  design <- case_file("evaluation_design.json")
  for (case in design$cases) {
    table <- as.data.frame(lapply(design$tables[[case$table]], unlist))
    table$predicted <- factor(table$predicted, unlist(design$classes))
    shares <- unlist(case$class_shares)
    found <- lucas_evaluate(table, weights = case$weights, class_shares = shares, n_boot = 0)
    expect_error(lucas_evaluate(table, class_shares = list(a = "half")), "must be numbers named by the classes",
                 class = "lucas_input_error")
    for (name in names(case$expected)) {
      value <- if (is.null(found[[name]])) found$per_class[[name]] else found[[name]]
      expect_equal(value, unlist(case$expected[[name]]), tolerance = design$tolerance, info = name)
    }
    if (!is.null(shares)) {
      expect_output(print(found), "at the land's class shares", fixed = TRUE)
      expect_equal(found$class_shares, shares)
      as_table <- lucas_evaluate(table, weights = case$weights, n_boot = 0,
                                 class_shares = data.frame(class = names(shares), share = 7 * shares))
      expect_equal(as_table$kappa, found$kappa)
    }
  }
  expect_error(lucas_evaluate(table, class_shares = c(0.5, 0.5)), "named by the classes")
  expect_error(lucas_evaluate(table, class_shares = c(woody = 1)), "share to each class")
})

test_that("probabilities have scores", {
  skip_without_core()
  case <- case_file("evaluation.json")$probabilities
  found <- lucas_evaluate(as.data.frame(lapply(case$table, unlist)), n_boot = 0)
  for (name in names(case$expected)) expect_equal(found[[name]], case$expected[[name]], info = name)
  expect_output(print(found), "Brier 0.250   calibration error 0.300 (0.329 if perfect)", fixed = TRUE)
  without <- lucas_evaluate(data.frame(habitat = c("a", "b"), predicted = "a"), n_boot = 0)
  expect_true(is.na(without$log_loss) && !is.nan(without$log_loss))
})

made <- function(n = 300) {
  set.seed(2)
  classes <- c("artificial", "cropland", "grassland", "woody")
  truth <- sample(classes, n, TRUE)
  data.frame(point_id = as.character(seq_len(n)), n_photos = 5,
             predicted = factor(ifelse(runif(n) < 0.7, truth, sample(classes, n, TRUE)), classes),
             habitat = truth)
}

test_that("kappa is vcd's", {
  skip_without_core()
  skip_without("vcd")
  found <- lucas_evaluate(made())
  expect_equal(found$kappa, unname(vcd::Kappa(found$confusion)$Unweighted["value"]), tolerance = 1e-12)
  expect_equal(found$kappa_se, unname(vcd::Kappa(found$confusion)$Unweighted["ASE"]), tolerance = 1e-12)
  expect_true(found$kappa_interval[1] < found$kappa && found$kappa < found$kappa_interval[2])
})

test_that("kappa and accuracies are caret's", {
  skip_without_core()
  # caret brings 56 packages, so its absence is no failure even where tests are forced
  skip_if_not_installed("caret")
  found <- lucas_evaluate(made())
  theirs <- caret::confusionMatrix(found$confusion)
  expect_equal(found$kappa, unname(theirs$overall["Kappa"]))
  expect_equal(found$per_class$producers_accuracy, unname(theirs$byClass[, "Sensitivity"]))
  expect_equal(found$per_class$users_accuracy, unname(theirs$byClass[, "Pos Pred Value"]))
})

test_that("an evaluation prints, plots and becomes a data.frame", {
  skip_without_core()
  found <- lucas_evaluate(made(), n_boot = 200, level = 0.9)
  expect_s3_class(found, "lucas_evaluation")
  expect_output(print(found), "Evaluation of 300 points.*90% interval.*rows predicted, columns reference")
  years <- transform(made(), point_id = pmax(seq_len(300), 6))
  expect_output(print(lucas_evaluate(years, n_boot = 0)),
                "Evaluation of 295 points in 300 point-years", fixed = TRUE)
  expect_identical(class(as.data.frame(found)), "data.frame")
  expect_equal(nrow(as.data.frame(found)), 4)
  expect_identical(names(dimnames(found$confusion)), c("predicted", "reference"))
  expect_equal(sum(found$confusion), found$n)
  pdf(NULL)
  on.exit(dev.off())
  expect_identical(plot(found), found)
})

test_that("what is undefined is NA with a note", {
  skip_without_core()
  table <- data.frame(predicted = factor(c("a", "a"), c("a", "b")), habitat = c("a", "a"))
  found <- lucas_evaluate(table, n_boot = 0)
  expect_true(is.na(found$kappa) && !is.nan(found$kappa))
  expect_match(found$notes, "kappa is undefined", all = FALSE)
  expect_output(print(found), "undefined")
  expect_error(lucas_evaluate(data.frame(predicted = "a", habitat = NA_character_)), "No row of 1")
})

test_that("points and photos of the demo are evaluated", {
  skip_without_core()
  by_photo <- lucas_evaluate(demo_predictions())
  expect_equal(by_photo$unit, "photo")
  by_point <- lucas_evaluate(suppressWarnings(lucas_vote(demo_predictions())))
  expect_equal(by_point$unit, "point")
  expect_lt(by_point$n, by_photo$n)
})

test_that("photos without points are not called points, and point-years are called so", {
  skip_without_core()
  classes <- rep(c("crop", "wood"), 10)
  photos <- data.frame(path = sprintf("/f/IMG%02d.jpg", 1:20), point_id = NA_character_, habitat = classes,
                       predicted = classes)
  expect_output(print(lucas_evaluate(photos)), "Evaluation of 20 photos\n", fixed = TRUE)
  voted <- transform(photos, point_id = path, n_photos = 1, year = NA_integer_)
  expect_output(print(lucas_evaluate(voted)), "Evaluation of 20 photos\n", fixed = TRUE)
  expect_output(print(lucas_compare(voted, voted, n_boot = 50)), "models on 20 photos\n", fixed = TRUE)
  years <- transform(voted, point_id = rep(c("a", "b"), 10), year = 2000:2019)
  expect_output(print(lucas_evaluate(years)), "Evaluation of 2 points in 20 point-years\n", fixed = TRUE)
  mixed <- transform(photos, point_id = rep(c(NA, "a"), c(5, 15)))
  expect_output(print(lucas_evaluate(mixed)), "20 photos of 1 points, 5 of them without a point")
})

test_that("summary() of an evaluation is a table of its measures", {
  skip_without_core()
  found <- lucas_evaluate(data.frame(point_id = 1:40, n_photos = 5, habitat = rep(c("a", "b"), 20),
                                     predicted = rep(c("a", "b", "b", "b"), 10)))
  table <- summary(found)
  expect_s3_class(table, "data.frame")
  expect_identical(table$value[table$measure == "overall_accuracy"], found$overall_accuracy)
  expect_identical(c(table$low[2], table$high[2]), as.double(found$kappa_interval))
  expect_true(is.na(table$low[table$measure == "macro_f1"]))
})

test_that("a column may be given itself", {
  skip_without_core()
  points <- made_points(60)
  points$habitat <- factor(rev(as.character(points$predicted)))
  points$w <- seq(1, 2, length.out = 60)
  named <- lucas_evaluate(points, weights = "w", n_boot = 20)
  given <- lucas_evaluate(points, points$habitat, weights = points$w, n_boot = 20)
  expect_equal(given$kappa, named$kappa)
  expect_equal(given$kappa_interval, named$kappa_interval)
  expect_error(lucas_evaluate(points, points$habitat[1:3]), "as many values as the table has rows, which is 60; got 3",
               class = "lucas_input_error")
  plots <- data.frame(lon = c(10, 11), lat = c(56, 57), plot = c("a", "b"))
  env <- suppressWarnings(lucas_covariates(points, plots, crs = 4326, id = plots$plot, k = 1))
  expect_identical(rownames(env), c("a", "b"))
})
