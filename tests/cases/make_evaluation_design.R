# Writes evaluation_design.json: what evaluate() must give with design weights and the land's class
# shares, by R's packages survey (Lumley) and vcd (Meyer, Zeileis & Hornik), which share nothing with us.
# Run in this folder: Rscript make_evaluation_design.R
library(survey)
options(survey.lonely.psu = "fail", digits = 15)

set.seed(20)
classes <- c("artificial", "cropland", "grassland", "woody")
n <- 88
# Two or three photos a point; points balanced by class, weights by how rare the class is drawn.
truth <- rep(rep(classes, length.out = n), times = rep(c(2, 3, 2), length.out = n))
point <- rep(seq_len(n), times = rep(c(2, 3, 2), length.out = n))
photos <- data.frame(
  point_id = sprintf("p%02d", point), habitat = truth,
  weight = round(c(artificial = 1, cropland = 9, grassland = 4, woody = 6)[truth] *
                   rep(runif(n, 0.5, 2), times = rep(c(2, 3, 2), length.out = n)), 3)
)
photos$predicted <- ifelse(runif(nrow(photos)) < 0.75, truth, sample(classes, nrow(photos), TRUE))
points <- photos[!duplicated(photos$point_id), ]
shares <- c(artificial = 0.05, cropland = 0.45, grassland = 0.2, woody = 0.3)

ratios <- function(design, name, of) {
  made <- lapply(classes, function(class) {
    svyratio(as.formula(sprintf("~I((predicted == '%s') * (habitat == '%s'))", class, class)),
             as.formula(sprintf("~I(%s == '%s')", of, class)), design)
  })
  stats::setNames(list(vapply(made, function(r) unname(coef(r)), 0),
                       vapply(made, function(r) unname(SE(r)), 0)), paste0(name, c("_accuracy", "_se")))
}

expected <- function(design) {
  right <- svymean(~I(as.numeric(predicted == habitat)), design)
  both <- update(design, predicted = factor(predicted, classes), habitat = factor(habitat, classes))
  kappa <- svykappa(~predicted + habitat, both)
  c(list(overall_accuracy = unname(coef(right)), overall_accuracy_se = unname(SE(right)[1]),
         kappa = unname(coef(kappa)), kappa_se = unname(SE(kappa)[1])),
    ratios(design, "producers", "habitat"), ratios(design, "users", "predicted"))
}

land <- function(table) {
  # A stratified sample of each class of the land.
  table$land <- shares[table$habitat] / ave(table$weight, table$habitat, FUN = sum) * table$weight
  table
}

# Post-stratified to the land: what varies is what differs within a class. survey takes n - 1 of n points drawn,
# we 21 of the 22 of each class.
post_stratified <- function(table) {
  design <- svydesign(~point_id, weights = ~weight, data = table)
  found <- expected(postStratify(design, ~habitat, data.frame(habitat = names(shares), Freq = shares)))
  errors <- grep("_se$", names(found))
  found[errors] <- lapply(found[errors], `*`, sqrt(22 / 21 * (n - 1) / n))
  found
}

plain <- transform(points, weight = 1)
counts <- table(factor(points$predicted, classes), factor(points$habitat, classes))
agreement <- vcd::Kappa(counts)$Unweighted
post <- "post-stratified, the standard errors times sqrt(22 / 21 x 87 / 88): survey takes 87 of 88 points drawn"

cases <- list(
  list(name = "weights, photos in points", table = "photos", weights = "weight",
       expected = expected(svydesign(~point_id, weights = ~weight, data = photos))),
  list(name = "weights, one row a point", table = "points", weights = "weight",
       expected = expected(svydesign(~point_id, weights = ~weight, data = points))),
  list(name = "the land's class shares, one row a point", table = "points", class_shares = as.list(shares),
       how = "a stratified sample",
       expected = expected(svydesign(~point_id, strata = ~habitat, weights = ~land, data = land(plain)))),
  list(name = "the land's class shares, photos in points", table = "photos",
       class_shares = as.list(shares), how = post,
       expected = post_stratified(transform(photos, weight = 1))),
  list(name = "weights and the land's class shares", table = "photos", weights = "weight",
       class_shares = as.list(shares), how = post, expected = post_stratified(photos)),
  list(name = "neither", table = "points", how = "kappa and its asymptotic error are vcd's",
       expected = list(overall_accuracy = mean(points$predicted == points$habitat),
                       kappa = unname(agreement["value"]), kappa_se = unname(agreement["ASE"])))
)

columns <- function(table) lapply(as.list(table), unname)
writeLines(jsonlite::toJSON(list(
  about = paste("Numbers that evaluate() in Python and lucas_evaluate() in R must both give with design weights",
                "and class shares. Made by make_evaluation_design.R with R's survey and vcd; per-class numbers are",
                "in the order of classes."),
  made_by = paste("survey", packageVersion("survey"), "vcd", packageVersion("vcd")),
  tolerance = 1e-8, classes = classes,
  tables = list(photos = columns(photos), points = columns(points)), cases = cases
), auto_unbox = TRUE, digits = 14, pretty = FALSE), "evaluation_design.json")
