# How the arguments of a public function become those of the core's function of the same purpose.

# In what the core takes distances and times, by the names of arguments and columns.
UNITS <- list(
  radius = "m", max_distance = "m", near = "km", block = "km", buffer = "km", breaks = "km",
  minutes = "min", timeout = "s",
  x = "m", y = "m", easting = "m", northing = "m", obs_dist = "m",
  lon = "degree", lat = "degree", longitude = "degree", latitude = "degree"
)

# Arguments that only R has: how to show progress, and in what form to give the result.
R_ONLY <- c("verbose", "as", "filename")

# The arguments of the function that calls this, named as there and in the form that call_core() takes,
# so that a wrapper names each argument once: as its formal. A formal whose default is NULL may be NULL.
# Converters given here by name replace those of the table below, where a name means another thing.
captured <- function(..., leave_out = NULL) {
  frame <- parent.frame()
  formals <- formals(sys.function(sys.parent()))
  formals <- formals[setdiff(names(formals), c(R_ONLY, leave_out))]
  converters <- utils::modifyList(converters(), list(...))
  arguments <- lapply(names(formals), function(name) {
    value <- get(name, envir = frame, inherits = FALSE)
    if (is.null(value) && is.null(formals[[name]])) NULL else converted(value, name, converters)
  })
  stats::setNames(arguments, names(formals))
}

converted <- function(value, name, converters) {
  if (inherits(value, c("units", "difftime"))) value <- in_unit(value, name, UNITS[[name]])
  check_data(value, name)
  convert <- converters[[name]]
  if (is.null(convert)) scalar(value) else convert(value, name)
}

# A number of the package units, or a time, as a plain number of the unit that its name stands for.
in_unit <- function(x, name, unit) {
  need_package("units", "numbers with units")
  x <- units::as_units(x)
  if (is.null(unit)) {
    stop_lucas("input", name, " must be without units; got ", units::deparse_unit(x),
               ". as.numeric() takes them off.")
  }
  tryCatch(as.numeric(units::set_units(x, unit, mode = "standard")), error = function(error) {
    stop_lucas("input", name, " must be in ", unit, " or a unit that can be converted to it; got ",
               units::deparse_unit(x), ".")
  })
}

# By an argument's name, what makes of its value what crosses to Python, called with value and name. An
# argument that is not named here is a plain value: a number, a word, or several, as scalar() takes
# them.
converters <- function() {
  nameless <- function(convert) function(value, name) convert(value)
  list(
    again = check_flag, balanced = check_flag, cache = check_flag, closeups = check_flag,
    codes = check_flag, confirmed = check_flag,
    field_only = check_flag, flag_unlike = check_flag, freeze_backbone = check_flag, labels = check_flag,
    new_classes = check_flag, overwrite = check_flag, per_class = check_flag, regroup = check_flag, remove = check_flag, retry = check_flag,
    right = check_flag,
    key = check_file_name, out = check_file_name,
    checkpoints = check_folder_name, folder = check_folder_name, root = check_folder_name,
    column = column_argument, id = column_argument, reference = column_argument,
    areas = table_or_path, corrections = table_or_path, labelled = table_or_path, points = table_or_path,
    predictions = table_or_path, table = table_or_path,
    photos = nameless(photos_argument), source = nameless(photos_argument),
    validation = nameless(photos_argument),
    columns = nameless(several), directions = nameless(several), size = nameless(as_plain),
    class_shares = nameless(class_shares_argument), confusion = nameless(confusion_argument),
    authors = nameless(several), evaluation = evaluation_argument,
    crs = nameless(crs_argument), legend = nameless(legend_argument), levels = nameless(levels_argument),
    model = nameless(model_argument), new_shares = new_shares_argument,
    recipes = nameless(recipes_argument), scheme = nameless(scheme_argument),
    sites = nameless(sites_argument), survey = nameless(survey_argument),
    target_size = nameless(target_size_argument), training = nameless(training_argument),
    weights = nameless(weights_argument)
  )
}

# Two equal numbers will do, as in keras; the core refuses unequal ones.
target_size_argument <- function(x) scalar(if (length(x) == 2L) unique(x) else x)

# A file's whole path; "imagenet" and NULL as they are.
weights_argument <- function(x) {
  if (is.character(x) && length(x) == 1L && !is.na(x) && x != "imagenet") return(file_path(x))
  scalar(x)
}

# A column by its name, or as many values as the table has rows.
column_argument <- function(x, name) {
  if (is.data.frame(x)) return(table_argument(x))
  if (length(x) < 2L || !is.atomic(x) || !is.null(dim(x))) return(scalar(x))
  table_argument(stats::setNames(data.frame(x, stringsAsFactors = FALSE), name))
}
