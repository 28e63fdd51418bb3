test_that("a report is one page with its numbers beside it", {
  skip_without_core()
  folder <- tempfile("mit sted ")
  dir.create(folder)
  page <- lucas_report(demo_predictions(), file.path(folder, "r.html"), model = demo_model(),
                       title = "M\u00f8n <1>")
  expect_identical(basename(page), "r.html")
  text <- paste(readLines(page, encoding = "UTF-8", warn = FALSE), collapse = "\n")
  expect_match(text, "<h1>M\u00f8n &lt;1&gt;</h1>", fixed = TRUE)
  expect_false(grepl("<script|https?://[^ ]*\\.(js|css)", text))
  expect_match(text, "What was trained on what")
  gain <- utils::read.csv(file.path(folder, "r_data", "reliability.csv"))
  expect_equal(sum(gain$n), sum(demo_predictions()$status == "ok"))
})

test_that("a report needs predictions and an .html file", {
  skip_without_core()
  expect_error(lucas_report(data.frame(a = 1), tempfile(fileext = ".html")), "p_<class>",
               class = "lucas_input_error")
  expect_error(lucas_report(demo_predictions(), tempfile(fileext = ".pdf")), "must end in .html",
               class = "lucas_input_error")
  expect_error(lucas_report(1), "predictions must be a data.frame", class = "lucas_input_error")
})
