# 01  Train the pilot's network on the training photos.

library(lucashabitat)

out  <- Sys.getenv("LUCAS_OUT", "lucas-run")
# The pilot's network is "xception"; this one is smaller, and its weights came with lucas_install().
arch <- Sys.getenv("LUCAS_ARCH", "efficientnet_lite0")

photos <- lucas_photos(file.path(out, "photos.csv"))
train  <- photos[photos$split == "train", ]

# What stands here in keras for R:
#   image_data_generator(rescale = 1/255)                      -> scaling (the default for xception)
#   flow_images_from_directory(target_size = c(224, 224),
#                              batch_size = 32, ...)            -> target_size, batch_size
#   application_xception(weights = "imagenet",
#                        include_top = FALSE)                   -> arch, weights
#   freeze_weights(conv_base)                                   -> freeze_backbone = TRUE
#   layer_global_average_pooling_2d()
#   layer_dense(1024, activation = "relu")
#   layer_dropout(0.2)                                          -> dropout
#   layer_dense(4, activation = "softmax")                      -> the classes of the photos
print(lucas_model(num_classes = nlevels(photos$habitat), arch = arch, dropout = 0.2,
                  freeze_backbone = TRUE))

#   compile(optimizer_adam(0.001), "categorical_crossentropy")  -> learning_rate
#   fit_generator(steps_per_epoch = n / batch_size, epochs = 10)
# The frozen network runs once per photo, not once per photo and epoch, so this takes minutes. Photos
# are shuffled every epoch, which the pilot had switched off.
model <- lucas_train(
  train, arch = arch, dropout = 0.2, freeze_backbone = TRUE, epochs = 10, batch_size = 32,
  learning_rate = 0.001, target_size = c(224, 224), weights = "imagenet", seed = 1,
  validation_split = 0.2  # points held out: a history to compare, and calibrated probabilities
)
print(model)

pdf(file.path(out, "history.pdf"), width = 8, height = 4)
plot(model)  # plot(history)
invisible(dev.off())

# save_model_hdf5() was this; the folder is read by Python too.
lucas_save(model, file.path(out, "model"), overwrite = TRUE)
cat("Model:", file.path(out, "model"), "\n")
