/* main.c - `nvidia-smi` in a zone: options, and repetition. See smi.h. */
#include "nvml_calls.h"
#include "smi.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "nvidia-smi of a Ringfence zone: the zone's device, through NVML.\n"
    "\n"
    "nvidia-smi [OPTION]...           with no option: a table\n"
    "\n"
    "  -L, --list-gpus                a line a device\n"
    "  -q, --query                    all there is to tell; -x, --xml-format as XML;\n"
    "                                 -d, --display=MEMORY,UTILIZATION,... only that\n"
    "  --query-gpu=FIELD,...          values as CSV; --help-query-gpu lists the fields\n"
    "  --query-compute-apps=FIELD,... the same of each process; --help-query-compute-apps\n"
    "  --format=csv[,noheader][,nounits]\n"
    "  -i, --id=ID                    only the device of this index, UUID or bus id\n"
    "  -f, --filename=FILE            write there\n"
    "  -l, --loop=SECONDS             again and again; -lms, --loop-ms=MILLISECONDS\n"
    "  --version, -h, --help\n"
    "\n"
    "What changes a device (-pl, -pm, -r, -mig, ...) a zone may not do.\n";

enum mode { MODE_TABLE, MODE_LIST, MODE_REPORT, MODE_GPU, MODE_APPS, MODE_VERSION };

struct options {
    enum mode mode;
    const char *fields, *sections, *id, *file;
    struct smi_format format;
    bool xml, formatted;
    long every_ms;
};

enum { LONG_GPU = 256, LONG_APPS, LONG_FORMAT, LONG_HELP_GPU, LONG_HELP_APPS, LONG_LOOP_MS, LONG_VERSION, LONG_CHANGE };
static const struct option longs[] = {
    {"list-gpus", no_argument, NULL, 'L'},
    {"query", no_argument, NULL, 'q'},
    {"xml-format", no_argument, NULL, 'x'},
    {"display", required_argument, NULL, 'd'},
    {"query-gpu", required_argument, NULL, LONG_GPU},
    {"query-compute-apps", required_argument, NULL, LONG_APPS},
    {"format", required_argument, NULL, LONG_FORMAT},
    {"help-query-gpu", no_argument, NULL, LONG_HELP_GPU},
    {"help-query-compute-apps", no_argument, NULL, LONG_HELP_APPS},
    {"id", required_argument, NULL, 'i'},
    {"filename", required_argument, NULL, 'f'},
    {"loop", optional_argument, NULL, 'l'},
    {"loop-ms", required_argument, NULL, LONG_LOOP_MS},
    {"version", no_argument, NULL, LONG_VERSION},
    {"help", no_argument, NULL, 'h'},
    {"persistence-mode", required_argument, NULL, LONG_CHANGE},
    {"ecc-config", required_argument, NULL, LONG_CHANGE},
    {"compute-mode", required_argument, NULL, LONG_CHANGE},
    {"gpu-reset", no_argument, NULL, LONG_CHANGE},
    {"power-limit", required_argument, NULL, LONG_CHANGE},
    {"lock-gpu-clocks", required_argument, NULL, LONG_CHANGE},
    {"applications-clocks", required_argument, NULL, LONG_CHANGE},
    {"multi-instance-gpu", required_argument, NULL, LONG_CHANGE},
    {NULL, 0, NULL, 0},
};

static int invalid(const char *what, const char *text)
{
    fprintf(stderr, "nvidia-smi: %s \"%s\". Please run 'nvidia-smi -h' for help.\n", what, text);
    return SMI_INVALID_ARGUMENT;
}

static bool number(const char *text, long scale, long *ms)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > 1000000) return false;
    *ms = value * scale;
    return true;
}

static int parse_format(const char *text, struct options *o)
{
    bool csv = false;
    o->formatted = true;
    for (const char *at = text; at;) {
        size_t length = strcspn(at, ",");
        if (length == 3 && !strncmp(at, "csv", 3)) csv = true;
        else if (length == 8 && !strncmp(at, "noheader", 8)) o->format.header = false;
        else if (length == 7 && !strncmp(at, "nounits", 7)) o->format.units = false;
        else return invalid("cannot use --format", text);
        at = at[length] ? at + length + 1 : NULL;
    }
    return csv ? SMI_OK : invalid("--format needs \"csv\", not", text);
}

