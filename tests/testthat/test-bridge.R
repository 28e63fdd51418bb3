# Every row of the two tables in the facts about the bridge, and the speed of a crossing.

test_that("counts typed as 5 reach Python as whole numbers", {
  skip_without_core()
  expect_equal(reticulate::py_eval("__import__('lucas_habitat.bridge.from_r').bridge.from_r.value_from_r")(5), 5L)
  expect_type(reticulate::py_eval("__import__('lucas_habitat.bridge.from_r').bridge.from_r.value_from_r")(5), "integer")
  # range() refuses 2.0; n_points = 4 and epochs = 2 work without an L
  expect_equal(nrow(suppressWarnings(lucas_train(
    demo_parts()$train, arch = "efficientnet_lite0", epochs = 2, batch_size = 8,
    target_size = c(224, 224), verbose = FALSE))$history), 2)
})

test_that("a vector of length 1 is a list in Python", {
  skip_without_core()
  expect_equal(seen_by_python(as_plain("a")), "['a']")
  expect_equal(seen_by_python(as_plain(c("a", "b"))), "['a', 'b']")
  expect_equal(seen_by_python(as_plain(character())), "[]")
  expect_equal(nrow(lucas_photos(list.files(demo_folder(), full.names = TRUE, recursive = TRUE)[1])), 1)
})

test_that("NA as an argument is nothing, not True", {
  skip_without_core()
  expect_equal(seen_by_python(scalar(NA)), "None")
  expect_equal(seen_by_python(scalar(NA_character_)), "None")
  expect_equal(seen_by_python(scalar(NULL)), "None")
})

test_that("missing text is missing in Python, not 'NA'", {
  skip_without_core()
  table <- data.frame(a = c("x", NA, "NA", ""))
  expect_identical(there_and_back(table), table)
  expect_error(lucas_classify(c("a.jpg", NA), demo_model()), "The name of photo 2 is missing",
               class = "lucas_input_error")
})

test_that("missing integers are missing, not -2147483648", {
  skip_without_core()
  table <- data.frame(a = c(1L, NA, -3L), b = c(1.5, NA, Inf))
  expect_identical(there_and_back(table), table)
})

test_that("factors arrive as labels and keep all levels", {
  skip_without_core()
  table <- data.frame(predicted = factor(c("b", NA), levels = c("a", "b", "c")),
                      habitat = factor(c("b", NA), levels = c("a", "b", "c")))
  back <- there_and_back(table)
  expect_identical(back$predicted, table$predicted)
  expect_identical(back$habitat, c("b", NA))  # the core keeps labels as text
  expect_identical(habitat_factor(back$habitat, levels(back$predicted)), table$habitat)
})

test_that("dates and times survive, with missing ones", {
  skip_without_core()
  table <- data.frame(
    day = as.Date(c("2018-05-01", NA)),
    time = as.POSIXct(c("2018-05-01 12:30:00", NA), tz = "UTC")
  )
  expect_identical(there_and_back(table), table)
})

test_that("paths are expanded in R, whose home is not always Python's", {
  skip_without_core()
  expect_equal(file_path("~/nothing.here"), normalizePath(path.expand("~/nothing.here"),
                                                          mustWork = FALSE))
  expect_equal(table_argument(data.frame(path = "~/a.jpg"))$columns[[1]]$values,
               list(path.expand("~/a.jpg")))
  expect_error(lucas_photos("~/nothing.here"), "There is no .*nothing.here")
})

test_that("numeric ids keep their digits", {
  skip_without_core()
  table <- data.frame(point_id = c(31000000, 3.1e7 + 1, NA), year = 2018)
  expect_equal(there_and_back(table)$point_id, c("31000000", "31000001", NA))
  photos <- lucas_photos(data.frame(path = "a.jpg", point_id = 31000000))
  expect_equal(photos$point_id, "31000000")
})

four_bytes <- function(x) {
  if (x == -2^31) as.raw(c(0, 0, 0, 0x80)) else writeBin(as.integer(x), raw(), endian = "little")
}

test_that("integer64 is read without the package bit64", {
  skip_without_core()
  # What data.table::fread() leaves: 31000000, 2^31, 2^40 and NA as eight bytes each.
  low <- c(31000000, -2^31, 0, 0)
  high <- c(0, 0, 2^8, -2^31)
  bytes <- unlist(Map(function(a, b) c(four_bytes(a), four_bytes(b)), low, high))
  ids <- structure(readBin(bytes, "double", 4, endian = "little"), class = "integer64")
  expect_equal(integer64_text(ids), c("31000000", "2147483648", "1099511627776", NA))
  table <- structure(list(point_id = ids), class = "data.frame", row.names = c(NA, -4L))
  expect_equal(there_and_back(table)$point_id, integer64_text(ids))
})

