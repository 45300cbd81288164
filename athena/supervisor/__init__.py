"""The processes of one host: started, watched, ended.

ability_reading: an ability's folder while it is served
allocator: the memory allocator of the bundled Redis
child: one process
backup: copies of the embedded Redis' data
data_folder: where the embedded Redis keeps its files
embedded_redis: the Redis of `athena serve`
gpu_watch: the process that reads the GPUs
loading: when workers load for the first time
heartbeat: what a supervisor does in Redis
host_workers: the plan, carried out
orphans: processes that others have left behind
placement: which workers a host starts
programs: what is started by name
pulse_writer: tells probes how the processes are
redis_server: server programs that can be the embedded Redis
rolling_restart: replacement, one process after the other
succession: processes that take the place of others
supervisor: the loop that owns the processes
watchdog: when a worker is to be ended
worker_child: one worker process
"""
