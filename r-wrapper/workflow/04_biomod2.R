# 04  Habitat proportions as covariates of a species distribution model (biomod2 4.2-5 or newer, 4.3).
#
# Rscript 04_biomod2.R [table of sites]
#
# The table (CSV) has one row a site: an id, x and y in EPSG:25832, and 1 or 0 for presence. Without
# one it makes plots near the points, with a species of open land that is not there: so there is something
# for models to find. Without biomod2 it writes the covariates, says that it skips the rest, and ends.

library(lucashabitat)

out   <- Sys.getenv("LUCAS_OUT", "lucas-run")
file  <- commandArgs(trailingOnly = TRUE)
points <- readRDS(file.path(out, "points.rds"))

# Four plots within some 500 m of each point. Where the land is open the species is there in 9 of 10,
# elsewhere in 1 of 10.
make_plots <- function(points) {
  has_metres <- !is.null(points$x)
  at <- data.frame(x = if (has_metres) points$x else points$lon, y = if (has_metres) points$y else points$lat,
                   class = if (is.null(points$habitat)) points$predicted else points$habitat)
  at <- at[stats::complete.cases(at) & !duplicated(points$point_id), ]
  if (nrow(at) == 0) stop("No point has a place and a class; give a table of sites.")
  at <- at[rep(seq_len(nrow(at)), each = 4), ]
  set.seed(1)
  away <- function() stats::runif(nrow(at), -1, 1) * if (has_metres) 500 else 0.005
  is_open <- at$class %in% c("cropland", "grassland")
  data.frame(plot = paste0("plot", seq_len(nrow(at))), x = at$x + away(), y = at$y + away(),
             present = stats::rbinom(nrow(at), 1, ifelse(is_open, 0.9, 0.1)))
}

if (length(file)) {
  plots <- read.csv(file[1])
  crs <- "EPSG:25832"
} else {
  plots <- make_plots(points)
  crs <- if (is.null(points$x)) "EPSG:4326" else "EPSG:3035"
  write.csv(plots, file.path(out, "made_plots.csv"), row.names = FALSE)
}

# LUCAS points are 2 km apart at best, and seldom where the sites are: a distance-weighted mean of
# the points around each site. Sites farther than max_distance from every point get no value (NA);
# radius = 5000 would use only points within 5 km. Choose what fits the species and the points, and
# look at the support. The drawn points are some 20 km apart.
env <- lucas_covariates(points, sites = plots, crs = crs, id = names(plots)[1],
                        year = "latest", k = 5, max_distance = 50000, drop = "woody")
behind <- lucas_support(env)
print(summary(behind[c("n_points", "nearest_distance", "mean_distance")]))
write.csv(data.frame(site = row.names(env), env, behind),
          file.path(out, "covariates.csv"), row.names = FALSE)
cat("Covariates:", file.path(out, "covariates.csv"), "\n")

# biomod2 drops rows with NA by itself and only says so; better to know which.
known <- stats::complete.cases(env)
if (!all(known)) cat("Sites without a value, left out:", row.names(env)[!known], "\n")

if (!requireNamespace("biomod2", quietly = TRUE)) {
  cat("biomod2 is not installed, so its models are skipped: install.packages(\"biomod2\")\n")
  quit(save = "no", status = 0)
}
if (utils::packageVersion("biomod2") < "4.2.5") stop("biomod2 4.2-5 or newer is needed.")
library(biomod2)

# biomod2 matches rows by their order alone: the rows of env are those of plots. It wants 1 and 0,
# coordinates, and a plain data.frame (a tibble loses the quadratic terms and all smooths).
data <- BIOMOD_FormatingData(
  resp.name = "Species", resp.var = plots$present[known], resp.xy = plots[known, c("x", "y")],
  expl.var = env[known, ], dir.name = out
)
models <- BIOMOD_Modeling(
  bm.format = data, modeling.id = "lucas", models = c("GLM", "GAM", "RF"),
  CV.strategy = "random", CV.nb.rep = 2, CV.perc = 0.8, OPT.strategy = "bigboss",
  metric.eval = c("TSS", "KAPPA"), var.import = 3, seed.val = 1
)
print(get_evaluations(models))
print(get_variables_importance(models))

# A model fitted on the table projects onto a raster with the same layer names:
# lucas_covariates(points, sites = <SpatRaster>, k = 5, max_distance = 50000, drop = "woody",
#                  as = "raster").
projection <- BIOMOD_Projection(
  bm.mod = models, proj.name = "sites", new.env = env[known, ],
  new.env.xy = plots[known, c("x", "y")], models.chosen = "all"
)
print(projection)
