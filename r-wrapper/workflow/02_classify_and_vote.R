# 02  Classify the test photos, and let the photos of each point vote.

library(lucashabitat)

out <- Sys.getenv("LUCAS_OUT", "lucas-run")

photos <- lucas_photos(file.path(out, "photos.csv"))
test   <- photos[photos$split == "test", ]
model  <- lucas_load(file.path(out, "model"))  # load_model_hdf5()

# predict_generator(steps = n) ran out of data, because steps are batches, and its rows had to be
# matched to photos by order. Here every row carries its photo; one that cannot be read says why.
pred <- lucas_classify(test, model)
print(table(pred$status))

# In the pilot: the commonest of the five predictions, by hand. Ties go to the larger mean
# probability here, and p_<class> are the mean probabilities of the point.
points <- lucas_vote(pred, method = "majority")
print(head(points[c("point_id", "year", "n_photos", "predicted", "agreement", "habitat")]))

# write.csv() writes 15 digits, which shares need; the .rds keeps every bit and all factors.
write.csv(pred, file.path(out, "predictions.csv"), row.names = FALSE, na = "")
write.csv(points, file.path(out, "points.csv"), row.names = FALSE, na = "")
saveRDS(points, file.path(out, "points.rds"))
cat("Points:", file.path(out, "points.csv"), "\n")
