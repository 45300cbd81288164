/* A stand-in for NVIDIA's management library: the entry points that pynvml calls, answered from a file.
 *
 * The environment variable NVML_STANDIN names the file. It is read anew on every call, so that a test can
 * change the fleet while programs look at it. A line is a word and its value:
 *
 *   driver 550.54.15           version; without the line, nvmlInit finds no driver
 *   cuda 12040
 *   without nvmlName           an entry point that this driver lacks
 *   hang nvmlName              one that does not answer any more
 *   crash nvmlName             one that ends the process
 *   error nvmlName 999         one that answers with this error; below a GPU, only for it
 *   count 4294967295           tells so many GPUs, whatever there are
 *   prints hello               writes this to stdout when it is opened
 *   garbled 1                  errors in words are no text
 *   gpu Tesla T4               begins a GPU; the lines below it are of this GPU
 *   uuid GPU-…
 *   memory 15360 14900         MiB in all, MiB free
 *   reserved 300               MiB that the driver keeps: only the newer question about memory is answered
 *   capability 7 5
 *   ecc 0                      uncorrected errors
 *   remap_failed 1
 *   utilization 37             percent
 *   temperature 41
 *   power 70000 250000         milliwatts now and at most
 *   process 4242 1000          pid and MiB
 *   xid 79                     a critical error, reported once
 *   unknown 1                  each number that it is asked for has all bits set
 *   fail 15                    every question about it is answered with this error; 15: fallen off the bus
 *   mig 1                      partitioned
 *   instance MIG-… 3 40192 40000 3g.40gb 2   uuid, slices, MiB in all, MiB free, profile, GPU instance
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, TIMEOUT = 10, FUNCTION_NOT_FOUND = 13 };
enum { MAX_GPUS = 64, MAX_PARTS = 16 };

typedef struct { char uuid[96], profile[32]; unsigned slices; int home; unsigned long long total, free; } Instance;
typedef struct {
    char name[96], uuid[96];
    unsigned long long total, free, ecc, reserved;
    char error[64];
    int error_code, unknown, has_memory, major, minor, has_ecc, remap_failed, utilization, temperature, power, power_limit;
    int fail, mig, instances, processes;
    unsigned xid, pids[MAX_PARTS];
    unsigned long long used[MAX_PARTS];
    Instance instance[MAX_PARTS];
} Gpu;

static struct {
    char driver[80], without[2048], hang[256], crash[256], error[64], prints[256];
    int cuda, count, error_code, garbled;
    unsigned told_count;
    Gpu gpu[MAX_GPUS];
} fleet;

static unsigned reported[MAX_GPUS];
static char registered[MAX_GPUS];
static int is_open;

static void read_gpu_line(Gpu *gpu, const char *word, const char *value) {
    if (!strcmp(word, "uuid")) snprintf(gpu->uuid, sizeof gpu->uuid, "%s", value);
    else if (!strcmp(word, "memory")) gpu->has_memory = sscanf(value, "%llu %llu", &gpu->total, &gpu->free) == 2;
    else if (!strcmp(word, "capability")) sscanf(value, "%d %d", &gpu->major, &gpu->minor);
    else if (!strcmp(word, "ecc")) gpu->has_ecc = sscanf(value, "%llu", &gpu->ecc) == 1;
    else if (!strcmp(word, "remap_failed")) gpu->remap_failed = atoi(value);
    else if (!strcmp(word, "utilization")) gpu->utilization = atoi(value);
    else if (!strcmp(word, "temperature")) gpu->temperature = atoi(value);
    else if (!strcmp(word, "power")) sscanf(value, "%d %d", &gpu->power, &gpu->power_limit);
    else if (!strcmp(word, "xid")) gpu->xid = (unsigned)atoi(value);
    else if (!strcmp(word, "fail")) gpu->fail = atoi(value);
    else if (!strcmp(word, "reserved")) gpu->reserved = (unsigned)atoi(value);
    else if (!strcmp(word, "unknown")) gpu->unknown = atoi(value);
    else if (!strcmp(word, "error")) sscanf(value, "%63s %d", gpu->error, &gpu->error_code);
    else if (!strcmp(word, "mig")) gpu->mig = atoi(value);
    else if (!strcmp(word, "process") && gpu->processes < MAX_PARTS) {
        int i = gpu->processes++;
        sscanf(value, "%u %llu", &gpu->pids[i], &gpu->used[i]);
    } else if (!strcmp(word, "instance") && gpu->instances < MAX_PARTS) {
        Instance *part = &gpu->instance[gpu->instances++];
        part->home = -1;
        sscanf(value, "%95s %u %llu %llu %31s %d", part->uuid, &part->slices, &part->total, &part->free,
               part->profile, &part->home);
    }
}

static void read_fleet(void) {
    const char *path = getenv("NVML_STANDIN");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512], word[64];
    int begin;
    Gpu *gpu = NULL;
    memset(&fleet, 0, sizeof fleet);
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, " %63s %n", word, &begin) < 1 || word[0] == '#') continue;
        const char *value = line + begin;
        if (!strcmp(word, "driver")) snprintf(fleet.driver, sizeof fleet.driver, "%s", value);
        else if (!strcmp(word, "cuda")) fleet.cuda = atoi(value);
        else if (!strcmp(word, "hang")) snprintf(fleet.hang, sizeof fleet.hang, "%s", value);
        else if (!strcmp(word, "crash")) snprintf(fleet.crash, sizeof fleet.crash, "%s", value);
        else if (!strcmp(word, "prints")) snprintf(fleet.prints, sizeof fleet.prints, "%s", value);
        else if (!strcmp(word, "garbled")) fleet.garbled = atoi(value);
        else if (!strcmp(word, "count")) fleet.told_count = (unsigned)strtoul(value, NULL, 10);
        else if (!strcmp(word, "error") && !gpu) sscanf(value, "%63s %d", fleet.error, &fleet.error_code);
        else if (!strcmp(word, "without")) {
            size_t used = strlen(fleet.without);
            snprintf(fleet.without + used, sizeof fleet.without - used, " %s ", value);
        } else if (!strcmp(word, "gpu") && fleet.count < MAX_GPUS) {
            gpu = &fleet.gpu[fleet.count++];
            gpu->utilization = gpu->temperature = gpu->power = gpu->power_limit = -1;
            snprintf(gpu->name, sizeof gpu->name, "%s", value);
        } else if (gpu) read_gpu_line(gpu, word, value);
    }
    fclose(file);
}

static int enter(const char *function) {
    char padded[128];
    read_fleet();
    snprintf(padded, sizeof padded, " %s ", function);
    if (strstr(fleet.without, padded)) return FUNCTION_NOT_FOUND;
    while (!strcmp(fleet.hang, function)) { usleep(50000); read_fleet(); }
    if (!strcmp(fleet.crash, function)) abort();
    if (!strcmp(fleet.error, function)) return fleet.error_code;
    return is_open ? OK : UNINITIALIZED;
}

/* A handle is 1000 x (GPU + 1), and for an instance its number + 1 on top. */
static int find(const char *function, void *handle, Gpu **gpu, Instance **part) {
    int error = enter(function);
    long number = (long)handle, index = number / 1000 - 1, sub = number % 1000;
    if (error) return error;
    if (index < 0 || index >= fleet.count) return INVALID;
    *gpu = &fleet.gpu[index];
    if ((*gpu)->fail) return (*gpu)->fail;
    if (!strcmp((*gpu)->error, function)) return (*gpu)->error_code;
    if (sub > (*gpu)->instances) return INVALID;
    if (part) *part = sub ? &(*gpu)->instance[sub - 1] : NULL;
    return OK;
}

