"""Programs that load an ability without a queue.

check: `athena check`
describe: `athena schema`
rehearsal: loads, answers, releases
run_once: `athena run`
"""
