test_that("folders become a photo table of plain columns", {
  skip_without_core()
  photos <- lucas_photos(demo_folder())
  expect_identical(class(photos), "data.frame")
  expect_identical(names(photos)[1:6], c("path", "point_id", "year", "direction", "habitat", "split"))
  expect_type(photos$point_id, "character")
  expect_type(photos$year, "integer")
  expect_identical(levels(photos$habitat), c("artificial", "cropland", "grassland", "woody"))
  expect_true(all(file.exists(photos$path)))
  expect_identical(photos$split, rep(NA_character_, nrow(photos)))
  expect_true(all(is.na(lucas_photos(demo_folder(), labels = FALSE)$habitat)))
})

test_that("a vector, a pattern, a table and its file list the same photos", {
  skip_without_core()
  photos <- lucas_photos(demo_folder())
  expect_equal(lucas_photos(photos$path)$path, photos$path)
  expect_equal(lucas_photos(file.path(demo_folder(), "*", "*.jpg"))$point_id, photos$point_id)
  expect_equal(lucas_photos(photos[c("path", "habitat")])$point_id, photos$point_id)
  file <- tempfile(fileext = ".csv")
  utils::write.csv(photos[c("path", "habitat")], file, row.names = FALSE)
  expect_equal(lucas_photos(file)$year, photos$year)
  expect_error(lucas_photos(data.frame(path = "../x.jpg"), root = demo_folder()), "as root, or")
})

