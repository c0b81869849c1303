# A mixture of Poisson or gamma regressions by flexmix, with a constant gate, from random starts.
#
# Rscript glm.R table.csv family K starts seed output.txt
#
# The response is the column y, an exposure, if there is one, the column exposure: its logarithm is
# the offset. output.txt gets one line a value: its name, a tab, its numbers in full precision.
# beta is written row by row, one row an expert, intercept first.

suppressPackageStartupMessages(library(flexmix))

arguments <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(arguments[1])
family <- arguments[2]
n_experts <- as.integer(arguments[3])
starts <- as.integer(arguments[4])
seed <- as.integer(arguments[5])
output <- arguments[6]

offset <- if ("exposure" %in% names(rows)) log(rows$exposure)
terms <- setdiff(names(rows), c("y", "exposure"))
experts <- as.formula(paste("y ~", paste(terms, collapse = " + ")))
control <- list(iter.max = 2000, tolerance = 1e-12, minprior = 0.01)

fit_once <- function(start) {
  set.seed(seed + start - 1)
  tryCatch(
    flexmix(experts, data = rows, k = n_experts,
            model = FLXMRglm(family = family, offset = offset), control = control),
    error = function(problem) NULL)
}

fits <- Filter(function(model) !is.null(model) && model@k == n_experts,
               lapply(seq_len(starts), fit_once))
best <- fits[[which.max(sapply(fits, logLik))]]

lines <- character()
put <- function(name, numbers) {
  text <- paste(formatC(as.numeric(numbers), digits = 17, format = "g"), collapse = " ")
  lines <<- c(lines, paste0(name, "\t", text))
}
coefficients <- as.matrix(parameters(best))
is_shape <- rownames(coefficients) == "shape"
put("log_likelihood", logLik(best))
put("prior", prior(best))
put("beta", coefficients[!is_shape, ])
if (any(is_shape)) put("shape", coefficients[is_shape, ])
lines <- c(lines,
           paste0("R\t", R.version$major, ".", R.version$minor),
           paste0("flexmix\t", as.character(packageVersion("flexmix"))))
writeLines(lines, output)
