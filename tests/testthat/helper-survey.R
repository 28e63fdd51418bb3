# The made survey table, and a local server with the survey's paths.

survey_file <- function() system.file("extdata", "survey.csv", package = "lucashabitat")
demo_survey <- function(...) suppressMessages(lucas_survey(survey_file(), ...))

# Photos of the demo that are whole; three of them are broken on purpose.
whole_photos <- function() {
  files <- list.files(demo_folder(), "[.]jpg$", recursive = TRUE, full.names = TRUE)
  whole <- vapply(files, function(file) {
    bytes <- readBin(file, "raw", file.size(file))
    n <- length(bytes)
    n > 2000 && identical(bytes[c(1, 2, n - 1, n)], as.raw(c(255, 216, 255, 217)))
  }, NA)
  files[whole]
}

# The survey's path of a photo, written here once more rather than asked of the core.
server_path <- function(point, year, direction) {
  file.path("lucas", "photos", year, "DK", substr(point, 1, 3), substr(point, 4, 6),
            paste0(point, direction, ".jpg"))
}

# A server in a process of its own: Python in R's process waits while it is called.
local_server <- function(folder) {
  code <- tempfile(fileext = ".py")
  told <- tempfile()
  writeLines(c(
    "import functools, http.server, os, sys, threading",
    "handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])",
    "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)",
    "with open(sys.argv[2] + '.part', 'w') as file:",
    "    file.write(f'{os.getpid()} {server.server_port}\\n')",
    "os.replace(sys.argv[2] + '.part', sys.argv[2])",
    "end = threading.Timer(900, server.shutdown)  # also if R dies",
    "end.daemon = True",
    "end.start()",
    "server.serve_forever(0.05)"
  ), code)
  log <- tempfile()
  system2(shared$status$python, shQuote(c(code, folder, told)), stdout = log, stderr = log,
          wait = FALSE)
  wait_until(file.exists(told))
  found <- scan(told, integer(), quiet = TRUE)
  running <- TRUE
  list(base = paste0("http://127.0.0.1:", found[2]), log = log, stop = function() {
    if (running) tools::pskill(found[1])
    running <<- FALSE
  })
}
