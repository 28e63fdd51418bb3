# Rscript tools/r-packages.R [more packages]: what DESCRIPTION names, from CRAN or what is set up in its place.
named <- read.dcf("DESCRIPTION", c("Imports", "Suggests"))
named <- trimws(sub("[(].*", "", unlist(strsplit(named, ","))))
wanted <- c(named, commandArgs(trailingOnly = TRUE))
missing <- setdiff(wanted, rownames(utils::installed.packages()))
if (length(missing)) utils::install.packages(missing)
absent <- setdiff(wanted, rownames(utils::installed.packages()))
if (length(absent)) stop("Not installed: ", paste(absent, collapse = ", "))
