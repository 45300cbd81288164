"""The dashboards of monitoring/grafana.

- `charts`: what a dashboard is, as data
- `grafana`: from these to Grafana's JSON
- `machines`: GPUs, gateways, Redis
- `pages`: all of them
- `work`: abilities, jobs, queues
"""
