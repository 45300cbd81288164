"""Programs that load an ability without a queue.

batch_trial: an example in batches, beside itself alone
check: `athena check`
describe: `athena schema`
distance: how far two answers are from each other
imported: the packages that an ability imports
memory: what this process holds, as a worker would
model_files: how models compute
rehearsal: loads, answers, releases
run_once: `athena run`
samples: numbers in bytes
trial: a small model on one device, for `athena doctor`
variations: requests like an example
"""
