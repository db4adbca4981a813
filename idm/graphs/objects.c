/*
 * User objects: a destructor and a count of references, some of which graphs hold. Destructors run without the lock, on the
 * thread whose call took the last reference.
 */
#include <stdlib.h>

#include "graph.h"

struct object {
  struct object *next_due;
  uint64_t handle;
  void *data;
  CUhostFn destroy;
  uint64_t references;
};

static struct object *due, **due_end = &due;

static void release(struct object *object, uint64_t count) {
  object->references -= count;
  if (object->references) return;
  graph_handle_free(GRAPH_KIND_OBJECT, object->handle);
  object->next_due = NULL;
  *due_end = object;
  due_end = &object->next_due;
}

void graph_objects_run(void) {
  for (;;) {
    graph_lock();
    struct object *const object = due;
    if (object && !(due = object->next_due)) due_end = &due;
    graph_unlock();
    if (!object) return;
    object->destroy(object->data);
    free(object);
  }
}

static struct graph_object_ref *reference(struct graph *graph, uint64_t handle) {
  for (unsigned i = 0; i < graph->object_count; i++)
    if (graph->objects[i].object == handle) return &graph->objects[i];
  return NULL;
}

static CUresult hold(struct graph *graph, struct object *object, unsigned count) {
  struct graph_object_ref *ref = reference(graph, object->handle);
  if (!ref) {
    struct graph_object_ref *const list = realloc(graph->objects, (graph->object_count + 1) * sizeof *list);
    if (!list) return CUDA_ERROR_OUT_OF_MEMORY;
    graph->objects = list;
    ref = &list[graph->object_count++];
    *ref = (struct graph_object_ref){object->handle, 0};
  }
  ref->count += count;
  return CUDA_SUCCESS;
}

CUresult graph_objects_copy(struct graph *to, const struct graph *from) {
  for (unsigned i = 0; i < from->object_count; i++) {
    struct object *const object = graph_handle_find(GRAPH_KIND_OBJECT, from->objects[i].object);
    if (!object) continue;
    GRAPH_TRY(hold(to, object, 1));
    object->references++;
  }
  return CUDA_SUCCESS;
}

void graph_objects_release(struct graph *graph) {
  for (unsigned i = 0; i < graph->object_count; i++) {
    struct object *const object = graph_handle_find(GRAPH_KIND_OBJECT, graph->objects[i].object);
    if (object) release(object, graph->objects[i].count);
  }
  graph->object_count = 0;
}

CUresult GRAPH_CALL(cuUserObjectCreate)(CUuserObject *object_out, void *ptr, CUhostFn destroy, unsigned int initialRefcount, unsigned int flags) {
  GRAPH_ENTER();
  if (!object_out || !destroy || !initialRefcount || initialRefcount > INT32_MAX || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC)
    return CUDA_ERROR_INVALID_VALUE;
  struct object *const object = calloc(1, sizeof *object);
  if (!object) return CUDA_ERROR_OUT_OF_MEMORY;
  object->data = ptr;
  object->destroy = destroy;
  object->references = initialRefcount;
  graph_lock();
  object->handle = graph_handle_new(GRAPH_KIND_OBJECT, object);
  graph_unlock();
  if (!object->handle) {
    free(object);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *object_out = (CUuserObject)(uintptr_t)object->handle;
  return CUDA_SUCCESS;
}

static CUresult change(CUuserObject handle, unsigned count, bool retain) {
  graph_lock();
  struct object *const object = GRAPH_FIND(GRAPH_KIND_OBJECT, handle);
  CUresult result = object && count && count <= INT32_MAX ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  if (!result && !retain && count > object->references) result = CUDA_ERROR_INVALID_VALUE;
  if (!result && retain) object->references += count;
  if (!result && !retain) release(object, count);
  graph_unlock();
  graph_objects_run();
  return result;
}

CUresult GRAPH_CALL(cuUserObjectRetain)(CUuserObject object, unsigned int count) {
  GRAPH_ENTER();
  return change(object, count, true);
}

CUresult GRAPH_CALL(cuUserObjectRelease)(CUuserObject object, unsigned int count) {
  GRAPH_ENTER();
  return change(object, count, false);
}

CUresult GRAPH_CALL(cuGraphRetainUserObject)(CUgraph graph, CUuserObject object, unsigned int count, unsigned int flags) {
  GRAPH_ENTER();
  graph_lock();
  struct graph *const found = GRAPH_FIND(GRAPH_KIND_GRAPH, graph);
  struct object *const held = GRAPH_FIND(GRAPH_KIND_OBJECT, object);
  const bool good = found && held && count && count <= INT32_MAX && !(flags & ~(unsigned)CU_GRAPH_USER_OBJECT_MOVE);
  CUresult result = good ? hold(found, held, count) : CUDA_ERROR_INVALID_VALUE;
  if (!result && !(flags & CU_GRAPH_USER_OBJECT_MOVE)) held->references += count;
  graph_unlock();
  return result;
}

CUresult GRAPH_CALL(cuGraphReleaseUserObject)(CUgraph graph, CUuserObject object, unsigned int count) {
  GRAPH_ENTER();
  graph_lock();
  struct graph *const found = GRAPH_FIND(GRAPH_KIND_GRAPH, graph);
  struct object *const held = GRAPH_FIND(GRAPH_KIND_OBJECT, object);
  struct graph_object_ref *const ref = found && held ? reference(found, held->handle) : NULL;
  const CUresult result = ref && count && count <= ref->count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  if (!result) {
    ref->count -= count;
    if (!ref->count) *ref = found->objects[--found->object_count];
    release(held, count);
  }
  graph_unlock();
  graph_objects_run();
  return result;
}
