#' Train a habitat classifier
#'
#' The recipe `"pilot"`: a frozen ImageNet Xception, global average pooling, dense 1024 with ReLU,
#' dropout, dense softmax; categorical cross-entropy, Adam 0.001, batches of 32, 10 epochs of
#' `floor(n / batch_size)` steps each. Photos are shuffled anew every epoch, so none is always left
#' out.
#'
#' The recipe `"recommended"`: three frozen small networks side by side (EfficientNet-Lite0, 1 and 2),
#' whose features are evened (signed square roots, then length 1) and go into one multinomial logistic
#' regression a network; their logits are averaged. The penalty is chosen by inner folds that keep
#' points whole.
#'
#' A frozen backbone runs once per photo; its features are cached on disk, so a training that
#' was stopped with Ctrl-C or Esc goes on where it was.
#'
#' @param photos Labelled photos: a photo table, or anything [lucas_photos()] takes. Rows whose
#'   `split` is `"test"` are never trained on. Where classes are LC1 codes, or there are columns
#'   `habitat_level1`, ... as [lucas_habitat()] makes of a scheme with levels, the model keeps what stands
#'   above its classes.
#' @param validation Photos of other points: the history then holds their loss, accuracy and kappa,
#'   and the model is calibrated on them.
#' @param validation_split Instead, the share of points to hold out of `photos`, drawn within each
#'   class.
#' @param corrections A review table that [lucas_app()] wrote or [lucas_read_sorted()] gave, or `NULL`: labels
#'   of photos in `photos` are replaced, by the photos' content or else by their path, and other photos are
#'   added; `model$card$training$corrections` counts both. A list of [lucas_doubted_labels()] does, too: rows that a person changed, or filled in the
#'   `time` of, count. Nothing is taken from corrected photos of points whose `split` is `"test"` or that
#'   `validation` holds. To know them, give the whole split table as `photos`.
#' @param recipe `"pilot"`, `"recommended"` or `"finetune"`: what the next seven arguments are where
#'   they are `NULL`. `"pilot"` and `"finetune"` mean Xception, a dense head, a dropout of 0.2, batches
#'   of 32 and a learning rate of 0.001; `"pilot"` a frozen backbone and 10 epochs, `"finetune"` a
#'   trained backbone and 5 epochs.
#' @param arch `NULL` for the recipe's, or as in [lucas_model()]; `docs/recipes/backbones.md` in the sources
#'   has strong ones and what they cost.
#' @param head `"dense"`, the pilot's layers, or `"logistic"`, logistic regression, which takes none of
#'   the next five.
#' @param dropout,freeze_backbone,epochs,batch_size,learning_rate As in the pilot.
#'   `freeze_backbone = FALSE` trains end to end with augmentation (flips, random crops, light), with
#'   backbone steps of 0.02 times `learning_rate`; BatchNorm statistics stay as they were.
#' @param class_balance Whether rare classes count as much as frequent ones: `"none"` (they do not),
#'   `"weights"` (by the weight of their photos in the loss) or `"sampling"` (an epoch takes as many
#'   photos of each class: of a rare one some several times, of a frequent one not all; to a logistic
#'   head both are weights). More photos of
#'   rare classes are then recognised, and more photos of frequent classes are taken for them.
#'   Probabilities no longer hold at the training photos' class shares but at equal ones, and calibration
#'   on held-out points is weighted to equal shares, too: [lucas_adjust_shares()] puts them right for the
#'   shares of some land. [lucas_evaluate()] and means of probabilities take them as they are.
#' @param target_size Height and width of photos in pixels; two equal numbers will do, as in keras.
#' @inheritParams lucas_model
#' @param resize `"antialias"`, or `"nearest"` as keras for R resized. `resize = "nearest",
#'   credit = "keep"` is the pilot to the letter.
#' @param decoder `"simplejpeg"` (fast) or `"pillow"` (the reference).
#' @param credit What is done about the line burnt into the survey's photos at the bottom left, which
#'   gives away the year. `"hide"`: where a line is seen, the corner in which lines of all years stand
#'   is filled with what stands to the right of it; a photo without one is left as it is. `"mask"`
#'   paints the lowest 9 % of every photo grey, `"crop"` cuts them off, `"keep"` leaves all photos as
#'   they are.
#' @param closeups Whether close-ups (direction C) are trained on.
#' @param seed The same seed on the same machine gives the same model.
#' @param device `"auto"` takes a GPU that torch sees, else the CPU; or `"cpu"`, `"torch"` (torch on
#'   the CPU), `"cuda"`, `"cuda:1"`, `"mps"`.
#' @param precision `"auto"`, `"float32"`, `"bfloat16"`, or `"int8"`, which gives the model eight bits as
#'   [lucas_quantize()] does, found with training photos.
#' @param cache Whether features are looked up and kept on disk.
#' @param engine What trains a whole network (`freeze_backbone = FALSE`): `"local"`, this machine; `"ray"`, Ray
#'   on the cores or GPUs of a cluster (`lucas_install(cluster = TRUE)`), whose workers share each batch. One
#'   worker comes to the same model as this machine, to rounding; several draw other augmentation. Photos must
#'   lie where all machines see them under the same path. `docs/scale/cluster.md` in the sources has more.
#' @param address Of the Ray cluster, such as `"auto"` on one of its machines. `NULL`: Ray is started on this
#'   machine, and ends with the training.
#' @param checkpoints Folder that all machines of the cluster see, for what is kept of the training after each
#'   epoch. The same training, begun again after a fault, goes on from the last one; it is removed at the end.
#' @param verbose Whether a progress bar is shown for what takes longer.
#'
#' @return An object of the class `lucas_model`, to print, [plot()] and hand to [lucas_classify()] or
#'   [predict()]. It is a list with `classes`, `card` (everything needed to trust and repeat the
#'   model), `history` (a data.frame, one row an epoch: `epoch`, `loss`, `accuracy` and, with
#'   validation points, `val_loss`, `val_accuracy`, `val_kappa`), `folder` (where it was saved or
#'   read, or `NULL`) and `bytes` (the saved model), so it survives [saveRDS()] and a new session.
#' @references
#' Chollet, F. (2017). Xception: Deep Learning with Depthwise Separable Convolutions. CVPR.
#' \doi{10.1109/CVPR.2017.195}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 8, size = c(320, 240))
#'   model <- lucas_train(folder, arch = "efficientnet_lite0", epochs = 3, cache = FALSE)
#'   print(model)
#'   plot(model)
#' }
#' @export
lucas_train <- function(photos, validation = NULL, validation_split = 0, corrections = NULL,
                        recipe = "pilot", arch = NULL, head = NULL, dropout = NULL,
                        freeze_backbone = NULL, epochs = NULL, batch_size = NULL,
                        learning_rate = NULL, class_balance = "none", target_size = 224,
                        weights = "imagenet", scaling = NULL, resize = "antialias",
                        decoder = "simplejpeg", credit = "hide", closeups = FALSE, seed = 1,
                        device = "auto", precision = "auto", cache = TRUE, engine = "local",
                        address = NULL, checkpoints = NULL, verbose = TRUE) {
  call_core("train", captured(), verbose)
}

