"""One worker process: `python -m workers`, started by a supervisor."""

import logging
import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import TimeoutError as FutureTimeout

from celery.exceptions import CPendingDeprecationWarning, SecurityWarning

from athena.ability.handover import decode_ability
from athena.devices.types import CPU
from athena.errors import AthenaError
from athena.fleet.launch import (
    ENVIRONMENT_PROBLEM,
    EX_LOOP_FAILED,
    WorkerLaunch,
    WorkerReport,
    read_shared,
)
from athena.fleet.progress_board import ProgressBoard
from athena.fleet.worker_entry import WorkerEntry
from athena.plain_text import MAX_VALUE_CHARS, one_line, plain_line
from athena.runtime.garbage import keep_what_is_loaded
from athena.runtime.process_name import name_process
from athena.sdk import device, job
from athena.settings import Settings, from_env
from athena.store.address import redis_address_of
from athena.store.lease import ForeignLimits
from athena.store.link import BlockingLink
from athena.store.scripts import SCRIPTS
from athena.telemetry.log_fields import LogFields
from athena.telemetry.log_streams import LogReaders, open_log_streams
from athena.telemetry.logs import LogOptions, configure_logs, keep_own_logs
from athena.telemetry.otlp import make_otlp
from athena.telemetry.prints import open_prints
from workers.batching.batcher import Batcher
from workers.batching.model import BatchOptions, Model
from workers.consumer.loop import CeleryLoop
from workers.lease.alarm import Alarm
from workers.lease.arrivals import ForeignJobs
from workers.lease.payloads import Payloads
from workers.lease.recycling import Wear
from workers.lease.session import LoopHooks, WorkerSession
from workers.lease.traces import Traces
from workers.registration import Registration, entry_of
from workers.runtime.event_loops import event_loop
from workers.runtime.inference import Inference
from workers.runtime.process.forks import end_forks, end_what_was_started, make_forks_ordinary
from workers.runtime.process.guards import explain_breakpoints, ignore_signal, install_guards
from workers.runtime.sessions.share import SessionShare, model_folder

logger = logging.getLogger(__name__)

EX_CONFIG = 78

#: Threads of one process share the interpreter; a short interval lets Celery's loop answer while Python
#: code infers.
SWITCH_INTERVAL_S = 0.001

#: How long threads that a wrapper has started may take to end after wrapperFini.
LEAVE_S = 2.0


