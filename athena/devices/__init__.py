"""One host: its GPUs, its cores, its memory, its processes.

driver: reads NVIDIA's driver; a program
host: name, cores and GPUs of this host
inventory: the GPUs of a host, as data
memory: how much memory a process may use
nvml: what answers of NVIDIA's library mean
processes: the processes that run here
readings: the last reading of the GPUs, and what is kept of earlier ones
threads: variables that limit the threads of numerical libraries
types: names of GPU types
visible: the GPUs that CUDA_VISIBLE_DEVICES names
xid: critical errors that the driver reports
"""
