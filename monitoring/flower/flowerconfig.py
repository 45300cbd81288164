"""Flower beside a fleet: `FLOWER_CONF=monitoring/flower/flowerconfig.py athena flower`.

Address, port and prefix are settings of Athena (ATHENA_FLOWER_HOST, ATHENA_FLOWER_PORT,
ATHENA_FLOWER_URL_PREFIX), and so is who may look (ATHENA_FLOWER_BASIC_AUTH, ATHENA_FLOWER_BASIC_AUTH_FILE).
"""

import os

#: Tasks and workers are there again after a restart of Flower.
persistent = True
db = os.path.join(os.environ.get("ATHENA_DATA_DIR", ".athena"), "flower")
state_save_interval = 10_000

#: Workers that have been offline for an hour go from its list; Prometheus keeps what they were.
purge_offline_workers = 3600
