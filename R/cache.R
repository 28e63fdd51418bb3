#' What is kept on disk so that it is computed once
#'
#' Features of photos are kept by the photos' content, and networks in the form in which they run. What
#' was not used for longest is deleted when the whole grows beyond its limit: 20 GB, or what the
#' environment variable `LUCAS_HABITAT_CACHE_GB` says. `LUCAS_HABITAT_CACHE` names another folder. Both hold from the
#' next call on when [Sys.setenv()] changes them.
#'
#' @return `lucas_cache_info()`: a data.frame, one row a way in which features were computed: `arch`,
#'   `weights`, `engine`, `precision`, `size` (pixels), `photos`, `megabytes` (10^6 bytes), `last_used`
#'   (ISO text, UTC) and `folder`, with the attributes `folder`, `megabytes` and `limit` (10^6 bytes) of
#'   the whole. `lucas_cache_clear()`: megabytes that were freed, invisibly; the next run computes
#'   everything again.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   found <- lucas_cache_info()
#'   attr(found, "limit")
#' }
#' @export
lucas_cache_info <- function() {
  call_core("cache_info", list())
}

#' @rdname lucas_cache_info
#' @export
lucas_cache_clear <- function() {
  invisible(call_core("clear_cache", list()))
}
