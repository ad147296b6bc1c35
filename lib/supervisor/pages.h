/*
 * pages: the debug pages of a machine: what its keeper shows of all machines,
 * of itself.  Handlers run on any thread, with the worker as data.
 */
#ifndef SUPERVISOR_PAGES_H
#define SUPERVISOR_PAGES_H

struct worker;

/* worker->pages, and, unless boot->no_http says not to, a server on a loopback
 * device that shows them; a failure is only logged.  On the loop's
 * thread, or before it runs. */
void worker_pages_init(struct worker *worker);
/* Before its server and its handle go. */
void worker_pages_release(struct worker *worker);

#endif