/* SMI_OK: go on; otherwise, or when *done, the exit code. */
static int parse(int argc, char **argv, struct options *o, bool *done)
{
    *done = true;
    for (int i = 1; i < argc; i++) {
        /* Options of several letters behind one dash are NVIDIA's own way. */
        static char loop_ms[] = "--loop-ms";
        static const char *const changes[] = {"-pm", "-pl", "-mig", "-ac", "-rac", "-lgc", "-rgc", "-lmc", "-rmc", "-caa", "-acp", "-gom", "-dm"};
        if (!strcmp(argv[i], "-lms")) argv[i] = loop_ms;
        for (size_t c = 0; c < sizeof changes / sizeof *changes; c++)
            if (!strcmp(argv[i], changes[c])) {
                fprintf(stderr, "nvidia-smi: %s changes the device, which a zone may not do.\n", argv[i]);
                return SMI_NO_PERMISSION;
            }
    }
    if (argc > 1 && argv[1][0] != '-') {
        fprintf(stderr, "nvidia-smi: \"%s\" is not supported in a zone. Please run 'nvidia-smi -h' for what is.\n", argv[1]);
        return SMI_NOT_SUPPORTED;
    }
    int c, status;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":Lqxd:i:f:l::hre:c:p:", longs, NULL)) != -1) {
        switch (c) {
            case 'L': o->mode = MODE_LIST; break;
            case 'q': o->mode = MODE_REPORT; break;
            case 'x': o->xml = true; break;
            case 'd': o->sections = optarg; break;
            case LONG_GPU: o->mode = MODE_GPU, o->fields = optarg; break;
            case LONG_APPS: o->mode = MODE_APPS, o->fields = optarg; break;
            case LONG_FORMAT:
                if ((status = parse_format(optarg, o)) != SMI_OK) return status;
                break;
            case LONG_HELP_GPU: return smi_help_gpu(stdout), SMI_OK;
            case LONG_HELP_APPS: return smi_help_apps(stdout), SMI_OK;
            case 'i': o->id = optarg; break;
            case 'f': o->file = optarg; break;
            case 'l':
                if (!optarg && optind < argc && argv[optind][0] != '-') optarg = argv[optind++];
                o->every_ms = 5000;
                if (optarg && !number(optarg, 1000, &o->every_ms)) return invalid("not a number of seconds:", optarg);
                break;
            case LONG_LOOP_MS:
                if (!number(optarg, 1, &o->every_ms)) return invalid("not a number of milliseconds:", optarg);
                break;
            case LONG_VERSION: o->mode = MODE_VERSION; break;
            case 'h': return fputs(usage, stdout), SMI_OK;
            case 'r':
            case 'e':
            case 'c':
            case 'p':
            case LONG_CHANGE: fprintf(stderr, "nvidia-smi: %s changes the device, which a zone may not do.\n", argv[optind - 1]); return SMI_NO_PERMISSION;
            case ':': return invalid("a value is missing behind", argv[optind - 1]);
            default: return invalid("cannot use", argv[optind - 1]);
        }
    }
    if (optind < argc) return invalid("cannot use", argv[optind]);
    if ((o->mode == MODE_GPU || o->mode == MODE_APPS) && !o->formatted) return fputs("nvidia-smi: a query needs --format=csv[,noheader][,nounits].\n", stderr), SMI_INVALID_ARGUMENT;
    if ((o->xml || o->sections) && o->mode != MODE_REPORT) return fputs("nvidia-smi: -x and -d go with -q.\n", stderr), SMI_INVALID_ARGUMENT;
    *done = false;
    return SMI_OK;
}

static int find(const char *id, nvmlDevice_t *device)
{
    if (!id) id = "0";
    char *end;
    unsigned long index = strtoul(id, &end, 10);
    nvmlReturn_t error = *id && !*end             ? nvmlDeviceGetHandleByIndex_v2(index > 64 ? 64 : (unsigned)index, device)
                         : !strncmp(id, "GPU-", 4) ? nvmlDeviceGetHandleByUUID(id, device)
                                                   : nvmlDeviceGetHandleByPciBusId_v2(id, device);
    if (error == NVML_SUCCESS) return SMI_OK;
    fprintf(stderr, "No devices were found for \"%s\": a zone has one, of index 0.\n", id);
    return SMI_NOT_FOUND;
}

static int version(FILE *out)
{
    char driver[SMI_TEXT] = "N/A", nvml[SMI_TEXT] = "N/A";
    int cuda = 0;
    nvmlSystemGetDriverVersion(driver, sizeof driver);
    nvmlSystemGetNVMLVersion(nvml, sizeof nvml);
    nvmlSystemGetCudaDriverVersion_v2(&cuda);
    fprintf(out, "NVIDIA-SMI version  : %s (Ringfence)\nNVML version        : %s\nDRIVER version      : %s\nCUDA Version        : %d.%d\n", driver, nvml, driver, cuda / 1000, cuda % 1000 / 10);
    return SMI_OK;
}

static int show(const struct options *o, nvmlDevice_t device, bool first, FILE *out)
{
    switch (o->mode) {
        case MODE_LIST: return smi_list(device, out);
        case MODE_REPORT: return smi_report(o->sections, o->xml, device, out);
        case MODE_GPU: return smi_query_gpu(o->fields, device, &o->format, first, out);
        case MODE_APPS: return smi_query_apps(o->fields, device, &o->format, first, out);
        case MODE_VERSION: return version(out);
        default: return smi_table(device, out);
    }
}

int main(int argc, char **argv)
{
    struct options o = {.format = {true, true}};
    bool done;
    int status = parse(argc, argv, &o, &done);
    if (done) return status;
    nvmlReturn_t error = nvmlInit_v2();
    if (error != NVML_SUCCESS) {
        fprintf(stderr, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver: %s. In a zone that is the Ringfence daemon, at RINGFENCE_SOCKET.\n", nvmlErrorString(error));
        return error == NVML_ERROR_NO_PERMISSION ? SMI_NO_PERMISSION : SMI_NO_DRIVER;
    }
    nvmlDevice_t device;
    FILE *out = stdout;
    if ((status = find(o.id, &device)) == SMI_OK && o.file && !(out = fopen(o.file, "w"))) {
        fprintf(stderr, "nvidia-smi: %s: %s.\n", o.file, strerror(errno));
        status = SMI_INVALID_ARGUMENT;
    }
    for (bool first = true; status == SMI_OK; first = false) {
        status = show(&o, device, first, out);
        if (fflush(out) != 0 || ferror(out)) status = SMI_INVALID_ARGUMENT; /* whoever read has gone */
        if (!o.every_ms) break;
        struct timespec pause = {.tv_sec = o.every_ms / 1000, .tv_nsec = o.every_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    if (out && out != stdout) fclose(out);
    nvmlShutdown();
    return status;
}
