# Values of R as the core takes them; python/lucas_habitat/bridge/from_r.py reads them.

# A vector of length 1 would arrive as a bare value, and one photo or one row is the common case.
as_plain <- function(x) {
  x <- as.vector(x)
  if (length(x) == 1L) list(x) else x
}

# A single value, or NULL where R says nothing or NA, which Python would take for TRUE.
scalar <- function(x) {
  if (is.null(x) || (is.atomic(x) && length(x) == 1L && is.na(x))) return(NULL)
  if (is.factor(x)) x <- as.character(x)
  if (is.character(x)) return(enc2utf8(as.vector(x)))
  if (is.atomic(x) && length(x) != 1L) return(as_plain(x))
  as.vector(x)
}

# What may be several; NULL and NA are none.
several <- function(x) {
  x <- scalar(x)
  if (is.null(x)) list() else x
}

# Whole paths; an address such as "s3://bucket/photos/" or "doi:10.5281/zenodo.1234" is one already.
file_path <- function(x) {
  x <- enc2utf8(x)
  # normalizePath() cuts longer ones, within a letter too, and what is no UTF-8 then ends Python and R.
  too_long <- which(nchar(x, "bytes") > 4000)
  if (length(too_long)) {
    stop_lucas("input", "A path must be shorter than 4,000 bytes; got ",
               substr(x[too_long[1]], 1, 40), "... of ", nchar(x[too_long[1]], "bytes"), ".")
  }
  here <- !grepl("^([a-z][a-z0-9+.-]+://|doi:)", x, ignore.case = TRUE)
  x[here] <- enc2utf8(normalizePath(path.expand(x[here]), mustWork = FALSE))
  x
}

# What a function takes as photos: a table, files, one file or folder, or a pattern.
photos_argument <- function(x) {
  if (is.data.frame(x)) return(table_argument(x))
  if (is.factor(x)) x <- as.character(x)
  if (!is.character(x)) {
    stop_lucas("input", "Photos must be a data.frame, or the names of files or of one folder; ",
               "got ", describe(x), ".")
  }
  if (anyNA(x)) stop_lucas("input", "The name of photo ", which(is.na(x))[1], " is missing (NA).")
  x <- file_path(x)
  if (length(x) == 1L) x else as.list(x)
}

# A table, or the path of one.
table_or_path <- function(x, what) {
  if (is.data.frame(x)) return(table_argument(x))
  if (is.character(x) && length(x) == 1L && !is.na(x)) return(file_path(x))
  stop_lucas("input", what, " must be a data.frame, the path of a .csv or .parquet file, or a run; got ",
             describe(x), ".")
}

table_argument <- function(table, row_names = FALSE) {
  if (anyDuplicated(names(table))) {
    stop_lucas("input", "Column names must be unique; these stand twice: ",
               paste(unique(names(table)[duplicated(names(table))]), collapse = ", "), ".")
  }
  columns <- lapply(names(table), function(name) column_to_core(table[[name]], name))
  kept <- attributes(table)[c("engine", "precision", "method", "calibrated", "sharpness", "lucas_covariates")]
  list(
    lucas_table = TRUE, n = as.double(nrow(table)), names = as.list(enc2utf8(names(table))),
    columns = columns, attrs = if (any(lengths(kept))) kept[lengths(kept) > 0],
    row_names = if (row_names) as.list(enc2utf8(row.names(table)))
  )
}

column_to_core <- function(x, name) {
  if (inherits(x, "integer64")) x <- integer64_text(x)
  if (is.list(x) || is.complex(x) || is.raw(x) || length(dim(x)) > 1L) {
    stop_lucas("input", "The column ", name, " holds ", describe(x), ", which no table of photos ",
               "or points can have. Leave it out, or make it text or numbers.")
  }
  if (inherits(x, "units") && !is.null(UNITS[[name]])) x <- in_unit(x, name, UNITS[[name]])
  # format() keeps 31000000 from becoming "3.1e+07".
  if (name == "point_id" && is.numeric(x)) x <- number_text(x)
  if (name == "path" && is.character(x)) x <- path.expand(x)
  if (is.factor(x)) {
    codes <- as.double(as.integer(x))
    codes[is.na(codes)] <- 0
    return(list(kind = "factor", values = packed(codes),
                levels = as_plain(enc2utf8(levels(x)))))
  }
  gone <- which(is.na(x))
  if (inherits(x, "Date")) {
    return(text_column("date", format(x, "%Y-%m-%d"), gone))
  }
  if (inherits(x, "POSIXt")) {
    return(text_column("time", format(as.POSIXct(x), "%Y-%m-%dT%H:%M:%SZ", tz = "UTC"), gone))
  }
  if (is.logical(x)) {
    x[gone] <- FALSE
    return(list(kind = "flag", values = as_plain(x), missing = as_plain(as.double(gone))))
  }
  if (is.numeric(x)) {
    # NA of an integer is a number in Python, so integers travel as doubles too.
    return(list(kind = if (is.integer(x)) "whole" else "number", values = packed(as.double(x))))
  }
  text_column("text", as.character(x), gone)
}

packed <- function(numbers) writeBin(numbers, raw(), endian = "little")

text_column <- function(kind, text, gone) {
  text[gone] <- ""
  list(kind = kind, values = as_plain(enc2utf8(text)), missing = as_plain(as.double(gone)))
}

number_text <- function(x) {
  text <- format(x, scientific = FALSE, trim = TRUE, digits = 15, drop0trailing = TRUE)
  text[is.na(x)] <- NA_character_
  text
}

# The package bit64 need not be there to read what data.table::fread() left: an integer64 is
# eight bytes dressed as a double.
integer64_text <- function(x) {
  halves <- matrix(readBin(writeBin(as.vector(unclass(x)), raw(), endian = "little"), "integer",
                           2 * length(x), endian = "little"), nrow = 2)
  low <- ifelse(is.na(halves[1, ]), 2^31, halves[1, ] %% 2^32)
  number <- halves[2, ] * 2^32 + low
  # Text only for what may be an id; beyond 2^53 a double would lose digits in silence.
  if (any(abs(number) > 2^53, na.rm = TRUE)) {
    stop_lucas("input", "A column of class integer64 has values beyond 2^53. Make it text first.")
  }
  number_text(number)
}

# A model in Python's memory; taken back there first if this is another session.
model_argument <- function(model) {
  if (is.character(model) && length(model) == 1L && !is.na(model)) return(file_path(model))
  if (!inherits(model, "lucas_model")) {
    stop_lucas("input", "model must be what lucas_train() or lucas_load() returned, or the folder, zip or ",
               "address of a model; got ", describe(model), ".")
  }
  bridge <- python_bridge()
  if (!bridge$has_model(model$id)) {
    call_core("restore_model", list(id = model$id, data = model$bytes))
  }
  list(lucas_model = model$id)
}