#define GPU(function) Gpu *gpu; Instance *part; int error = find(function, handle, &gpu, &part); \
    (void)part; if (error) return error

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    is_open = 1;
    int error = enter("nvmlInitWithFlags");
    if (!error && !fleet.driver[0]) error = DRIVER_NOT_LOADED;
    if (error) is_open = 0;
    if (fleet.prints[0]) { puts(fleet.prints); fflush(stdout); }
    return error;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { is_open = 0; return OK; }

const char *nvmlErrorString(int code) {
    read_fleet();
    if (fleet.garbled) return "\xff\xfe";
    switch (code) {
    case OK: return "Success";
    case NOT_SUPPORTED: return "Not Supported";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    int error = enter("nvmlSystemGetDriverVersion");
    if (!error) snprintf(text, size, "%s", fleet.driver);
    return error;
}
int nvmlSystemGetCudaDriverVersion(int *version) {
    int error = enter("nvmlSystemGetCudaDriverVersion");
    *version = fleet.cuda;
    return error;
}
int nvmlDeviceGetCount_v2(unsigned *count) {
    int error = enter("nvmlDeviceGetCount_v2");
    *count = fleet.told_count ? fleet.told_count : (unsigned)fleet.count;
    return error;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    int error = enter("nvmlDeviceGetHandleByIndex_v2");
    if (error) return error;
    if (index >= (unsigned)fleet.count) return INVALID;
    if (fleet.gpu[index].fail) return fleet.gpu[index].fail;
    *handle = (void *)(1000L * (index + 1));
    return OK;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    GPU("nvmlDeviceGetUUID");
    snprintf(text, size, "%s", part ? part->uuid : gpu->uuid);
    return OK;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned size) {
    GPU("nvmlDeviceGetName");
    if (part) snprintf(text, size, "%s MIG %s", gpu->name, part->profile);
    else snprintf(text, size, "%s", gpu->name);
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) {
    GPU("nvmlDeviceGetMemoryInfo");
    if (!part && (!gpu->has_memory || gpu->reserved)) return NOT_SUPPORTED;
    if (gpu->unknown) { memory[0] = memory[1] = memory[2] = ~0ull; return OK; }
    memory[0] = (part ? part->total : gpu->total) << 20;
    memory[1] = (part ? part->free : gpu->free) << 20;
    memory[2] = memory[0] - memory[1];
    return OK;
}
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory;

int nvmlDeviceGetMemoryInfo_v2(void *handle, Memory *memory) {
    GPU("nvmlDeviceGetMemoryInfo_v2");
    if (part || !gpu->has_memory) return NOT_SUPPORTED;
    memory->total = gpu->total << 20;
    memory->reserved = gpu->reserved << 20;
    memory->free = gpu->free << 20;
    memory->used = memory->total - memory->free - memory->reserved;
    return OK;
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    GPU("nvmlDeviceGetCudaComputeCapability");
    *major = gpu->major;
    *minor = gpu->minor;
    return OK;
}
int nvmlDeviceGetTotalEccErrors(void *handle, int type, int counter, unsigned long long *count) {
    (void)type, (void)counter;
    GPU("nvmlDeviceGetTotalEccErrors");
    *count = gpu->unknown ? ~0ull : gpu->ecc;
    return gpu->has_ecc || gpu->unknown ? OK : NOT_SUPPORTED;
}
int nvmlDeviceGetRemappedRows(void *handle, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                              unsigned *failed) {
    GPU("nvmlDeviceGetRemappedRows");
    *corrected = *uncorrected = *pending = 0;
    *failed = gpu->unknown ? ~0u : (unsigned)gpu->remap_failed;
    return OK;
}
static int tell(const Gpu *gpu, int value, unsigned *number) {
    *number = gpu->unknown ? ~0u : (unsigned)value;
    return value < 0 && !gpu->unknown ? NOT_SUPPORTED : OK;
}
int nvmlDeviceGetUtilizationRates(void *handle, unsigned *rates) {
    GPU("nvmlDeviceGetUtilizationRates");
    rates[1] = 0;
    return tell(gpu, gpu->utilization, rates);
}
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *degrees) {
    (void)sensor;
    GPU("nvmlDeviceGetTemperature");
    return tell(gpu, gpu->temperature, degrees);
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
    GPU("nvmlDeviceGetPowerUsage");
    return tell(gpu, gpu->power, milliwatts);
}
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *milliwatts) {
    GPU("nvmlDeviceGetEnforcedPowerLimit");
    return tell(gpu, gpu->power_limit, milliwatts);
}

typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;

static int processes(const char *function, void *handle, unsigned *count, Process *found) {
    GPU(function);
    unsigned room = *count;
    *count = (unsigned)gpu->processes;
    if (!gpu->processes) return OK;
    if (!found || room < *count) return INSUFFICIENT_SIZE;
    for (int i = 0; i < gpu->processes; i++) found[i] = (Process){gpu->pids[i], gpu->used[i] << 20, ~0u, ~0u};
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v2(void *handle, unsigned *count, Process *found) {
    return processes("nvmlDeviceGetComputeRunningProcesses_v2", handle, count, found);
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *found) {
    return processes("nvmlDeviceGetComputeRunningProcesses_v3", handle, count, found);
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    GPU("nvmlDeviceGetMigMode");
    return tell(gpu, gpu->mig != 0, current) | tell(gpu, gpu->mig != 0, pending);
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) {
    GPU("nvmlDeviceGetMaxMigDeviceCount");
    return tell(gpu, 7, count);
}
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **found) {
    GPU("nvmlDeviceGetMigDeviceHandleByIndex");
    if (index >= (unsigned)gpu->instances) return NOT_FOUND;
    *found = (void *)((long)handle + index + 1);
    return OK;
}

int nvmlDeviceGetGpuInstanceId(void *handle, unsigned *number) {
    GPU("nvmlDeviceGetGpuInstanceId");
    if (!part || part->home < 0) return NOT_SUPPORTED;
    *number = (unsigned)part->home;
    return OK;
}