test_that("whole numbers beyond 2^31 arrive as doubles, never as 0", {
  skip_without_core()
  table <- data.frame(a = c(2^40, 1), b = c(TRUE, NA), row.names = c("x", "y"))
  expect_identical(there_and_back(table, row_names = TRUE), table)
  to_r <- reticulate::py_eval("__import__('lucas_habitat.bridge.to_r').bridge.to_r.value_to_r")
  expect_identical(to_r(list(a = 2^40, b = NULL, c = list(1, "x"))),
                   list(a = 2^40, b = NULL, c = list(1, "x")))
  expect_identical(reticulate::py_eval("__import__('lucas_habitat.bridge.to_r').bridge.to_r.value_to_r(2**40)"), 2^40)
})

test_that("no tuple, Path, numpy value or str subclass crosses", {
  skip_without_core()
  made <- reticulate::py_eval(paste0(
    "__import__('lucas_habitat.bridge.to_r').bridge.to_r.value_to_r({'t': (1, 2), 'p': __import__('pathlib')",
    ".Path('x'), 'n': __import__('numpy').float32(0.5), 's': type('S', (str,), {})('v')})"))
  expect_identical(made, list(t = c(1L, 2L), p = "x", n = 0.5, s = "v"))
})

test_that("empty tables and single rows keep their columns", {
  skip_without_core()
  table <- data.frame(a = "x", b = 1, c = TRUE, predicted = factor("u", c("u", "v")),
                      d = as.Date("2020-01-02"), e = 1L)
  expect_identical(there_and_back(table), table)
  expect_identical(names(there_and_back(table[0, ])), names(table))
  expect_equal(nrow(there_and_back(table[0, ])), 0)
})

test_that("letters of all kinds cross, in names and values", {
  skip_without_core()
  table <- structure(list(c("gr\u00f8n", "\u0142\u0105ka"), c(1, 2)),
                     names = c("\u00e6ble", "x y"), class = "data.frame", row.names = 1:2)
  expect_identical(there_and_back(table), table)
  latin <- "gr\xf8n"
  Encoding(latin) <- "latin1"
  expect_identical(there_and_back(data.frame(a = latin))$a, "gr\u00f8n")
})

test_that("what no table can hold is refused by name", {
  skip_without_core()
  bad <- data.frame(a = 1:2)
  bad$deep <- list(1, 2)
  expect_error(table_argument(bad), "The column deep holds list of length 2",
               class = "lucas_input_error")
  expect_error(table_argument(structure(list(1, 2), names = c("a", "a"), class = "data.frame",
                                        row.names = 1L)), "stand twice: a")
})

test_that("ten times as many rows take ten times as long to cross, not a hundred", {
  skip_without_core()
  set.seed(1)
  n <- 200000
  table <- data.frame(
    path = paste0("/photos/", seq_len(n), ".jpg"), point_id = as.character(4e7 + seq_len(n)),
    year = rep(2018L, n), direction = sample(c("N", "E", NA), n, TRUE),
    habitat = sample(letters[1:4], n, TRUE),
    predicted = factor(sample(letters[1:4], n, TRUE)), confidence = runif(n), p_a = runif(n),
    p_b = runif(n), p_c = runif(n), calibrated = TRUE, status = "ok"
  )
  python_bridge()
  reticulate::py_run_string(paste(
    "from lucas_habitat.bridge.from_r import table_from_r",
    "from lucas_habitat.bridge.to_r import table_to_r", "kept = {}",
    "def keep(t): kept['t'] = table_from_r(t)", "def give(): return table_to_r(kept['t'])",
    sep = "\n"))
  few <- table[seq_len(n / 10), ]
  there_few <- cpu_seconds(reticulate::py$keep(table_argument(few)))
  back_few <- cpu_seconds(table_from_core(reticulate::py$give()))
  there <- cpu_seconds(reticulate::py$keep(table_argument(table)))
  back <- cpu_seconds(table_from_core(reticulate::py$give()))
  message(sprintf("200,000 x 12: %.2f s to Python, %.2f s to R", there, back))
  expect_identical(table_from_core(reticulate::py$give()), table)
  # A hundredth of a second is as fine as some systems tell it.
  expect_lt(back, 30 * max(back_few, 0.01))
  expect_lt(there, 30 * max(there_few, 0.01))
})

test_that("R's BLAS does not take the place of torch's", {
  skip_without_core()
  demo_predictions()
  # The reference BLAS takes 35 times as long as torch's own.
  code <- c(
    "import time, torch", "x, w = torch.ones(1093, 1280), torch.ones(1280, 1024)", "took = []",
    "for _ in range(5):", "    start = time.process_time(); x @ w",
    "    took.append(time.process_time() - start)", "fastest = min(took)")
  here <- reticulate::py_run_string(paste(code, collapse = "\n"))$fastest
  file <- tempfile(fileext = ".py")
  writeLines(c(code, "print(fastest)"), file)
  alone <- as.numeric(system2(reticulate::py_config()$python, shQuote(file), stdout = TRUE))
  expect_lt(here, 8 * alone)
})
