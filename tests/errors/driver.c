/* driver.c - before cuInit, the driver's own calls, and devices. */
#include "rows.h"

void rows_uninitialised(void)
{
    CUdevice device = 0;
    CUcontext context = NULL;
    CUdeviceptr pointer = 0;
    CUstream stream = NULL;
    CUevent event = NULL;
    CUmodule module = NULL;
    CUgraph graph = NULL;
    CUlibrary library = NULL;
    CUmemoryPool pool = NULL;
    size_t size = 0;
    int number = 0;
    void *host = NULL;
    const char *text = NULL;
    OK(cuDriverGetVersion(&number)); /* needs no cuInit */
    E(INVALID_VALUE, cuDriverGetVersion(NULL));
    OK(cuGetErrorName(CUDA_ERROR_INVALID_VALUE, &text));
    E(NOT_INITIALIZED, cuDeviceGet(&device, 0));
    E(NOT_INITIALIZED, cuDeviceGetCount(&number));
    E(NOT_INITIALIZED, cuDeviceGetAttribute(&number, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
    E(NOT_INITIALIZED, cuDevicePrimaryCtxRetain(&context, 0));
    E(NOT_INITIALIZED, cuCtxCreate_v2(&context, 0, 0));
    E(NOT_INITIALIZED, cuCtxGetCurrent(&context));
    E(NOT_INITIALIZED, cuCtxSetCurrent(NULL));
    E(NOT_INITIALIZED, cuCtxPopCurrent_v2(&context));
    E(NOT_INITIALIZED, cuCtxSynchronize());
    E(NOT_INITIALIZED, cuMemAlloc_v2(&pointer, 16));
    E(NOT_INITIALIZED, cuMemFree_v2(0));
    E(NOT_INITIALIZED, cuMemGetInfo_v2(&size, &size));
    E(NOT_INITIALIZED, cuMemHostAlloc(&host, 16, 0));
    E(NOT_INITIALIZED, cuMemcpyHtoD_v2(0, &size, sizeof size));
    E(NOT_INITIALIZED, cuMemsetD8_v2(0, 0, 1));
    E(NOT_INITIALIZED, cuStreamCreate(&stream, 0));
    E(NOT_INITIALIZED, cuStreamQuery(NULL));
    E(NOT_INITIALIZED, cuEventCreate(&event, 0));
    E(NOT_INITIALIZED, cuModuleLoadData(&module, rows_ptx));
    E(NOT_INITIALIZED, cuLibraryLoadData(&library, rows_ptx, NULL, NULL, 0, NULL, NULL, 0));
    E(NOT_INITIALIZED, cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    E(NOT_INITIALIZED, cuGraphCreate(&graph, 0));
    E(NOT_INITIALIZED, cuDeviceGetDefaultMemPool(&pool, 0));
    E(NOT_INITIALIZED, cuProfilerStart());
    /* Before anything else that is wrong with the call. */
    E(NOT_INITIALIZED, cuArrayCreate_v2(NULL, NULL));
    E(NOT_INITIALIZED, cuArrayGetDescriptor_v2(NULL, NULL));
    E(NOT_INITIALIZED, cuFuncGetName(NULL, NULL));
    E(NOT_INITIALIZED, cuGraphAddKernelNode_v2(NULL, NULL, NULL, 0, NULL));
    E(NOT_INITIALIZED, cuGraphAddMemcpyNode(NULL, NULL, NULL, 0, NULL, NULL));
    E(NOT_INITIALIZED, cuGraphHostNodeGetParams(NULL, NULL));
    E(NOT_INITIALIZED, cuGraphExecMemsetNodeSetParams(NULL, NULL, NULL, NULL));
    E(NOT_INITIALIZED, cuPointerGetAttribute(&number, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 16));
    E(INVALID_VALUE, cuInit(1));
    E(INVALID_VALUE, cuInit(0xffffffffu));
    OK(cuInit(0));
    OK(cuInit(0));
    E(INVALID_VALUE, cuInit(1)); /* later, too */
}

void rows_driver(void)
{
    const char *text = "untouched";
    int version = 0;
    void *function = &version;
    CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SUCCESS;
    const void *table = NULL;
    const CUuuid nobody = {{1, 2, 3}};
    OK(cuGetErrorName(CUDA_SUCCESS, &text));
    HOLDS(strcmp(text, "CUDA_SUCCESS") == 0);
    OK(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &text));
    text = "untouched";
    E(INVALID_VALUE, cuGetErrorName((CUresult)31337, &text));
    HOLDS(text == NULL);
    text = "untouched";
    E(INVALID_VALUE, cuGetErrorString((CUresult)-1, &text));
    HOLDS(text == NULL);
    E(INVALID_VALUE, cuGetErrorName(CUDA_SUCCESS, NULL));
    E(INVALID_VALUE, cuGetErrorString(CUDA_SUCCESS, NULL));
    OK(cuDriverGetVersion(&version));
    E(INVALID_VALUE, cuGetProcAddress_v2(NULL, &function, 12000, 0, &found));
    E(INVALID_VALUE, cuGetProcAddress_v2("cuInit", NULL, 12000, 0, &found));
    E(INVALID_VALUE, cuGetProcAddress_v2("cuInit", &function, version + 1000, 0, &found));
    E(INVALID_VALUE, cuGetProcAddress_v2("cuInit", &function, 12000, 8, &found));
    OK(cuGetProcAddress_v2("cuNoSuchThing", &function, 12000, 0, &found));
    HOLDS(function == NULL && found == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
    OK(cuGetProcAddress_v2("cuGraphCreate", &function, 2000, 0, &found));
    HOLDS(function == NULL && found == CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
    E(NOT_FOUND, cuGetProcAddress("cuNoSuchThing", &function, 12000, 0)); /* the first version has no status to say it with */
    HOLDS(function == NULL);
    OK(cuGetProcAddress_v2("cuInit", &function, 2000, 0, NULL));
    HOLDS(function != NULL);
    E(INVALID_VALUE, cuGetExportTable(NULL, &nobody));
    E(INVALID_VALUE, cuGetExportTable(&table, NULL));
    E(INVALID_VALUE, cuGetExportTable(&table, &nobody));
}

void rows_device(void)
{
    CUdevice device = 77;
    int number = 0, minor = 0;
    char name[64];
    size_t size = 0;
    CUuuid uuid;
    CUdevprop properties;
    OK(cuDeviceGetCount(&number));
    const int beyond = number;
    E(INVALID_VALUE, cuDeviceGetCount(NULL));
    E(INVALID_VALUE, cuDeviceGet(NULL, 0));
    E(INVALID_DEVICE, cuDeviceGet(&device, -1));
    E(INVALID_DEVICE, cuDeviceGet(&device, beyond));
    E(INVALID_DEVICE, cuDeviceGet(&device, 0x7fffffff));
    HOLDS(device == 77);
    OK(cuDeviceGet(&device, 0));
    E(INVALID_VALUE, cuDeviceGetName(NULL, sizeof name, 0));
    E(INVALID_VALUE, cuDeviceGetName(name, 0, 0));
    E(INVALID_VALUE, cuDeviceGetName(name, -1, 0));
    E(INVALID_DEVICE, cuDeviceGetName(name, sizeof name, beyond));
    E(INVALID_DEVICE, cuDeviceGetName(name, sizeof name, -1));
    memset(name, 'x', sizeof name);
    OK(cuDeviceGetName(name, 4, 0));
    HOLDS(name[3] == 0 && name[4] == 'x');
    E(INVALID_VALUE, cuDeviceGetUuid(NULL, 0));
    E(INVALID_DEVICE, cuDeviceGetUuid(&uuid, beyond));
    E(INVALID_VALUE, cuDeviceGetUuid_v2(NULL, 0));
    E(INVALID_DEVICE, cuDeviceGetUuid_v2(&uuid, -1));
    E(INVALID_VALUE, cuDeviceTotalMem_v2(NULL, 0));
    E(INVALID_DEVICE, cuDeviceTotalMem_v2(&size, beyond));
    E(INVALID_VALUE, cuDeviceGetAttribute(NULL, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
    E(INVALID_VALUE, cuDeviceGetAttribute(&number, (CUdevice_attribute)0, 0));
    E(INVALID_VALUE, cuDeviceGetAttribute(&number, (CUdevice_attribute)-1, 0));
    E(INVALID_VALUE, cuDeviceGetAttribute(&number, CU_DEVICE_ATTRIBUTE_MAX, 0));
    E(INVALID_DEVICE, cuDeviceGetAttribute(&number, CU_DEVICE_ATTRIBUTE_WARP_SIZE, beyond));
    E(INVALID_DEVICE, cuDeviceGetAttribute(&number, CU_DEVICE_ATTRIBUTE_WARP_SIZE, -1));
    E(INVALID_VALUE, cuDeviceGetProperties(NULL, 0));
    E(INVALID_DEVICE, cuDeviceGetProperties(&properties, beyond));
    E(INVALID_VALUE, cuDeviceComputeCapability(NULL, &minor, 0));
    E(INVALID_VALUE, cuDeviceComputeCapability(&number, NULL, 0));
    E(INVALID_DEVICE, cuDeviceComputeCapability(&number, &minor, beyond));
    E(INVALID_VALUE, cuDeviceGetPCIBusId(NULL, sizeof name, 0));
    E(INVALID_VALUE, cuDeviceGetPCIBusId(name, 0, 0));
    E(INVALID_DEVICE, cuDeviceGetPCIBusId(name, sizeof name, beyond));
    E(INVALID_VALUE, cuDeviceGetByPCIBusId(NULL, "0000:00:00.0"));
    E(INVALID_VALUE, cuDeviceGetByPCIBusId(&device, NULL));
    E(INVALID_VALUE, cuDeviceGetByPCIBusId(&device, "no bus"));
    OK(cuDeviceGetPCIBusId(name, sizeof name, 0));
    OK(cuDeviceGetByPCIBusId(&device, name));
    HOLDS(device == 0);
    E(INVALID_VALUE, cuDeviceCanAccessPeer(NULL, 0, 0));
    E(INVALID_DEVICE, cuDeviceCanAccessPeer(&number, 0, beyond));
    E(INVALID_DEVICE, cuDeviceCanAccessPeer(&number, beyond, 0));
    OK(cuDeviceCanAccessPeer(&number, 0, 0));
    HOLDS(number == 0);
    E(INVALID_DEVICE, cuDeviceGetP2PAttribute(&number, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 0));
    E(INVALID_DEVICE, cuDeviceGetP2PAttribute(&number, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, beyond));
    E(INVALID_VALUE, cuDeviceGetP2PAttribute(NULL, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 0));
    E(INVALID_DEVICE, cuDeviceGetP2PAttribute(&number, (CUdevice_P2PAttribute)0, 0, 0)); /* one device, which comes first */
    E(INVALID_VALUE, cuDeviceGetTexture1DLinearMaxWidth(NULL, CU_AD_FORMAT_FLOAT, 1, 0));
    E(INVALID_VALUE, cuDeviceGetTexture1DLinearMaxWidth(&size, CU_AD_FORMAT_FLOAT, 3, 0));
    E(INVALID_VALUE, cuDeviceGetTexture1DLinearMaxWidth(&size, (CUarray_format)0x77, 1, 0));
    E(INVALID_DEVICE, cuDeviceGetTexture1DLinearMaxWidth(&size, CU_AD_FORMAT_FLOAT, 1, beyond));
    E(INVALID_VALUE, cuDeviceGetExecAffinitySupport(NULL, CU_EXEC_AFFINITY_TYPE_SM_COUNT, 0));
    E(INVALID_VALUE, cuDeviceGetExecAffinitySupport(&number, CU_EXEC_AFFINITY_TYPE_MAX, 0));
    E(INVALID_DEVICE, cuDeviceGetExecAffinitySupport(&number, CU_EXEC_AFFINITY_TYPE_SM_COUNT, beyond));
    /* Asked without any context. */
    cuuint64_t value = 1;
    E(INVALID_DEVICE, cuDeviceGraphMemTrim(beyond));
    OK(cuDeviceGraphMemTrim(0));
    E(INVALID_VALUE, cuDeviceGetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, NULL));
    E(INVALID_VALUE, cuDeviceGetGraphMemAttribute(0, (CUgraphMem_attribute)99, &value));
    E(INVALID_DEVICE, cuDeviceGetGraphMemAttribute(beyond, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &value));
    value = 0;
    E(INVALID_VALUE, cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &value)); /* only the high marks can be set */
    OK(cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &value));
    value = 1;
    E(INVALID_VALUE, cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &value)); /* and only to 0 */
}
