shared_demo <- function(out = tempfile("dk-", fileext = ".zip"), ...) {
  suppressMessages(lucas_share_model(demo_model(), out, licence = "CC-BY-4.0",
                                     authors = c("A. Author", "B. Tester"), ...))
}

page_of <- function(shared) {
  folder <- tempfile("page")
  utils::unzip(shared$file, files = "README.md", exdir = folder)
  readLines(file.path(folder, "README.md"), encoding = "UTF-8")
}

test_that("a model is shared as one zip, with a page and a checksum", {
  skip_without_core()
  test <- lucas_evaluate(demo_predictions())
  shared <- shared_demo(evaluation = test, title = "Demo", description = "Drawn photos.", lucas = FALSE)
  expect_s3_class(shared, "lucas_shared_model")
  expect_output(print(shared), "lucas_classify\\(photos, 'https://<where it lies>/dk-.*#sha256=")
  beside <- strsplit(readLines(paste0(shared$file, ".sha256")), "  ", fixed = TRUE)[[1]]
  expect_identical(beside, c(shared$sha256, basename(shared$file)))
  expect_equal(file.size(shared$file), shared$size)
  page <- page_of(shared)
  expect_match(page, "^license: cc-by-4.0$", all = FALSE)
  expect_match(page, sprintf("overall accuracy|%.3f", test$overall_accuracy), all = FALSE)
  expect_match(page, sprintf("%.3f (95 %% interval %.3f to %.3f)", test$kappa, test$kappa_interval[1],
                             test$kappa_interval[2]), fixed = TRUE, all = FALSE)
  expect_match(page, "^By A\\. Author, B\\. Tester\\.$", all = FALSE)
  expect_no_match(page, "European Union")
})

test_that("several evaluations, from R and from files, stand on the page", {
  skip_without_core()
  photos <- lucas_evaluate(demo_predictions())
  points <- lucas_evaluate(suppressMessages(lucas_vote(demo_predictions())))
  page <- page_of(shared_demo(evaluation = list(photos, points), lucas = FALSE))
  expect_match(page, "points by the vote of their photos", all = FALSE)
  expect_match(page, sprintf("%d photos of", photos$n), all = FALSE)
  expect_error(shared_demo(evaluation = 5), "evaluation must be what lucas_evaluate\\(\\) returned")
  expect_error(shared_demo(evaluation = tempfile(fileext = ".json")), class = "lucas_input_error")
  expect_message(
    lucas_share_model(demo_model(), tempfile(fileext = ".zip"), "CC0-1.0", "A. Author"),
    "No evaluation was given.*lucas_evaluate\\(\\)")
})

test_that("what cannot be shared is refused in one sentence", {
  skip_without_core()
  for (wrong in list(NULL, NA, "", 5, character())) {
    expect_error(lucas_share_model(demo_model(), tempfile(fileext = ".zip"), wrong, "A"),
                 class = "lucas_input_error")
    expect_error(lucas_share_model(demo_model(), tempfile(fileext = ".zip"), "CC0-1.0", wrong),
                 class = "lucas_input_error")
  }
  expect_error(shared_demo("dk.tar"), "out must end in .zip")
  expect_error(lucas_share_model(5, tempfile(fileext = ".zip"), "CC0-1.0", "A"), "model must be")
})

test_that("a shared model is used from where it lies", {
  skip_without_core()
  site <- tempfile("site")
  dir.create(site)
  shared <- shared_demo(file.path(site, "dk.zip"), lucas = FALSE)
  server <- local_server(site)
  on.exit(server$stop())
  address <- paste0(server$base, "/dk.zip")
  columns <- probability_columns(demo_predictions())
  expect_message(model <- lucas_load(address, sha256 = shared$sha256, verbose = FALSE),
                 "was fetched and is kept in .*by A\\. Author, B\\. Tester, licence CC-BY-4.0")
  expect_output(print(model), "shared by    A\\. Author, B\\. Tester; licence CC-BY-4.0")
  expect_null(model$folder)
  pinned <- paste0(address, "#sha256=", shared$sha256)
  server$stop()  # it is in the cache
  for (place in c(address, pinned, shared$file)) {
    expect_equal(lucas_classify(demo_parts()$test, place, verbose = FALSE)[columns],
                 demo_predictions()[columns])
  }
  expect_error(lucas_load(shared$file, sha256 = strrep("0", 64)), "is not the file that was meant")
  expect_error(lucas_load(address, sha256 = 5), "sha256 must be text", class = "lucas_input_error")
  expect_error(lucas_load("http://example.org/dk.zip"), "https address", class = "lucas_input_error")
  expect_error(lucas_load("doi:10.1000/x"), "Of DOIs only Zenodo's", class = "lucas_input_error")
})

test_that("records and repositories are read as the services answer", {
  skip_without_core()
  site <- tempfile("site")
  commit <- strrep("0123456789", 4)
  folders <- file.path(site, c("api/records", "files", "api/models/lab", file.path("lab/dk/resolve", commit)))
  for (folder in folders) dir.create(folder, recursive = TRUE)
  shared <- shared_demo(file.path(folders[2], "dk.zip"), lucas = FALSE)
  utils::unzip(shared$file, exdir = folders[4])
  server <- local_server(site)
  on.exit(server$stop())
  # What R says of the environment holds, though Python runs already.
  Sys.setenv(LUCAS_HABITAT_ZENODO = server$base, HF_ENDPOINT = server$base)
  on.exit(Sys.unsetenv(c("LUCAS_HABITAT_ZENODO", "HF_ENDPOINT")), add = TRUE)
  writeLines(sprintf(
    '{"id": 77, "files": [{"key": "dk.zip", "size": %d, "checksum": "md5:%s", "links": {"self": "%s/files/dk.zip"}}]}',
    as.integer(shared$size), unname(tools::md5sum(shared$file)), server$base
  ), file.path(folders[1], "77"))
  siblings <- sprintf('{"rfilename": "%s", "size": %d}', list.files(folders[4]),
                      as.integer(file.size(list.files(folders[4], full.names = TRUE))))
  writeLines(sprintf('{"id": "lab/dk", "sha": "%s", "siblings": [%s]}', commit, paste(siblings, collapse = ", ")),
             file.path(folders[3], "dk"))
  columns <- probability_columns(demo_predictions())
  for (address in c("doi:10.5281/zenodo.77", "hf://lab/dk")) {
    expect_message(found <- lucas_classify(demo_parts()$test, address, verbose = FALSE),
                   paste0(address, " \\(.*\\) was fetched"))
    expect_equal(found[columns], demo_predictions()[columns])
  }
})
