# Functions as the package's own are, except that they give back what would cross to Python.
capturing <- function(formals, ...) {
  overrides <- list(...)
  body <- as.call(c(quote(captured), overrides))
  as.function(c(formals, body), envir = asNamespace("lucashabitat"))
}

test_that("formals are captured by name, with their defaults, in their order", {
  wrapper <- function(x, n = 5, method = "majority", k = NULL) captured()
  environment(wrapper) <- asNamespace("lucashabitat")
  expect_identical(wrapper(1.5), list(x = 1.5, n = 5, method = "majority", k = NULL))
  expect_identical(wrapper(k = 3, x = 2, m = "mean"), list(x = 2, n = 5, method = "mean", k = 3))
})

test_that("they are captured from within other calls, and as they stand then", {
  wrapper <- capturing(alist(x = , n = x + 1))
  expect_identical(wrapper(1), list(x = 1, n = 2))
  indirect <- function(y) identity(list(value = wrapper(y)))
  expect_identical(indirect(7)$value, list(x = 7, n = 8))
  expect_identical(do.call(wrapper, list(3, n = 4)), list(x = 3, n = 4))
  changed <- function(x, n = 2) {
    x <- x * 10
    identity(identity(captured()))
  }
  environment(changed) <- asNamespace("lucashabitat")
  expect_identical(changed(4), list(x = 40, n = 2))
})

test_that("what only R has does not cross", {
  wrapper <- capturing(alist(n = 1, verbose = TRUE, as = "data.frame", filename = ""))
  expect_identical(wrapper(verbose = "not even a flag"), list(n = 1))
  partly <- function(n = 1, width = stop("not looked at")) captured(leave_out = "width")
  environment(partly) <- asNamespace("lucashabitat")
  expect_identical(partly(), list(n = 1))
})

test_that("a missing argument and one that fails give R's own errors", {
  wrapper <- capturing(alist(photos = , n = 1))
  expect_error(wrapper(n = 2), "argument \"photos\" is missing, with no default", fixed = TRUE)
  outer <- function(p) wrapper(p)
  expect_error(outer(), "argument \"p\" is missing, with no default", fixed = TRUE)
  expect_error(wrapper("a.jpg", n = stop("of my own")), "^of my own$")
  error <- tryCatch(lucas_vote(n_such_table), error = identity)
  expect_match(conditionMessage(error), "object 'n_such_table' not found", fixed = TRUE)
  expect_false(inherits(error, "lucas_error"))
})

test_that("each value is converted as its name says", {
  folder <- tempfile("a folder ")
  wrapper <- capturing(alist(
    photos = , points = , cache = TRUE, labels = FALSE, root = NULL, out = "a.csv",
    directions = "N", size = 4, seed = 1, device = "auto"
  ))
  table <- data.frame(point_id = "a", year = 2018)
  crossing <- wrapper("~/a.jpg", table, root = folder)
  expect_identical(crossing$photos, file_path("~/a.jpg"))
  expect_identical(crossing$points, table_argument(table))
  expect_identical(crossing[c("cache", "labels")], list(cache = TRUE, labels = FALSE))
  expect_identical(crossing$root, file_path(folder))
  expect_identical(crossing$out, file_path("a.csv"))
  expect_identical(crossing$directions, "N")
  expect_identical(crossing$size, list(4))
  expect_identical(wrapper(c("a.jpg", "b.jpg"), table)$photos,
                   as.list(file_path(c("a.jpg", "b.jpg"))))
  expect_error(wrapper("a.jpg", 1), "points must be a data.frame, the path", class = "lucas_input_error")
  expect_error(wrapper("a.jpg", table, cache = NA), "cache must be TRUE or FALSE; got NA")
  expect_error(wrapper("a.jpg", table, root = 1), "root must be the name of one folder; got 1")
})

test_that("plain values lose R's own dress: factors, names, NA and lengths", {
  wrapper <- capturing(alist(x = ))
  crossing <- function(x) wrapper(x)$x
  expect_identical(crossing(factor("b", c("a", "b"))), "b")
  expect_identical(crossing(factor(c("b", "a"))), c("b", "a"))
  expect_identical(crossing(c(one = 1)), 1)
  expect_identical(crossing(c(2006, 2018)), c(2006, 2018))
  expect_identical(crossing("a"), "a")
  expect_null(crossing(NA))
  expect_null(crossing(NA_character_))
  expect_null(crossing(NA_real_))
  expect_identical(names(wrapper(NULL)), "x")
})

test_that("NULL is for those whose default it is", {
  wrapper <- capturing(alist(points = , labelled = NULL, closeups = NULL))
  table <- data.frame(point_id = "a")
  expect_identical(wrapper(table)[-1], list(labelled = NULL, closeups = NULL))
  expect_identical(wrapper(table, NULL, TRUE)$closeups, TRUE)
  expect_error(wrapper(NULL), "points must be .* got NULL", class = "lucas_input_error")
  expect_error(wrapper(table, labelled = 1), "labelled must be a data.frame")
  expect_error(capturing(alist(photos = "."))(NULL), "got NULL", class = "lucas_input_error")
})

test_that("a function may convert a name in its own way", {
  wrapper <- capturing(alist(table = NULL, weights = "a.csv", n = 1),
                       table = function(x, name) paste(name, "is", x),
                       weights = function(x, name) scalar(x))
  expect_identical(wrapper("mine"), list(table = "table is mine", weights = "a.csv", n = 1))
  expect_identical(wrapper()$table, NULL)
  expect_identical(capturing(alist(weights = "a.pth"))()$weights, file_path("a.pth"))
})

test_that("every converter serves an argument of a public function", {
  public <- unlist(lapply(names_in_r(), function(name) names(formals(name))))
  expect_setequal(setdiff(names(converters()), public), character())
})

test_that("numbers and files mean in a list of training what they mean in lucas_train()", {
  expect_identical(
    training_argument(list(epochs = 2, weights = "w.pth", target_size = c(224, 224), dropout = NULL)),
    list(epochs = 2, weights = file_path("w.pth"), target_size = 224, dropout = NULL)
  )
  expect_identical(training_argument(list(weights = "imagenet"))$weights, "imagenet")
  expect_error(training_argument(list(cache = NA)), "cache must be TRUE or FALSE")
  expect_error(training_argument(list(2)), "training must be a list of named arguments")
})

test_that("a flag that may be NULL is still a flag", {
  expect_error(lucas_train("a folder", freeze_backbone = NA), "freeze_backbone must be TRUE or FALSE; got NA",
               class = "lucas_input_error")
  expect_error(lucas_pilot("a folder", balanced = "yes"), "balanced must be TRUE or FALSE; got \"yes\"",
               class = "lucas_input_error")
})
