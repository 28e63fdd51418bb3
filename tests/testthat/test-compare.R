test_that("comparisons are the numbers both languages must give", {
  skip_without_core()
  cases <- case_file("comparison.json")
  for (case in cases$cases) {
    times <- unlist(case$times)
    table <- function(predicted) {
      data.frame(point_id = paste0("p", seq_len(sum(times))), habitat = rep(unlist(case$reference), times),
                 predicted = rep(unlist(predicted), times))
    }
    found <- lucas_compare(table(case$a), table(case$b), n_boot = 0)
    for (name in c("n_both", "n_only_a", "n_only_b", "n_neither")) expect_equal(found[[name]], case[[name]])
    expect_equal(found$p_value, case$p_value, tolerance = cases$tolerance)
    expect_equal(found$table$difference, unlist(case$difference), tolerance = cases$tolerance)
    expect_true(all(is.na(found$table$low)))
  }
})

test_that("a comparison prints and becomes a data.frame", {
  skip_without_core()
  set.seed(1)
  classes <- c("cropland", "grassland", "woody")
  a <- b <- data.frame(point_id = 1:60, n_photos = 5, habitat = rep(classes, 20))
  a$predicted <- ifelse(stats::runif(60) < 0.7, a$habitat, sample(classes, 60, TRUE))
  b$predicted <- ifelse(stats::runif(60) < 0.9, b$habitat, sample(classes, 60, TRUE))
  found <- lucas_compare(a, b[60:1, ], n_boot = 200, level = 0.9)
  expect_s3_class(found, "lucas_comparison")
  expect_output(print(found), "Comparison of two models on 60 points.*macro_f1.*90% interval of b - a.*Right: both")
  expect_identical(as.data.frame(found), found$table)
  expect_true(all(found$table$low < found$table$difference & found$table$difference < found$table$high))
  expect_equal(found$n_both + found$n_only_a + found$n_only_b + found$n_neither, 60)
  expect_error(lucas_compare(a, b[1:50, ]), "10 of 60 rows.*of a are not in b")
  expect_error(lucas_compare(a, 3), "data.frame, the path")
})
