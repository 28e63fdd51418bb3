#' Try a model in the browser
#'
#' Opens a page on this computer to drop photos into: one, the five of a point, or a zip of points. It
#' shows each photo's class probabilities, the vote of a point's photos, where the model looked
#' (Grad-CAM), the most similar training photos, and a warning where a photo is unlike anything in
#' training. A label that is wrong can be corrected; corrected photos are kept in a review table, which
#' [lucas_train()] takes as `corrections`.
#'
#' The page runs in a process of its own, so the console stays free. It is served to this computer
#' only, to who knows its whole address (its path is drawn anew each time), and needs no network. It ends
#' with `lucas_app_stop()`, and with the R session, also where that is killed. It was tried on Linux; on Windows and
#' macOS it is made to work in the same way, but was not run.
#'
#' What was dropped and not corrected is deleted with the next drop, when its tab is closed, and at the
#' latest when the page ends. A process that is killed cannot do so: the next start, a minute later or
#' more, deletes what it left.
#'
#' @param model What [lucas_train()] or [lucas_load()] returned, or a folder, zip or address that
#'   [lucas_load()] takes. `NULL` means a demo model, trained on drawn photos at first use (a minute or
#'   two) and kept in the cache.
#' @param port Of 127.0.0.1, 1024 to 65535; `NULL` is the first free one from 7860.
#' @param corrections The review table, a `.csv` file; it is made with the first correction, its photos
#'   beside it.
#' @param photos The training photos (a photo table, a folder or the file of a table), to show the similar ones, and to
#'   know test points: corrections of these never enter training. Or `NULL`.
#' @param language What the page speaks at first, `"en"` or `"da"`; it has a switch.
#' @param open_browser Whether the page is opened in the browser, where R is used interactively.
#'
#' @return `lucas_app()`: the page's address, invisibly. `lucas_app_stop()`: whether there was a page to
#'   end, invisibly.
#' @references
#' Selvaraju, R. R. et al. (2017). Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
#' Localization. ICCV. \doi{10.1109/ICCV.2017.74}
#' @examples
#' \dontrun{
#' lucas_app(model)
#' lucas_app_stop()
#' model <- lucas_train("photos.csv", corrections = "corrections.csv")
#' }
#' @export
lucas_app <- function(model = NULL, port = NULL, corrections = "corrections.csv", photos = NULL,
                      language = "en", open_browser = TRUE) {
  check_flag(open_browser, "open_browser")
  arguments <- c(
    "--corrections", check_file_name(corrections, "corrections"),
    "--language", as.character(scalar(language)),
    if (!is.null(port)) c("--port", number_text(scalar(port))),
    if (!is.null(photos) && !is.data.frame(photos)) c("--photos", check_file_name(photos, "photos"))
  )
  table <- if (is.data.frame(photos)) lucas_photos(photos)
  lucas_app_stop()
  # The page ends when its folder is gone, which R removes with all its temporary files when it ends,
  # without signals, which Windows lacks; and when the pipe that start_app() makes closes.
  folder <- tempfile("lucas-app-")
  dir.create(folder)
  session_file <- file.path(folder, "session")
  file.create(session_file)
  if (!is.null(table)) {
    file <- file.path(folder, "photos.csv")
    utils::write.csv(table, file, row.names = FALSE, na = "", fileEncoding = "UTF-8")
    arguments <- c(arguments, "--photos", file)
  }
  if (inherits(model, "lucas_model")) {
    lucas_save(model, file.path(folder, "model"))
    arguments <- c("--model", file.path(folder, "model"), arguments)
  } else if (!is.null(model)) {
    arguments <- c("--model", model_argument(model), arguments)
  }
  session$app <- folder
  reg.finalizer(session, function(s) lucas_app_stop(), onexit = TRUE)
  url <- tryCatch({
    session$app_process <- start_app(folder, arguments)  # kept, or its pipe would be closed
    wait_for_app(folder, session$app_process, has_model = !is.null(model))
  }, error = identity, interrupt = identity)
  if (inherits(url, "condition")) {
    lucas_app_stop()
    if (inherits(url, "interrupt")) stop_interrupted()
    stop(url)
  }
  message(structure(class = c("lucas_message", "message", "condition"), list(
    message = paste0("The page is at ", url, "; lucas_app_stop() ends it.\n"), call = NULL)))
  if (open_browser && interactive()) utils::browseURL(url)
  invisible(url)
}

