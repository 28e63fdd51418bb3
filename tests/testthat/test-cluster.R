test_that("training on a cluster is for whole networks, and told so in R's words", {
  skip_without_core()
  expect_error(lucas_train(demo_folder(), engine = "ray"), "recipe = 'finetune'", class = "lucas_error")
  expect_error(lucas_train(demo_folder(), recipe = "finetune", address = "auto"), "engine = 'ray'",
               class = "lucas_error")
  expect_error(lucas_train(demo_folder(), recipe = "finetune", checkpoints = 1), "name of one folder",
               class = "lucas_error")
})

# Ray takes a minute to start; `make test-slow` asks for it.
if (Sys.getenv("LUCAS_TEST_SLOW") == "true") test_that("a network is fine-tuned on Ray", {
  skip_without_core()
  model <- suppressMessages(lucas_train(
    demo_folder(), recipe = "finetune", arch = "efficientnet_lite0", epochs = 1, batch_size = 8,
    target_size = 64, engine = "ray", verbose = FALSE
  ))
  expect_gte(model$card$training$cluster$workers, 1)
  expect_equal(model$card$training$batch_size, 8)
  expect_false(model$card$training$freeze_backbone)
  predictions <- suppressMessages(lucas_classify(demo_folder(), model, verbose = FALSE))
  # Three of the drawn photos are damaged on purpose.
  expect_equal(sum(predictions$status == "ok"), model$card$training$n_photos)
})
