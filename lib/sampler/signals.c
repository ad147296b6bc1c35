#include "config.h"

#include "sampler/signals.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "sampler/cpu.h"
#include "sampler/lock.h"
#include "sampler/threads.h"
#include "sampler/unwind.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* What our signals carry: the upper half tells them from others'. */
#define COOKIE_CPU ((uintptr_t)0xb16c0001 << 32)
#define COOKIE_THREADS ((uintptr_t)0xb16c0002 << 32)
#define COOKIE_MASK ((uintptr_t)0xffffffff << 32)

/* A handler has no other way to its state. */
static struct {
	struct lock lock;
	bool set;
	struct sigaction before;
	_Atomic pid_t pid;
} ours;

static void pass_on(int number, siginfo_t *info, void *context)
{
	const struct sigaction *before = &ours.before;

	if (before->sa_flags & SA_SIGINFO)
		before->sa_sigaction(number, info, context);
	else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
		before->sa_handler(number);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	uintptr_t value = (uintptr_t)info->si_value.sival_ptr;
	uintptr_t cookie = value & COOKIE_MASK;
	int saved = errno;

	if (info->si_code == SI_TIMER && cookie == COOKIE_CPU)
		cpu_sample(context, (unsigned)info->si_overrun);
	else if (info->si_code == SI_QUEUE && cookie == COOKIE_THREADS &&
		 info->si_pid == atomic_load(&ours.pid))
		threads_sample(context, (uint32_t)value);
	else
		pass_on(number, info, context);
	errno = saved;
}

static int set_handler(struct bigm_error *err)
{
	struct sigaction action = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK,
	}, before;

	/* One of ours is never interrupted by another. */
	sigfillset(&action.sa_mask);
	if (sigaction(SIGNALS_NUMBER, NULL, &before) < 0)
		return error_set_errno(err, errno, "SIGPROF");
	if ((before.sa_flags & SA_SIGINFO) && before.sa_sigaction == on_signal)
		return 0;
	ours.before = before;
	if (sigaction(SIGNALS_NUMBER, &action, NULL) < 0)
		return error_set_errno(err, errno, "SIGPROF");
	return 0;
}

int signals_begin(struct bigm_error *err)
{
	int rc = 0;

	atomic_store(&ours.pid, getpid());
	lock_take(&ours.lock);
	if (!ours.set && !unwind_prepare())
		rc = bigm_error_set(err, BIGM_EUNSUPPORTED, "this C library "
				    "cannot unwind stacks in a signal's "
				    "handler: it takes glibc 2.35");
	if (rc == 0)
		rc = set_handler(err);
	if (rc == 0)
		ours.set = true;
	lock_give(&ours.lock);
	return rc;
}

/* The clock of one thread's CPU time, as the kernel numbers it, which
 * pthread_getcpuclockid() makes of what we do not have, a pthread_t. */
static clockid_t clock_of(pid_t tid)
{
	return (clockid_t)((~(unsigned)tid << 3) | 4 | 2);
}

int signals_timer_start(pid_t tid, long interval_ns, timer_t *timer)
{
	struct itimerspec often = {
		.it_interval = { interval_ns / 1000000000,
				 interval_ns % 1000000000 },
		.it_value = { interval_ns / 1000000000,
			      interval_ns % 1000000000 },
	};
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGNALS_NUMBER,
		.sigev_value.sival_ptr = (void *)COOKIE_CPU,
	};
	int rc;

	event.sigev_notify_thread_id = tid;
	if (timer_create(clock_of(tid), &event, timer) < 0)
		return errno;
	if (timer_settime(*timer, 0, &often, NULL) == 0)
		return 0;
	rc = errno;
	timer_delete(*timer);
	return rc;
}

void signals_timer_stop(timer_t timer)
{
	timer_delete(timer);
}

int signals_send(pid_t tid, uint32_t token)
{
	siginfo_t info = { 0 };

	info.si_signo = SIGNALS_NUMBER;
	info.si_code = SI_QUEUE;
	info.si_pid = atomic_load(&ours.pid);
	info.si_uid = getuid();
	info.si_value.sival_ptr = (void *)(COOKIE_THREADS | token);
	return syscall(SYS_rt_tgsigqueueinfo, info.si_pid, tid, SIGNALS_NUMBER,
		       &info) < 0 ? errno : 0;
}

void signals_end(void)
{
	lock_take(&ours.lock);
	if (ours.set) {
		/* Being ignored, those that are pending are dropped. */
		signal(SIGNALS_NUMBER, SIG_IGN);
		ours.set = false;
	}
	lock_give(&ours.lock);
}

void signals_forked(void)
{
	atomic_store(&ours.pid, 0);
}
