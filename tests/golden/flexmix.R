# A mixture of Gaussian regressions by flexmix, from several random starts.
#
# Rscript flexmix.R table.csv experts gate K starts seed tolerance output.txt
#
# experts, gate: right-hand sides of formulas, such as "x1 + x2" and "x1" ("1" is a constant gate).
# The response is the column y. output.txt gets one line a value: its name, a tab, its numbers in
# full precision. Matrices are written row by row, one row an expert, intercept first.

suppressPackageStartupMessages(library(flexmix))

arguments <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(arguments[1])
experts <- as.formula(paste("y ~", arguments[2]))
gate <- as.formula(paste("~", arguments[3]))
n_experts <- as.integer(arguments[4])
starts <- as.integer(arguments[5])
seed <- as.integer(arguments[6])
tolerance <- as.numeric(arguments[7])
output <- arguments[8]

control <- list(iter.max = 500, tolerance = tolerance, minprior = 0.01)

concomitant <- function() {
  if (arguments[3] == "1") FLXPconstant() else FLXPmultinom(gate)
}

fit_once <- function(start) {
  set.seed(seed + start - 1)
  clock <- proc.time()[["elapsed"]]
  model <- tryCatch(
    flexmix(experts, data = rows, k = n_experts, model = FLXMRglm(family = "gaussian"),
            concomitant = concomitant(), control = control),
    error = function(problem) NULL)
  list(model = model, seconds = proc.time()[["elapsed"]] - clock)
}

fits <- lapply(seq_len(starts), fit_once)

value_of <- function(fit, read, missing = NA_real_) {
  if (is.null(fit$model)) missing else as.numeric(read(fit$model))
}
reached <- sapply(fits, value_of, logLik)
kept <- sapply(fits, value_of, function(model) model@k, 0)
best <- fits[[which.max(reached)]]$model

lines <- character()
put <- function(name, numbers) {
  text <- paste(formatC(as.numeric(numbers), digits = 17, format = "g"), collapse = " ")
  lines <<- c(lines, paste0(name, "\t", text))
}
coefficients <- parameters(best)
is_sigma <- rownames(coefficients) == "sigma"
put("starts_log_likelihood", reached)
put("starts_n_iter", sapply(fits, value_of, function(model) model@iter))
put("starts_n_experts", kept)
put("starts_seconds", sapply(fits, function(fit) fit$seconds))
put("log_likelihood", logLik(best))
put("df", attr(logLik(best), "df"))
put("n_iter", best@iter)
put("sigma", coefficients[is_sigma, ])
put("beta", coefficients[!is_sigma, ])
if (arguments[3] == "1") {
  put("gate", log(prior(best)))
} else {
  put("gate", parameters(best, which = "concomitant"))
}
lines <- c(lines,
           paste0("R\t", R.version$major, ".", R.version$minor),
           paste0("flexmix\t", as.character(packageVersion("flexmix"))))
writeLines(lines, output)
