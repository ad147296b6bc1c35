/*
 * service: the methods of the service "Supervisor" (supervisor.c); what each
 * does stands in supervisor.h.
 */
#ifndef SUPERVISOR_SERVICE_H
#define SUPERVISOR_SERVICE_H

#include "supervisor/worker.h"

/* The service for a server; its state is the worker. */
struct rpc_service supervisor_service(struct worker *worker);

/* Loop thread: ends the worker, which data is, as Shutdown does. */
void supervisor_stop(void *data);

#endif