#' Calibrate a model on held-out points
#'
#' Puts probabilities of photos, and of points after the vote, right by held-out points. One number,
#' the temperature T, divides all logits z, so that a class given 0.8 is right in about 80 % of
#' photos: p = softmax(z / T). Predicted classes do not change. Photos of one point err together, so
#' what their vote says needs a correction of its own, fitted to the points' votes: with n photos of a
#' point, e their pooled probabilities at equal class shares (the mean, or for the vote `"product"`
#' the geometric mean) and s the held-out class shares, points' probabilities are proportional to
#' s e^(n^g) exp(b (1 - 1/n)). The exponent g is 0 where photos say the same again, 1 where each is
#' news; b favours classes. How to see the five views as one is learned, too, for
#' `lucas_vote(method = "learned")`: by the mean of probabilities or of their logarithms, either with a
#' weight a direction, or by stacking (a multinomial logistic regression on all five views, tried from 100
#' points on). Folds of points decide by log loss, and the simplest within a standard error of the best is
#' taken; with fewer than 50 points it is the mean. The photos must be of points the model was not trained on, and should
#' have the class shares of the land the model will be used in. For a model that was trained with
#' `class_balance` they are weighted so that all classes count alike: its probabilities are then right
#' where all classes are equally common, and [lucas_adjust_shares()] puts them right elsewhere. Without calibration probabilities are
#' scores, not proportions.
#'
#' @param model What [lucas_train()] or [lucas_load()] returned, or a folder, zip or address that
#'   [lucas_load()] takes.
#' @param photos Labelled photos: a photo table, or anything [lucas_photos()] takes.
#' @inheritParams lucas_train
#' @param closeups Whether close-ups (direction C) count.
#'
#' @return The model (class `lucas_model`) with `card$calibration` filled in: `temperature`,
#'   `n_photos`, `n_points`, and `points` (the correction of votes: `n_points` with several photos,
#'   `rough` if they are fewer than 30 or lack a class, `corrections`, `learned` with
#'   the `method` chosen and the `candidates`' log loss; `NULL` where no point had
#'   several). The one given is left as it is.
#' @references
#' Platt, J. (1999). Probabilistic outputs for support vector machines. Advances in Large Margin
#' Classifiers, 61-74 (what n cases can show).
#'
#' Guo, C. et al. (2017). On Calibration of Modern Neural Networks. ICML, PMLR 70, 1321-1330.
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   folder <- lucas_demo_photos(tempfile("photos"), n_points = 24, size = c(320, 240))
#'   parts <- lucas_split(folder, test_size = 0.5)
#'   model <- lucas_train(parts$train, arch = "efficientnet_lite0", epochs = 2, cache = FALSE)
#'   model <- lucas_calibrate(model, parts$test, cache = FALSE)
#'   model$card$calibration$temperature
#' }
#' @export
lucas_calibrate <- function(model, photos, closeups = FALSE, device = "auto", cache = TRUE,
                            verbose = TRUE) {
  call_core("calibrate", captured(), verbose)
}