class WorkerProcess:
    """Loads an ability's wrapper and serves its queues."""

    def __init__(self, launch: WorkerLaunch, settings: Settings) -> None:
        self._launch = launch
        self._settings = settings
        self._ability = decode_ability(read_shared(launch.ability_fd)).with_names(settings.gpu_aliases)
        device.assign(
            device.Device(
                gpu_type=launch.gpu_type,
                gpu_id=launch.gpu_id,
                memory_limit_mb=launch.memory_limit_mb,
                threads=launch.threads,
                cpu_allowed=CPU in self._ability.gpu.types,
                model_folder=model_folder(settings.cache_dir, launch.peers),
            )
        )
        address = redis_address_of(settings)
        self._link = BlockingLink(address, settings.redis_timeout_s, SCRIPTS)
        self._registration = Registration(self._link)
        self._collector = make_otlp(settings.otlp_endpoint, "worker", launch.name)
        self._loop = CeleryLoop(address, settings, self._report_ready)
        payloads = Payloads(address, settings.redis_timeout_s)
        self._inference = Inference(self._ability, payloads.read, self._tell_unbatched)
        options = self._ability.worker
        self._board = ProgressBoard(launch.progress_fd, options.concurrency, options.max_batch)
        self._batcher = Batcher(
            Model(
                end_forks(self._inference.load),
                self._inference.batch_key,
                end_forks(self._inference.run),
                end_forks(self._inference.unload),
                event_loop,
                self._inference.restore,
                lambda: self._inference.has_example,
                end_forks(self._inference.check),
                self._inference.take_symptom,
                self._inference.prepare,
            ),
            BatchOptions(
                options.max_batch,
                options.max_wait_ms,
                options.concurrency,
                self._ability.limits.max_exec_s,
                options.max_failures,
            ),
            self._board,
            self._loop.wake,
        )

    def run(self) -> int:
        """Serves until SIGTERM; returns the exit status."""
        self._batcher.start()
        try:
            self._batcher.loaded.result(self._settings.load_timeout_s)
            entry = self._sign_on()
        except Exception as error:
            return self._report_failure(error)
        status = self._serve_to_the_end(self._session(entry))
        if self._collector is not None:
            self._collector.close()
        self._registration.sign_off(entry)
        return status

    def _serve_to_the_end(self, session: WorkerSession) -> int:
        """Serves; calls that still go on when the loop has ended are nobody's fault."""
        try:
            return self._loop.run(session)
        except Exception:
            logger.critical("the worker's loop failed", exc_info=True)
            return EX_LOOP_FAILED
        finally:
            # An exit status alone may be that of a wrapper which called `os._exit`.
            self._board.part()
            self._tell_breakage()

    def _sign_on(self) -> WorkerEntry:
        interface = self._inference.interface
        entry = entry_of(self._launch, interface, self._ability.worker.slots, device.is_on_cpu())
        self._registration.sign_on(entry, interface)
        return entry

    def _tell_breakage(self) -> None:
        """Tells the supervisor why this process is broken, if it is."""
        breakage = self._batcher.breakage
        if breakage is not None:
            report = WorkerReport(False, breakage.reason, is_broken=True, blamed=breakage.blamed)
            report.send(self._launch.status_fd)

    def _tell_unbatched(self, reason: str) -> None:
        """Tells the supervisor, and so operators, that this process runs no more batches."""
        WorkerReport(ready=True, unbatched=plain_line(reason, MAX_VALUE_CHARS)).send(self._launch.status_fd)

    def _session(self, entry: WorkerEntry) -> WorkerSession:
        settings, options = self._settings, self._ability.worker
        limits = ForeignLimits(settings.result_ttl_s, settings.record_ttl_s, self._ability.limits.max_queue_s)
        return WorkerSession(
            entry,
            self._link,
            self._batcher,
            ForeignJobs(self._inference.message_of, limits),
            Wear(options.max_jobs, options.max_memory_mb),
            options.max_batch * options.concurrency,
            LoopHooks(self._board.pulse, Alarm(self._loop.wake).set, self._loop.wake),
            Traces(entry, settings.trace_slow_s, settings.record_ttl_s, self._collector),
        )

    def _report_ready(self) -> None:
        # Celery's own would begin a second life of this process, of which its supervisor knows nothing.
        signal.signal(signal.SIGHUP, ignore_signal)
        keep_what_is_loaded()
        problem = os.environ.pop(ENVIRONMENT_PROBLEM, "")
        WorkerReport(ready=True, detail=problem).send(self._launch.status_fd)

    def _report_failure(self, error: BaseException) -> int:
        text = error.message if isinstance(error, AthenaError) else one_line(error)
        if isinstance(error, FutureTimeout):
            text = f"loading took longer than {self._settings.load_timeout_s:g} s"
        # The traceback of the wrapper's own mistake shows its line; ours would only hide it.
        logger.error("%s cannot be served", self._ability.service_id, exc_info=error.__cause__)
        WorkerReport(ready=False, detail=text).send(self._launch.status_fd)
        self._batcher.close()
        return EX_CONFIG


def _end_soon(status: int) -> None:
    """Ends the process where threads that a wrapper has left behind keep it alive."""
    time.sleep(LEAVE_S)
    main_thread = threading.main_thread()
    left = [item.name for item in threading.enumerate() if not item.daemon and item is not main_thread]
    logger.warning("ending with threads that still run: %s", ", ".join(left))
    logging.shutdown()
    os._exit(status)


def _open_logs(settings: Settings, launch: WorkerLaunch) -> None:
    fields = LogFields("worker", launch.service_id, launch.name, job.of_thread)
    options = LogOptions(settings.log_format, settings.log_dir, fields)
    configure_logs(settings.log_level, options)
    keep_own_logs(options)
    open_prints(options)
    # At INFO, Celery writes lines for each task.
    if logging.root.level >= logging.INFO:
        logging.getLogger("celery").setLevel(logging.WARNING)


def main() -> int:
    """Runs the worker that the environment describes."""
    open_log_streams()
    LogReaders().watch()
    install_guards()
    explain_breakpoints(os.environ)
    make_forks_ordinary()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # Celery warns root because of pickle; only JSON is accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # And each time that a connection was lost, of tasks that are canceled then: ours go on.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    settings = from_env(os.environ)
    launch = WorkerLaunch.from_env(os.environ)
    name_process(launch.name)
    # The name in the command line is for who looks at processes, not for wrappers that read arguments.
    del sys.argv[1:]
    _open_logs(settings, launch)
    logger.info("loading %s on %s", launch.service_id, launch.gpu_type)
    SessionShare(settings.share_sessions).install()
    status = WorkerProcess(launch, settings).run()
    end_what_was_started()
    threading.Thread(target=_end_soon, args=(status,), daemon=True).start()
    return status
