# Values of the core as R has them; python/lucas_habitat/bridge/to_r.py writes them.

from_core <- function(x) {
  if (!is.list(x)) return(x)
  if (isTRUE(x$lucas_table)) return(table_from_core(x))
  if (is.character(x$lucas_kind)) {
    return(switch(x$lucas_kind, model = model_from_core(x), network = network_from_core(x),
                  evaluation = evaluation_from_core(x), comparison = comparison_from_core(x),
                  map_accuracy = map_accuracy_from_core(x),
                  recipe_comparison = recipe_comparison_from_core(x),
                  run = run_from_core(x), shared_model = shared_model_from_core(x),
                  split_check = split_check_from_core(x)))
  }
  lapply(x, from_core)
}

table_from_core <- function(table) {
  columns <- lapply(table$columns, column_from_core)
  names(columns) <- as.character(unlist(table$names))
  out <- structure(columns, class = "data.frame", row.names = .set_row_names(table$n))
  if (!is.null(table$row_names)) {
    row.names(out) <- as.character(unlist(table$row_names))
  }
  for (name in names(table$attrs)) attr(out, name) <- table$attrs[[name]]
  out
}

column_from_core <- function(column) {
  x <- unlist(column$values)
  gone <- as.integer(unlist(column$missing))
  if (is.raw(x)) x <- readBin(x, "double", length(x) / 8, endian = "little")
  if (column$kind == "factor") {
    x <- as.integer(x)
    x[gone] <- NA_integer_
    return(structure(x, levels = as.character(unlist(column$levels)), class = "factor"))
  }
  x <- switch(column$kind, text = , date = , time = as.character(x), flag = as.logical(x),
              as.double(x))
  x[gone] <- NA
  switch(column$kind,
    date = as.Date(x),
    time = as.POSIXct(x, format = "%Y-%m-%dT%H:%M:%SZ", tz = "UTC"),
    # R's whole numbers end at 2^31; beyond, a double is exact up to 2^53.
    whole = if (all(abs(x) < 2^31, na.rm = TRUE)) as.integer(x) else x,
    x
  )
}

# Labels as a factor that knows all classes, the model's first, others behind. Without a model a factor
# keeps its levels in their order.
habitat_factor <- function(x, classes = NULL) {
  if (is.factor(x) && is.null(classes)) return(x)
  x <- as.character(x)
  factor(x, levels = c(classes, setdiff(sort(unique(x), method = "radix"), classes)))
}

with_habitat <- function(table, classes = levels(table$predicted)) {
  if (!is.null(table$habitat)) table$habitat <- habitat_factor(table$habitat, classes)
  table
}
