skip_without_gradio <- function() {
  skip_without_core()
  python_bridge()
  there <- reticulate::py_eval("__import__('importlib.util').util.find_spec('gradio') is not None")
  skip_unless(there, "Gradio is not installed")
}

answers <- function(url) {
  tryCatch({
    con <- url(url, open = "rb")
    on.exit(close(con))
    length(readBin(con, "raw", 100)) > 0
  }, error = function(e) FALSE, warning = function(w) FALSE)
}

test_that("the page runs beside R, and ends when it is told", {
  skip_without_gradio()
  folder <- file.path(tempdir(), "rettelser p\u00e5 \u00f8")
  dir.create(folder)
  expect_message(
    url <- lucas_app(demo_model(), corrections = file.path(folder, "r.csv"),
                     photos = lucas_photos(demo_folder()), language = "da"),
    "The page is at http://127.0.0.1:.*lucas_app_stop\\(\\) ends it", class = "lucas_message"
  )
  expect_match(url, "^http://127\\.0\\.0\\.1:[0-9]+/[A-Za-z0-9_-]{22}/$")
  expect_true(answers(url))
  # Python never replaces what R may be reading; Windows would not let it.
  expect_equal(file.size(file.path(session$app, "session")), 0)
  expect_match(readLines(file.path(session$app, "address"), warn = FALSE), url, fixed = TRUE)
  expect_true(lucas_app_stop())
  wait_until(!answers(url))
  expect_false(lucas_app_stop())
})

test_that("the page ends with the R session, without being told", {
  skip_without_gradio()
  model <- tempfile("model")
  lucas_save(demo_model(), model)
  said <- in_new_session(c(
    sprintf("url <- lucashabitat::lucas_app(%s, open_browser = FALSE)", deparse(model)),
    "cat('ADDRESS', url, '\\n')", "stopifnot(length(readLines(url, 1, warn = FALSE)) == 1)",
    "cat('SERVED\\n')"
  ))
  url <- sub("^ADDRESS (\\S+) .*", "\\1", grep("^ADDRESS", said, value = TRUE))
  expect_length(url, 1)
  expect_true("SERVED" %in% said)
  wait_until(!answers(url))
})

test_that("the page ends when R is killed, terminated or hung up", {
  skip_without_gradio()
  skip_on_os("windows")  # which has no signals; there, too, the pipe closes
  model <- tempfile("model")
  lucas_save(demo_model(), model)
  for (signal in c(tools::SIGKILL, tools::SIGTERM, tools::SIGHUP)) {
    told <- tempfile("told")
    system2(file.path(R.home("bin"), "Rscript"), shQuote(session_file(c(
      sprintf("url <- lucashabitat::lucas_app(%s, open_browser = FALSE)", deparse(model)),
      sprintf("writeLines(c(Sys.getpid(), url), %s)", deparse(paste0(told, "~"))),
      sprintf("file.rename(%s, %s)", deparse(paste0(told, "~")), deparse(told)),
      "Sys.sleep(600)"
    ))), wait = FALSE, stdout = FALSE, stderr = FALSE)
    wait_until(file.exists(told))
    found <- readLines(told)
    expect_true(answers(found[2]))
    tools::pskill(as.integer(found[1]), signal)
    wait_until(!answers(found[2]))
    expect_false(answers(found[2]))
  }
})

test_that("why the page cannot start is said in R's words", {
  skip_without_gradio()
  expect_error(lucas_app(tempfile("none"), open_browser = FALSE),
               "could not be started.*does not exist.*lucas_train\\(\\)", class = "lucas_app_error")
  expect_error(lucas_app(demo_model(), language = "se", open_browser = FALSE), "could not be started")
  expect_error(lucas_app(demo_model(), corrections = "r.xlsx", open_browser = FALSE),
               "must name a .csv file", class = "lucas_app_error")
  expect_error(lucas_app(1), "model must be what lucas_train", class = "lucas_input_error")
  expect_error(lucas_app(open_browser = 1), "open_browser must be TRUE or FALSE")
  expect_false(lucas_app_stop())
})

test_that("a process that ends without a word of its own is noticed, and what it said is shown", {
  skip_without_gradio()
  skip_on_os("windows")
  folder <- tempfile("lucas-app-")
  dir.create(folder)
  file.create(file.path(folder, "session"))
  none <- start_app(folder, character(), python = "/no/such/python")
  expect_error(wait_for_app(folder, none, has_model = TRUE), "could not be started: .*/no/such/python",
               class = "lucas_app_error")
  killed <- start_app(folder, character())
  killed$kill()
  expect_error(wait_for_app(folder, killed, has_model = TRUE), "its process ended with code -9",
               class = "lucas_app_error")
})

test_that("corrections are taken into training", {
  skip_without_core()
  photo <- demo_parts()$train$path[1]
  folder <- tempfile("review")
  dir.create(file.path(folder, "r_photos"), recursive = TRUE)
  file.copy(photo, file.path(folder, "r_photos", "a.jpg"))
  hash <- reticulate::py_eval(
    "lambda p: __import__('hashlib').sha256(open(p, 'rb').read()).hexdigest()")(photo)
  write.csv(data.frame(path = "r_photos/a.jpg", point_id = NA, year = NA, direction = NA,
                       habitat = "woody", split = NA, predicted = "cropland", confidence = 0.5,
                       sha256 = hash, time = "2026-01-01T00:00:00+00:00"),
            file.path(folder, "r.csv"), row.names = FALSE, na = "")
  model <- suppressWarnings(lucas_train(
    demo_parts()$train, corrections = file.path(folder, "r.csv"), arch = "efficientnet_lite0",
    epochs = 1, verbose = FALSE))
  counts <- unlist(model$card$training$corrections)
  expect_equal(sum(counts), 1)
  expect_equal(sum(counts[c("replaced", "confirmed")]), 1)
})