#' @rdname lucas_app
#' @export
lucas_app_stop <- function() {
  folder <- session$app
  session$app <- NULL
  session$app_process <- NULL
  running <- !is.null(folder) && file.exists(file.path(folder, "session"))
  # What ends the page goes first: Windows does not delete the files that Python still writes to.
  if (!is.null(folder)) unlink(c(file.path(folder, "session"), folder), recursive = TRUE)
  invisible(running)
}

# Python starts it, because a process that R starts in the background cannot be asked later whether
# it still runs.
start_app <- function(folder, arguments, python = reticulate::py_config()$python) {
  python_bridge()
  # A file says what to run: no shell's quoting, and no console's letters, come between.
  words <- c("app", "--no-browser", "--session", file.path(folder, "session"), arguments)
  con <- file(file.path(folder, "arguments"), open = "wb")
  writeBin(charToRaw(enc2utf8(paste(words, collapse = "\n"))), con)
  close(con)
  code <- "import sys; from lucas_habitat.bridge import run_command; run_command(sys.argv[1])"
  command <- c(python, "-c", code, file.path(folder, "arguments"))
  windows <- .Platform$OS.type == "windows"
  if (!windows) {
    command <- c("/bin/sh", "-c", paste("export", own_libraries(), "&& exec \"$@\""), "sh", command)
  }
  # The page ends when the pipe on its stdin closes, which it does when R is killed.
  run <- reticulate::py_eval(paste(
    "lambda command, output, errors, how: __import__('subprocess').Popen(command, stdout=open(output, 'wb'),",
    "stderr=open(errors, 'wb'), stdin=__import__('subprocess').PIPE, **how)"))
  # Ctrl-C is meant for R alone; and on Windows no console is to open: CREATE_NO_WINDOW and
  # CREATE_NEW_PROCESS_GROUP.
  how <- if (windows) list(creationflags = 0x08000200L) else list(start_new_session = TRUE)
  run(as.list(command), file.path(folder, "output"), file.path(folder, "errors"), how)
}

# The address, as soon as the page is there; the reason, if it never will be.
wait_for_app <- function(folder, process, has_model) {
  end <- Sys.time() + if (has_model) 120 else 900
  if (!has_model) message("The demo model may have to be trained first: a minute or two, once.")
  address <- file.path(folder, "address")
  repeat {
    ended <- !is.null(process$poll())
    # Asked for after that: it may have ended in between.
    if (file.exists(address)) {
      card <- paste(readLines(address, warn = FALSE), collapse = "")
      return(sub(".*\"url\": *\"([^\"]*)\".*", "\\1", card))
    }
    if (ended) stop_lucas("app", "The page could not be started", why_app_ended(folder, process))
    if (Sys.time() > end) {
      stop_lucas("app", "The page did not start in time", why_app_ended(folder, process))
    }
    Sys.sleep(0.1)
  }
}

why_app_ended <- function(folder, process) {
  lines <- readLines(file.path(folder, "errors"), warn = FALSE, encoding = "UTF-8")
  own <- grep("^lucas-habitat app: ", lines)
  why <- if (length(own)) lines[own[1]:length(lines)] else utils::tail(lines, 3)
  code <- process$poll()
  if (!length(why) && is.null(code)) return(".")
  if (!length(why)) why <- paste0("its process ended with code ", code, ".")
  paste0(": ", sub("^lucas-habitat app: ", "", paste(why, collapse = "\n")))
}
