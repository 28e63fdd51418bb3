few <- list(arch = "efficientnet_lite0", epochs = 2)
many <- list(arch = "efficientnet_lite0", epochs = 4)

compared <- function() {
  if (is.null(shared$recipes)) {
    shared$recipes <- lucas_compare_recipes(
      demo_folder(), list(few = few, many = many, broken = list(arch = "no_such_network")),
      out = tempfile("recipes "), folds = 2, repeats = 1, n_boot = 100, verbose = FALSE
    )
  }
  shared$recipes
}

test_that("recipes are compared, one row each, and a failure is a row with its reason", {
  skip_without_core()
  suppressWarnings(expect_warning(found <- compared(), "recipe broken could not be tested"))
  expect_s3_class(found, "lucas_recipe_comparison")
  expect_identical(as.data.frame(found), found$table)
  expect_identical(found$table$recipe, c("few", "many", "broken"))
  expect_match(found$table$error[3], "no_such_network")
  expect_identical(found$table$error[1:2], c("", ""))
  expect_identical(is.na(found$table$kappa), c(FALSE, FALSE, TRUE))
  expect_identical(is.na(found$table$kappa_difference), c(TRUE, FALSE, TRUE))
  expect_equal(found$table$kappa_difference[2], diff(found$table$kappa[1:2]))
  expect_output(print(found), "Comparison of 3 recipes.*never saw its point.*Difference from few.*Kappa .* with many and")
  expect_length(found$sentences, 1)
  expect_identical(found$reference, "few")
})

test_that("why a recipe could not be tested is told in R's words", {
  skip_without_core()
  refused <- list(arch = "efficientnet_lite0", head = "logistic", epochs = 2)
  found <- suppressWarnings(suppressMessages(lucas_compare_recipes(
    demo_folder(), list(few = few, refused = refused), folds = 2, repeats = 1, n_boot = 0,
    verbose = FALSE
  )))
  for (text in c(found$table$error[2], grep("refused", found$notes, value = TRUE))) {
    expect_match(text, "head = 'dense'", fixed = TRUE)
  }
})

test_that("recipes are drawn, in base graphics and as a ggplot", {
  skip_without_core()
  found <- suppressWarnings(compared())
  file <- tempfile(fileext = ".png")
  expect_identical(lucas_plot_recipes(found, out = file), found$table)
  expect_gt(file.size(file), 1000)
  lucas_plot_recipes(found, width = "single", out = file)
  pdf(NULL, 7, 4)
  on.exit(dev.off())
  expect_identical(plot(found), found)
  expect_error(lucas_plot_recipes(3), "what lucas_compare_recipes\\(\\) returned", class = "lucas_input_error")
  skip_without("ggplot2")
  picture <- ggplot2::autoplot(found)
  expect_s3_class(picture, "ggplot")
  expect_silent(print(picture))
  expect_equal(nrow(picture$data), 6)
})

test_that("a recipe of defaults crosses, and what is wrong is told in R's words", {
  skip_without_core()
  expect_error(lucas_compare_recipes(demo_folder(), list(pilot = list(), b = list(seed = 2)), verbose = FALSE),
               "The recipe b has seed; it takes these arguments of lucas_train\\(\\)", class = "lucas_input_error")
  expect_error(lucas_compare_recipes(demo_folder(), list(a = list()), verbose = FALSE), "at least two.*got a")
})

test_that("recipes are given as names, texts, a file or lists", {
  expect_identical(recipes_argument(c("pilot", "finetune")), list("pilot", "finetune"))
  expect_identical(recipes_argument("~/a.toml"), file_path("~/a.toml"))
  expect_identical(recipes_argument(list("pilot", small = few)),
                   list(pilot = list(recipe = "pilot"), small = few))
  expect_identical(recipes_argument(list(a = "finetune", b = list())),
                   list(a = list(recipe = "finetune"), b = structure(list(), names = character())))
  expect_error(recipes_argument(3), "recipes must be names", class = "lucas_input_error")
  expect_error(recipes_argument(list(few, many)), "name of its own")
  expect_error(recipes_argument(list(a = list(3))), "must be a list of named arguments")
})
