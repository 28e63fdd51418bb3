# R's help as HTML, a file a topic: Rscript rd.R MAN OUT. Links between topics lead to #topic:NAME, which the
# build resolves.
folders <- commandArgs(trailingOnly = TRUE)
files <- list.files(folders[1], "[.]Rd$", full.names = TRUE)
options(help.htmlmath = "katex")
macros <- file.path(R.home("share"), "Rd", "macros", "system.Rd")
parsed <- lapply(files, tools::parse_Rd, macros = macros)
names <- sub("[.]Rd$", "", basename(files))
aliases <- lapply(parsed, function(rd) {
  tags <- vapply(rd, attr, "", "Rd_tag")
  vapply(rd[tags == "\\alias"], function(alias) trimws(paste(unlist(alias), collapse = "")), "")
})
links <- stats::setNames(paste0("#topic:", rep(names, lengths(aliases))), unlist(aliases))
for (i in seq_along(files)) {
  # Topics of other packages have no page here: their names stand without a link.
  suppressWarnings(tools::Rd2HTML(
    parsed[[i]], file.path(folders[2], paste0(names[i], ".html")), Links = links, Links2 = character(),
    package = "", stages = c("build", "install", "render")
  ))
}
writeLines(paste(rep(names, lengths(aliases)), unlist(aliases), sep = "\t"), file.path(folders[2], "aliases.tsv"))
