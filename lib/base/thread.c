#include "config.h"

#include "base/thread.h"

void thread_block_signals(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGPROF);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

int thread_start(pthread_t *thread, const pthread_attr_t *attr,
		 void *(*fn)(void *data), void *data)
{
	sigset_t before;
	int rc;

	thread_block_signals(&before);
	rc = pthread_create(thread, attr, fn, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}
