"""Programs that load an ability without a queue.

check: `athena check`
describe: `athena schema`
rehearsal: loads, answers, releases
run_once: `athena run`
trial: a small model on one device, for `athena doctor`
"""
