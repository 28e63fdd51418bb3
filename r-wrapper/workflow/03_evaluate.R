# 03  How good is it, by photo and by point?

library(lucashabitat)

out <- Sys.getenv("LUCAS_OUT", "lucas-run")

# evaluate_generator() gave loss and accuracy; caret::confusionMatrix() or vcd::Kappa() the rest. The
# confusion table has rows predicted and columns reference, as caret's.
by_photo <- lucas_evaluate(file.path(out, "predictions.csv"))
by_point <- lucas_evaluate(readRDS(file.path(out, "points.rds")))
print(by_photo)
print(by_point)

pdf(file.path(out, "confusion.pdf"), width = 6, height = 6)
plot(by_point)
invisible(dev.off())
write.csv(as.data.frame(by_point), file.path(out, "accuracy_by_class.csv"), row.names = FALSE)

cat(sprintf("Votes change kappa from %.3f per photo to %.3f per point.\n",
            by_photo$kappa, by_point$kappa))
