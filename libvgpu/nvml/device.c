/* device.c - which device there is: handles, names, ids. A zone has one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "link.h"

RFML_EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *deviceCount)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look_around(deviceCount, &now);
    if (error != NVML_SUCCESS) return error;
    *deviceCount = 1;
    return rfml_done(NVML_SUCCESS);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetCount(unsigned int *deviceCount) { return nvmlDeviceGetCount_v2(deviceCount); }

RFML_EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    nvmlReturn_t error = rfml_refuse(NVML_SUCCESS);
    if (error != NVML_SUCCESS) return error;
    if (!device || index != 0) return NVML_ERROR_INVALID_ARGUMENT;
    *device = rfml_device();
    return NVML_SUCCESS;
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device) { return nvmlDeviceGetHandleByIndex_v2(index, device); }

static void write_uuid(char *out, size_t room, const uint8_t *u)
{
    snprintf(out, room, "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
             u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look_around(uuid && device ? uuid : NULL, &now);
    if (error != NVML_SUCCESS) return error;
    char own[48];
    write_uuid(own, sizeof own, now->uuid);
    if (strcasecmp(uuid, own) != 0) return rfml_done(NVML_ERROR_NOT_FOUND);
    *device = rfml_device();
    return rfml_done(NVML_SUCCESS);
}

/* "DDDD:BB:DD.F" or "DDDDDDDD:BB:DD.F", or without the domain. */
RFML_EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pciBusId, nvmlDevice_t *device)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look_around(pciBusId && device ? pciBusId : NULL, &now);
    if (error != NVML_SUCCESS) return error;
    unsigned domain = 0, bus, slot, function = 0;
    if (sscanf(pciBusId, "%8x:%2x:%2x.%1x", &domain, &bus, &slot, &function) < 3) {
        domain = function = 0;
        if (sscanf(pciBusId, "%2x:%2x.%1x", &bus, &slot, &function) < 2) return rfml_done(NVML_ERROR_INVALID_ARGUMENT);
    }
    if (domain != now->pci_domain || bus != now->pci_bus || slot != now->pci_device || function != 0) return rfml_done(NVML_ERROR_NOT_FOUND);
    *device = rfml_device();
    return rfml_done(NVML_SUCCESS);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *pciBusId, nvmlDevice_t *device) { return nvmlDeviceGetHandleByPciBusId_v2(pciBusId, device); }

/* Serial numbers are the card's, and are told to no zone. */
RFML_EXPORT nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
    return rfml_refuse(serial && device ? NVML_ERROR_NOT_FOUND : NVML_ERROR_INVALID_ARGUMENT);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, name, &now);
    return error != NVML_SUCCESS ? error : rfml_done(rfml_text(name, length, now->name));
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, uuid, &now);
    if (error != NVML_SUCCESS) return error;
    char own[48];
    write_uuid(own, sizeof own, now->uuid);
    return rfml_done(rfml_text(uuid, length, own));
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, pci, &now);
    if (error != NVML_SUCCESS) return error;
    *pci = (nvmlPciInfo_t){.domain = now->pci_domain, .bus = now->pci_bus, .device = now->pci_device, .pciDeviceId = now->pci_id};
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", now->pci_domain & 0xffff, now->pci_bus & 0xff, now->pci_device & 0xff);
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", now->pci_domain, now->pci_bus & 0xff, now->pci_device & 0xff);
    return rfml_done(NVML_SUCCESS);
}

/* _v2 has what _v3 calls the legacy bus id, and four reserved words where _v3 has the long one: the same bytes up to there. */
RFML_EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    nvmlPciInfo_t whole;
    nvmlReturn_t error = pci ? nvmlDeviceGetPciInfo_v3(device, &whole) : rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    if (error == NVML_SUCCESS) memcpy(pci, &whole, offsetof(nvmlPciInfo_t, busId));
    return error;
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_v1_t *pci)
{
    nvmlPciInfo_t whole;
    nvmlReturn_t error = pci ? nvmlDeviceGetPciInfo_v3(device, &whole) : rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    if (error == NVML_SUCCESS) memcpy(pci, &whole, sizeof *pci);
    return error;
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_t *pci)
{
    if (pci && pci->version != NVML_STRUCT_VERSION(nvmlPciInfoExt_t, 1)) return rfml_refuse(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    nvmlPciInfo_t whole;
    nvmlReturn_t error = pci ? nvmlDeviceGetPciInfo_v3(device, &whole) : rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    if (error != NVML_SUCCESS) return error;
    *pci = (nvmlPciInfoExt_t){.version = pci->version, .domain = whole.domain, .bus = whole.bus, .device = whole.device, .pciDeviceId = whole.pciDeviceId,
                              .baseClass = 3, .subClass = 2}; /* display controller, 3D */
    memcpy(pci->busId, whole.busId, sizeof pci->busId);
    return NVML_SUCCESS;
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, minor ? major : NULL, &now);
    if (error != NVML_SUCCESS) return error;
    *major = (int)(now->capability >> 16);
    *minor = (int)(now->capability & 0xffff);
    return rfml_done(NVML_SUCCESS);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned int *arch)
{
    enum { MAXWELL = 3, PASCAL = 4, VOLTA = 5, TURING = 6, AMPERE = 7, ADA = 8, HOPPER = 9, BLACKWELL = 10 };
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, arch, &now);
    if (error != NVML_SUCCESS) return error;
    unsigned major = now->capability >> 16, minor = now->capability & 0xffff;
    *arch = major >= 10 ? BLACKWELL : major == 9 ? HOPPER : major == 8 ? (minor == 9 ? ADA : AMPERE) : major == 7 ? (minor == 5 ? TURING : VOLTA) : major == 6 ? PASCAL : MAXWELL;
    return rfml_done(NVML_SUCCESS);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    const struct rf_snapshot *now;
    nvmlReturn_t error = rfml_look(device, pending ? current : NULL, &now);
    if (error != NVML_SUCCESS) return error;
    *current = *pending = now->ecc != 0;
    return rfml_done(NVML_SUCCESS);
}

/* There is no second device to be a peer of; with itself a device shares everything. */
RFML_EXPORT nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device1, nvmlDevice_t device2, int p2pIndex, int *p2pStatus)
{
    (void)p2pIndex;
    if (device2 != rfml_device()) return rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    return rfml_constant(device1, (unsigned int *)p2pStatus, NVML_P2P_STATUS_OK);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t device1, nvmlDevice_t device2, int *onSameBoard)
{
    if (device2 != rfml_device()) return rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    return rfml_constant(device1, (unsigned int *)onSameBoard, 1);
}

RFML_EXPORT nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device1, nvmlDevice_t device2, unsigned int *pathInfo)
{
    if (device2 != rfml_device()) return rfml_refuse(NVML_ERROR_INVALID_ARGUMENT);
    return rfml_constant(device1, pathInfo, NVML_TOPOLOGY_INTERNAL);
}