typedef struct { unsigned sm, copy, decoders, encoders, jpeg, ofa, slices, compute_slices;
                 unsigned long long memory_mb; } Attributes;

int nvmlDeviceGetAttributes_v2(void *handle, Attributes *attributes) {
    GPU("nvmlDeviceGetAttributes_v2");
    if (!part) return NOT_SUPPORTED;
    memset(attributes, 0, sizeof *attributes);
    attributes->slices = attributes->compute_slices = part->slices;
    attributes->memory_mb = part->total;
    return OK;
}

typedef struct { void *device; unsigned long long type, data; unsigned gpu_instance, compute_instance; } Event;

int nvmlEventSetCreate(void **set) {
    *set = (void *)1L;
    return enter("nvmlEventSetCreate");
}
int nvmlEventSetFree(void *set) { (void)set; return OK; }
int nvmlDeviceRegisterEvents(void *handle, unsigned long long types, void *set) {
    (void)types, (void)set;
    GPU("nvmlDeviceRegisterEvents");
    registered[gpu - fleet.gpu] = 1;
    return OK;
}
int nvmlEventSetWait_v2(void *set, Event *event, unsigned timeout_ms) {
    (void)set;
    for (unsigned waited = 0;; waited += 10) {
        int error = enter("nvmlEventSetWait_v2");
        if (error) return error;
        for (int i = 0; i < fleet.count; i++) {
            if (!registered[i] || fleet.gpu[i].xid == reported[i]) continue;
            reported[i] = fleet.gpu[i].xid;
            if (!reported[i]) continue;
            *event = (Event){(void *)(1000L * (i + 1)), 8, reported[i], ~0u, ~0u};
            return OK;
        }
        if (waited >= timeout_ms) return TIMEOUT;
        usleep(10000);
    }
}
