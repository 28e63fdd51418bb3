library(testthat)
library(lucashabitat)

test_check("lucashabitat")
