#include "config.h"

#include "base/thread.h"

#include <signal.h>

int thread_start(pthread_t *thread, const pthread_attr_t *attr,
		 void *(*fn)(void *data), void *data)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGPROF);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(thread, attr, fn, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}
