# torch and torchvision, which must be of one build: both from one source.

# Where to look, the best first: each an index, and whether to look there alone. NULL is what pip is set up to.
torch_sources <- function(gpu = FALSE, torch_index = "auto", system = Sys.info()[["sysname"]],
                          card = nvidia_card()) {
  if (!(is.logical(gpu) || is.character(gpu)) || length(gpu) != 1L || is.na(gpu)) {
    stop_lucas("input", "gpu must be TRUE, FALSE or a build such as \"cu126\"; got ",
               describe(gpu), " instead.")
  }
  default <- list(index = NULL, alone = FALSE)
  if (is.null(torch_index)) return(list(default))
  if (!identical(torch_index, "auto")) {
    # A mirror may hold the pair without what both need.
    return(list(list(index = torch_index, alone = TRUE), list(index = torch_index, alone = FALSE)))
  }
  if (system == "Darwin") return(list(default))  # one build for all
  build <- if (is.character(gpu)) gpu else if (!gpu) "cpu" else if (card$is_old) "cu126" else "cu130"
  own <- list(index = paste0("https://download.pytorch.org/whl/", build), alone = TRUE)
  # On Linux pip's default is the build for the newest CUDA.
  if (isTRUE(gpu) && system == "Linux" && !card$is_old) return(list(default, own))
  if (is.character(gpu)) list(own) else list(own, default)
}

# Whether the NVIDIA card or its driver is too old for CUDA 13, which is what builds are for today.
nvidia_card <- function(program = Sys.which("nvidia-smi")) {
  told <- if (nzchar(program)) tryCatch(
    suppressWarnings(system2(program, c("--query-gpu=compute_cap,driver_version", "--format=csv,noheader"),
                             stdout = TRUE, stderr = FALSE)),
    error = function(error) character()
  )
  told <- grep("^ *[0-9.]+ *, *[0-9.]+", told, value = TRUE)
  capability <- as.numeric(sub(",.*", "", told))
  driver <- as.numeric(sub("^[^,]*, *([0-9]+).*", "\\1", told))
  list(is_old = any(capability < 7.5 | driver < 580))
}

# Installs the pair from the first source that has one; gives the pins that hold it, and where it is from.
install_torch <- function(python, sources, gpu, verbose) {
  present <- installed_pair(python)
  if (is_one_build(present, gpu)) {
    return(list(pins = pins_of(present), text = paste(pins_of(present), collapse = " and ")))
  }
  for (source in sources) {
    pair <- find_pair(python, source, gpu)
    if (!is.null(pair)) break
  }
  if (is.null(pair)) {
    stop_lucas("install", "No torch and torchvision of one build were found ", paste(vapply(
      sources, source_text, ""), collapse = ", nor "), ". Name a source that has both: ",
      "lucas_install(torch_index = \"https://...\"); behind a proxy, set HTTPS_PROXY.")
  }
  text <- paste0("torch ", pair[["torch", "version"]], " and torchvision ", pair[["torchvision", "version"]],
                 " come from ", unique_text(vapply(pair[, "url"], origin_of, "")))
  if (!identical(source, sources[[1]])) {
    text <- paste0(text, ", because they were not found ", source_text(sources[[1]]))
  }
  message(text, ".")
  with_variables(variables_for(source), run_pip(python, pins_of(pair), flags_for(source), verbose))
  list(pins = pins_of(pair), text = text)
}

# The pair that pip would take from a source, as rows torch and torchvision with version and url; NULL if that
# cannot be of one build. The versions fit, because torchvision names the torch it is made for.
find_pair <- function(python, source, gpu) {
  pair <- resolved_pair(python, source)
  if (is.null(pair) || source$alone || is_one_build(pair, gpu)) return(pair)
  # Both in the build of the one, or of the other; === takes 2.14.1 and not 2.14.1+cpu.
  version <- stats::setNames(sub("[+].*", "", pair[, "version"]), rownames(pair))
  build <- stats::setNames(sub("^[^+]*", "", pair[, "version"]), rownames(pair))
  for (pins in list(c("torchvision", paste0("torch===", version["torch"], build["torchvision"])),
                    c(paste0("torchvision===", version["torchvision"], build["torch"]), "torch"))) {
    pair <- resolved_pair(python, source, pins)
    if (!is.null(pair) && is_one_build(pair, gpu)) return(pair)
  }
  NULL
}

resolved_pair <- function(python, source, pins = c("torchvision", "torch")) {
  report <- tempfile(fileext = ".json")
  on.exit(unlink(report))
  arguments <- c("--dry-run", "--ignore-installed", "--retries", "1", "--report", report, flags_for(source))
  is_resolved <- with_variables(variables_for(source), tryCatch({
    run_pip(python, pins, arguments, verbose = FALSE)
    TRUE
  }, lucas_install_error = function(error) FALSE))
  if (is_resolved && file.exists(report)) pair_in(report)
}

# The pair in pip's report: where its wheels come from, whose names tell the versions.
pair_in <- function(report) {
  text <- paste(readLines(report, warn = FALSE, encoding = "UTF-8"), collapse = " ")
  urls <- regmatches(text, gregexpr("\"url\": *\"[^\"]*/torch(vision)?-[^\"/]*[.]whl", text))[[1]]
  urls <- sub("^\"url\": *\"", "", urls)
  parts <- strsplit(utils::URLdecode(basename(urls)), "-", fixed = TRUE)
  pair <- cbind(version = vapply(parts, `[`, "", 2), url = urls)
  rownames(pair) <- vapply(parts, `[`, "", 1)
  if (setequal(rownames(pair), c("torch", "torchvision"))) pair
}

installed_pair <- function(python) {
  code <- "from importlib.metadata import version as v; print(v('torchvision')); print(v('torch'))"
  version <- suppressWarnings(system2(python, c("-c", shQuote(code)), stdout = TRUE, stderr = FALSE,
                                      env = if (.Platform$OS.type != "windows") own_environment()))
  if (length(version) == 2L) cbind(version = c(torchvision = version[1], torch = version[2]))
}

# Whether both are of one build, and of the one that was asked for.
is_one_build <- function(pair, gpu) {
  if (is.null(pair)) return(FALSE)
  build <- unique(sub("^[^+]*[+]?", "", pair[, "version"]))
  length(build) == 1L && (if (is.character(gpu)) build == gpu else !gpu || build != "cpu")
}

pins_of <- function(pair) paste0(rownames(pair), "===", pair[, "version"])

flags_for <- function(source) if (!is.null(source$index)) c("--index-url", source$index)

# What pip is set up to look at besides; a blank is what overrules its files, an empty text is not.
variables_for <- function(source) if (source$alone) c(PIP_EXTRA_INDEX_URL = " ", PIP_FIND_LINKS = " ")

source_text <- function(source) {
  if (is.null(source$index)) return("where pip looks by default")
  paste0("at ", source$index, if (!source$alone) " or where pip looks besides")
}

origin_of <- function(url) if (grepl("^https?:", url)) sub("^(https?://[^/]+/).*", "\\1", url) else dirname(url)

unique_text <- function(x) paste(unique(x), collapse = " and ")

with_variables <- function(variables, code) {
  if (length(variables)) {
    before <- Sys.getenv(names(variables), NA, names = TRUE)
    do.call(Sys.setenv, as.list(variables))
    on.exit({
      Sys.unsetenv(names(before)[is.na(before)])
      if (any(!is.na(before))) do.call(Sys.setenv, as.list(before[!is.na(before)]))
    })
  }
  code
}
