# 00  Photos on disk, or the survey's -> a table of photos with classes, split into train and test.
#
# Rscript 00_get_photos.R [folder of photos] [table of points]
#
# Works on what is on your disk: a folder of photos and, if the folders are not named after classes, a
# table with one row a point and year (CSV: point_id, year, lc1), such as rows of the LUCAS table.
# With LUCAS_SURVEY, a table of the LUCAS survey, it chooses points there and fetches their photos from
# the survey's server into LUCAS_OUT/photos; started again it goes on where it was.
# Without any of these it draws made-up photos, to show that the way works.
# Results go to LUCAS_OUT (default lucas-run), where the next script looks for them.

library(lucashabitat)

arguments <- commandArgs(trailingOnly = TRUE)
given <- function(i, variable) if (length(arguments) >= i) arguments[i] else Sys.getenv(variable)
photos_folder <- given(1, "LUCAS_PHOTOS")
points_table  <- given(2, "LUCAS_POINTS")
survey_table  <- Sys.getenv("LUCAS_SURVEY")
out <- Sys.getenv("LUCAS_OUT", "lucas-run")
test_size   <- 0.4   # share of points to test on; 0.2 will do with thousands of photos
n_per_class <- NULL  # the pilot drew a balanced sample, e.g. 270 photos a class
countries   <- NULL  # with LUCAS_SURVEY: e.g. "DK"
years       <- NULL  # with LUCAS_SURVEY: e.g. c(2015, 2018); NULL takes each point's latest
n_points    <- NULL  # with LUCAS_SURVEY: so many points of each class, e.g. 60; NULL takes all
dir.create(out, showWarnings = FALSE, recursive = TRUE)

if (survey_table != "" && (photos_folder != "" || points_table != "")) {
  stop("Give LUCAS_SURVEY, or a folder of photos and a table of points, not both.")
}
if (survey_table == "" && photos_folder == "") {
  photos_folder <- file.path(out, "photos")
  if (!dir.exists(photos_folder)) lucas_demo_photos(photos_folder, n_points = 100)
}

# The pilot looped over the points, built each address from year, country and id, and downloaded and
# sorted the photos into train/<label>/ and test/<label>/. Those folders, and the survey's own, are
# understood as they are: point, direction and year are read from the file names.
if (survey_table != "") {
  survey <- lucas_survey(survey_table, years = years, countries = countries)
  points <- lucas_select(survey, scheme = "pilot", years = years, n_per_class = n_points, seed = 1)
  photos <- lucas_download(points, file.path(out, "photos"))
  print(table(photos$status))
  photos <- photos[photos$status == "ok", setdiff(names(photos), c("status", "error"))]
  if (nrow(photos) == 0) stop("No photo could be had; see the table above.")
  writeLines(lucas_credit(photos$year))
} else if (points_table == "") {
  photos <- lucas_photos(photos_folder)
} else {
  photos <- lucas_photos(photos_folder, labels = FALSE)
  points <- read.csv(points_table, colClasses = c(point_id = "character"))
  # Joined by key, never by row order.
  row <- match(paste(photos$point_id, photos$year), paste(points$point_id, points$year))
  photos$lc1 <- points$lc1[row]
  # In the pilot: case_when(substr(lc1, 1, 1) == "A" ~ "artificial", ...). The scheme is a table.
  photos <- lucas_habitat(photos, scheme = "pilot")
}

# By point, not by photo: the five views of a point are too alike to stand on both sides.
parts <- lucas_split(photos, test_size = if (anyNA(photos$split)) test_size,
                     n_per_class = n_per_class, seed = 1)

write.csv(rbind(parts$train, parts$test), file.path(out, "photos.csv"), row.names = FALSE)
print(table(c(parts$train$split, parts$test$split),
            unlist(list(parts$train$habitat, parts$test$habitat))))
cat("Photos:", file.path(out, "photos.csv"), "\n")
