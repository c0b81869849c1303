# Standard errors of a mixture of Gaussian or Poisson regressions, by flexmix's refit with optim.
#
# Rscript refit.R table.csv experts gate K family output.txt
#
# experts, gate: right-hand sides of formulas, such as "x1 + x2" and "z1" ("1" is a constant gate).
# The response is the column y, the start the column cluster (1 to K). output.txt gets two lines, a
# name, a tab, and numbers: the maximum-likelihood estimates, and their standard errors. For each
# component these are intercept, slopes and, if Gaussian, the logarithm of sigma; then, for each component but
# the first, intercept and slopes of its logit against the first.

suppressPackageStartupMessages(library(flexmix))

arguments <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(arguments[1])
experts <- as.formula(paste("y ~", arguments[2]))
gate <- as.formula(paste("~", arguments[3]))
concomitant <- if (arguments[3] == "1") FLXPconstant() else FLXPmultinom(gate)

set.seed(1)
model <- flexmix(experts, data = rows, k = as.integer(arguments[4]), cluster = rows$cluster,
                 model = FLXMRglm(family = arguments[5]), concomitant = concomitant,
                 control = list(iter.max = 2000, tolerance = 1e-12, minprior = 0))
found <- refit(model, method = "optim", optim_control = list(reltol = 1e-14, maxit = 2000))

text <- function(numbers) paste(formatC(numbers, digits = 17, format = "g"), collapse = " ")
writeLines(c(paste0("estimate\t", text(found@coef)),
             paste0("std_err\t", text(sqrt(diag(found@vcov))))), arguments[6])