test_that("HEIC photos are read, or say what to install", {
  skip_without_core()
  skip_unless(reticulate::py_module_available("pillow_heif"), "pillow-heif is not installed")
  folder <- tempfile("iPhone ")
  dir.create(folder)
  jpeg <- lucas_photos(demo_folder())
  jpeg <- jpeg[which(jpeg$direction == "N")[1], ]
  reticulate::py_run_string("
def write_heic(source, path):
    import pillow_heif
    from PIL import Image
    pillow_heif.from_pillow(Image.open(source)).save(path, quality=95)
def hide_pillow_heif():
    import sys
    sys.modules['pillow_heif'] = None
def find_pillow_heif():
    import sys
    del sys.modules['pillow_heif']
")
  file <- file.path(folder, sub("jpg$", "HEIC", basename(jpeg$path)))
  reticulate::py$write_heic(jpeg$path, file)
  photos <- lucas_photos(folder)
  expect_identical(photos$point_id, jpeg$point_id)
  same <- lucas_classify(jpeg$path, demo_model(), verbose = FALSE)
  found <- lucas_classify(photos, demo_model(), verbose = FALSE)
  expect_identical(found$status, "ok")
  expect_equal(found$confidence, same$confidence, tolerance = 0.1)
  expect_identical(found$predicted, same$predicted)
  reticulate::py$hide_pillow_heif()
  on.exit(reticulate::py$find_pillow_heif())
  expect_warning(found <- lucas_classify(photos, demo_model(), verbose = FALSE),
                 "1 photos cannot be read[.].*lucas_install\\(heic = TRUE\\)")
  expect_identical(found$status, "unreadable")
  expect_match(found$error, "need pillow-heif")
  expect_identical(nrow(lucas_photos(folder)), 1L)
})

test_that("codes become classes by the pilot's scheme and by one's own", {
  skip_without_core()
  plots <- data.frame(plot = 1:5, lc1 = c("A21", "b11", "E20 ", "C10", NA))
  found <- suppressMessages(lucas_habitat(plots))
  expect_identical(as.character(found$habitat), c("artificial", "cropland", "grassland", "woody", NA))
  mine <- c(A = "built up", B = "arable", C = NA, E = "arable")
  found <- suppressMessages(lucas_habitat(plots, scheme = mine))
  expect_identical(levels(found$habitat), c("arable", "built up"))
  expect_identical(as.character(found$habitat), c("built up", "arable", "arable", NA, NA))
  table <- rbind(lucas_scheme(), data.frame(code = "E20", class = "woody"))
  expect_identical(as.character(suppressMessages(lucas_habitat(plots, table))$habitat)[3], "woody")
  names(plots)[2] <- "code"
  expect_error(lucas_habitat(plots), "needs the column lc1")
  expect_identical(as.character(suppressMessages(lucas_habitat(plots, "level1", column = "code"))$habitat),
                   c("A", "B", "E", "C", NA))
})

test_that("the nomenclature has its 76 codes", {
  skip_without_core()
  expect_equal(nrow(lucas_codes()), 76)
  expect_true(anyNA(lucas_scheme()$class))
})

test_that("no point stands on both sides of a split", {
  skip_without_core()
  photos <- lucas_photos(demo_folder())
  parts <- lucas_split(photos, test_size = 0.4, seed = 1)
  expect_named(parts, c("train", "test"))
  expect_length(intersect(parts$train$point_id, parts$test$point_id), 0)
  expect_equal(nrow(parts$train) + nrow(parts$test), nrow(photos))
  expect_identical(levels(parts$train$habitat), levels(parts$test$habitat))
  expect_identical(parts, lucas_split(photos, test_size = 0.4, seed = 1))
  made <- data.frame(path = paste0(1:40, ".jpg"), point_id = as.character(rep(1:10, each = 4)),
                     habitat = rep(c("cropland", "woody"), each = 20))
  balanced <- lucas_split(made, n_per_class = 10, test_size = 0.4)
  expect_equal(as.vector(table(balanced$train$habitat) + table(balanced$test$habitat)), c(10, 10))
})

test_that("photos that came split stay so, unless regrouped", {
  skip_without_core()
  parts <- demo_parts()
  both <- rbind(parts$train, parts$test)
  expect_message(again <- lucas_split(both, test_size = 0.3), "regroup = TRUE splits them anew")
  expect_setequal(again$test$path, parts$test$path)
  expect_silent(lucas_split(both, test_size = 0.4, regroup = TRUE, seed = 7))
})

test_that("photos in shards and on web servers are those of the folder", {
  skip_without_core()
  photos <- lucas_photos(demo_folder())
  photos <- photos[which(photos$direction %in% c("N", "E"))[1:6], ]
  folder <- tempfile("places ")
  dir.create(folder)
  file.copy(photos$path, folder)
  old <- setwd(folder)
  on.exit(setwd(old))
  utils::tar("photos.tar", list.files(pattern = "jpg$"), tar = "internal")
  reticulate::py_run_string("
def serve(folder):
    import functools, http.server, threading
    handler = type('Quiet', (http.server.SimpleHTTPRequestHandler,), {'log_message': lambda *given: None})
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
")
  base <- paste0("http://127.0.0.1:", reticulate::py$serve(folder), "/")
  here <- lucas_photos(folder, labels = FALSE)
  names <- basename(here$path)
  utils::write.csv(data.frame(path = c(names, "gone.jpg")), file.path(folder, "t.csv"), row.names = FALSE)

  shard <- lucas_photos("photos.tar")
  expect_identical(sort(sub(".*photos[.]tar::", "", shard$path)), names)
  expect_identical(normalizePath(sub("::.*", "", shard$path[1])), normalizePath("photos.tar"))
  web <- lucas_photos(paste0(base, "t.csv"))
  expect_identical(web$path, paste0(base, c(names, "gone.jpg")))
  expect_identical(web$point_id[1:6], here$point_id)
  expect_identical(lucas_photos(web$path)$path, web$path)

  classified <- function(photos) {
    table <- suppressMessages(lucas_classify(photos, demo_model(), verbose = FALSE))
    rownames(table) <- NULL
    table[order(sub(".*(/|::)", "", table$path)), setdiff(names(table), c("path", "error"))]
  }
  expected <- classified(here)
  expect_equal(classified(shard), expected, ignore_attr = TRUE)
  expect_equal(classified(web[1:6, ]), expected, ignore_attr = TRUE)
  gone <- suppressMessages(lucas_classify(paste0(base, "gone.jpg?token=secret"), demo_model(), verbose = FALSE))
  expect_identical(gone$status, "missing")
  expect_no_match(gone$error, "secret")
  expect_error(lucas_photos("http://example.org/t.csv"), "must be https")
})
