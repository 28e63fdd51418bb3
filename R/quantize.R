#' Give a model eight bits
#'
#' CPUs that do not compute in bfloat16, as those of most laptops, then classify about twice as fast. Photos
#' show between which numbers the values in the model's networks lie; these, and the weights, are then
#' rounded to 256 steps each. Photos that took no part in this tell how many keep the class that float32
#' gives them. It needs `lucas_install(fast = TRUE)`; classifying with the model needs nothing more.
#'
#' What is kept is numbers: the range of each activation that is rounded, a scale for each channel of a
#' weight, and biases put right in the mean of the photos. They are laid onto the network that OpenVINO
#' makes of the model's own weights, some hundred kilobytes among the model's tensors. The few layers
#' whose rounding would change most stay in float32.
#'
#' @inheritParams lucas_calibrate
#' @param photos Photos such as the model is to classify, best two thousand or more; classes are of use, but
#'   not needed. The training photos will do.
#' @param n_photos Photos to find the eight bits with, drawn evenly from all classes; at most half of those
#'   given. More than some hundred change little.
#' @param seed Of that draw.
#'
#' @return The model (class `lucas_model`) with `card$quantisation` filled in, and int8 as its own precision;
#'   the one given is left as it is. `card$quantisation$agreement` holds how many (`n_equal`) of `n` photos
#'   keep float32's class, the 95 % interval of that share (`low`, `high`) and, of labelled photos, kappa in
#'   either precision. A warning says where fewer than 99 % do: `precision = "auto"` then never takes int8.
#'   Where a device does not compute in eight bits the model is computed in float32, and that is said. On a
#'   CPU that does not multiply eight bits natively this function is an error.
#' @references
#' Nagel, M. et al. (2019). Data-Free Quantization Through Weight Equalization and Bias Correction. ICCV.
#' @examples
#' \dontrun{
#' model <- lucas_quantize("model", "photos")
#' model$card$quantisation$agreement$n_equal
#' predictions <- lucas_classify("photos/new", model)
#' }
#' @export
lucas_quantize <- function(model, photos, n_photos = 300, seed = 1, cache = TRUE, verbose = TRUE) {
  call_core("quantize", captured(), verbose)
}
