/*
 * Preloaded: one call of a kind fails once in a whole session of processes.
 *
 *	MISHAP=KIND:N	the Nth call of that kind, counted from 1 over all
 *			processes, fails; none when N is 0
 *	MISHAP_FILE	what they count in (struct record)
 *	MISHAP_BELOW	only programs below that folder count
 *
 * Kinds: memory, write, fsync, connect, fork (threads are made by it as well)
 * and open (of whatever needs a descriptor).  What stdio writes does not pass
 * here, since libc calls itself within.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { MEMORY, WRITE, FSYNC, CONNECT, FORK, OPEN, KINDS };

#define FRAMES 24

/* mishaps.py reads it. */
struct record {
	_Atomic uint64_t calls[KINDS];
	_Atomic int32_t victim; /* the process where one failed */
	_Atomic int32_t crashed; /* one that died of a signal of its own … */
	_Atomic int32_t signal;  /* … and which */
	int32_t frames;
	char name[16]; /* of the victim */
	uint64_t offset[FRAMES]; /* where, in its program's file */
	uint64_t crash_offset;
};

static struct record *record;
static enum kind wanted;
static uint64_t number; /* 0: none fails here, or none any more */
static uintptr_t base; /* of the program */

/* Of libc's own, which dlsym() calls as well. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static void tell_place(void)
{
	void *frames[FRAMES];
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);

	record->frames = backtrace(frames, FRAMES);
	for (int i = 0; i < record->frames; i++)
		record->offset[i] = (uintptr_t)frames[i] - base;
	if (fd >= 0) {
		ssize_t n = read(fd, record->name, sizeof(record->name) - 1);

		if (n > 0)
			record->name[n - 1] = '\0';
		close(fd);
	}
}

static bool fails(enum kind kind)
{
	if (!record || atomic_fetch_add(&record->calls[kind], 1) + 1 != number ||
	    kind != wanted)
		return false;
	atomic_store(&record->victim, getpid());
	/* What it calls shall not fail as well. */
	number = 0;
	tell_place();
	return true;
}

static void note_crash(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	atomic_store(&record->crashed, getpid());
	atomic_store(&record->signal, sig);
	if (!record->crash_offset) {
		void *frames[4];

		if (backtrace(frames, 4) == 4)
			record->crash_offset = (uintptr_t)frames[3] - base;
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

static void watch_crashes(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE };
	struct sigaction action = { .sa_sigaction = note_crash,
				    .sa_flags = SA_SIGINFO | SA_NODEFER };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
}

static uintptr_t program_base(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long first = 0;

	if (maps) {
		if (fscanf(maps, "%lx", &first) != 1)
			first = 0;
		fclose(maps);
	}
	return first;
}

static void __attribute__((constructor)) begin(void)
{
	static const char *const kinds[] = {
		[MEMORY] = "memory:",	[WRITE] = "write:", [FSYNC] = "fsync:",
		[CONNECT] = "connect:", [FORK] = "fork:",   [OPEN] = "open:",
	};
	const char *what = getenv("MISHAP"), *path = getenv("MISHAP_FILE");
	const char *below = getenv("MISHAP_BELOW");
	struct record *shared;
	void *frames[1];
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int fd;

	if (!what || !path || !below || n < 0)
		return;
	exe[n] = '\0';
	if (strncmp(exe, below, strlen(below)) != 0)
		return;
	for (enum kind i = 0; i < KINDS; i++)
		if (strncmp(what, kinds[i], strlen(kinds[i])) == 0) {
			wanted = i;
			number = strtoull(what + strlen(kinds[i]), NULL, 10);
		}
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		return;
	base = program_base();
	backtrace(frames, 1); /* loads libgcc now */
	watch_crashes();
	record = shared;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
/* The function of libc, looked up once. */
#define NEXT(name)                                                             \
	static __typeof__(&name) next;                                         \
	if (!next)                                                             \
		next = REAL(name)

#define FAIL(kind, errnum, value)                                              \
	do {                                                                   \
		if (fails(kind)) {                                             \
			errno = errnum;                                        \
			return value;                                          \
		}                                                              \
	} while (0)

/* ---- memory ---- */

void *malloc(size_t size)
{
	FAIL(MEMORY, ENOMEM, NULL);
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	FAIL(MEMORY, ENOMEM, NULL);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	FAIL(MEMORY, ENOMEM, NULL);
	return __libc_realloc(p, size);
}

/* ---- writing ---- */

/* libuv ends the process when it gets no threads for its pool, or no pipe for
 * signals: that is not ours to mend. */
static bool is_libuv(const void *caller)
{
	Dl_info info;

	return dladdr(caller, &info) && info.dli_fname &&
	       strstr(info.dli_fname, "/libuv.so");
}

/* Sets errno to what that kind of descriptor says when it cannot take any more.
 * A socket is broken for both ends then, as it is by a network.  A pipe breaks
 * only with its reader, and an event counter (of no kind) never. */
static bool write_fails(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !(st.st_mode & S_IFMT) ||
	    S_ISFIFO(st.st_mode) || !fails(WRITE))
		return false;
	if (S_ISSOCK(st.st_mode))
		shutdown(fd, SHUT_RDWR);
	errno = S_ISSOCK(st.st_mode) ? ECONNRESET : ENOSPC;
	return true;
}

ssize_t write(int fd, const void *buf, size_t len)
{
	NEXT(write);
	if (write_fails(fd))
		return -1;
	return next(fd, buf, len);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	NEXT(writev);
	if (write_fails(fd))
		return -1;
	return next(fd, iov, n);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	NEXT(pwrite);
	if (write_fails(fd))
		return -1;
	return next(fd, buf, len, offset);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	NEXT(send);
	if (write_fails(fd))
		return -1;
	return next(fd, buf, len, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	NEXT(sendmsg);
	if (write_fails(fd))
		return -1;
	return next(fd, message, flags);
}

int fsync(int fd)
{
	NEXT(fsync);
	FAIL(FSYNC, EIO, -1);
	return next(fd);
}

int fdatasync(int fd)
{
	NEXT(fdatasync);
	FAIL(FSYNC, EIO, -1);
	return next(fd);
}

int ftruncate(int fd, off_t size)
{
	NEXT(ftruncate);
	FAIL(WRITE, ENOSPC, -1);
	return next(fd, size);
}

/* ---- connecting ---- */

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	NEXT(connect);
	FAIL(CONNECT, ECONNREFUSED, -1);
	return next(fd, address, len);
}

/* ---- processes and threads ---- */

pid_t fork(void)
{
	NEXT(fork);
	FAIL(FORK, EAGAIN, -1);
	return next();
}

#ifdef __x86_64__
/* It returns twice to the same frame, so nothing of ours may be in between. */
pid_t (*mishap_vfork)(void);

int mishap_vfork_fails(void)
{
	if (!mishap_vfork)
		mishap_vfork = (pid_t(*)(void))dlsym(RTLD_NEXT, "vfork");
	FAIL(FORK, EAGAIN, 1);
	return 0;
}

__asm__(".text\n"
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	"	subq $8, %rsp\n"
	"	call mishap_vfork_fails@PLT\n"
	"	addq $8, %rsp\n"
	"	testl %eax, %eax\n"
	"	jnz 1f\n"
	"	movq mishap_vfork@GOTPCREL(%rip), %rax\n"
	"	jmp *(%rax)\n"
	"1:	movq $-1, %rax\n"
	"	ret\n"
	".size vfork, . - vfork\n");
#endif

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*fn)(void *), void *data)
{
	NEXT(pthread_create);
	if (!is_libuv(__builtin_return_address(0)) && fails(FORK))
		return EAGAIN;
	return next(thread, attr, fn, data);
}

/* ---- descriptors ---- */

/* A file that is made has a mode behind `flags`. */
#define TAKE_MODE(mode, flags)                                                 \
	do {                                                                   \
		va_list args;                                                  \
                                                                               \
		if ((flags) & (O_CREAT | __O_TMPFILE)) {                       \
			va_start(args, flags);                                 \
			(mode) = va_arg(args, mode_t);                         \
			va_end(args);                                          \
		}                                                              \
	} while (0)

int open(const char *path, int flags, ...)
{
	NEXT(open);
	mode_t mode = 0;

	TAKE_MODE(mode, flags);
	FAIL(OPEN, EMFILE, -1);
	return next(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
	NEXT(openat);
	mode_t mode = 0;

	TAKE_MODE(mode, flags);
	FAIL(OPEN, EMFILE, -1);
	return next(at, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	NEXT(fopen);
	FAIL(OPEN, EMFILE, NULL);
	return next(path, mode);
}

int socket(int domain, int type, int protocol)
{
	NEXT(socket);
	FAIL(OPEN, EMFILE, -1);
	return next(domain, type, protocol);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
	NEXT(socketpair);
	FAIL(OPEN, EMFILE, -1);
	return next(domain, type, protocol, fds);
}

int pipe2(int fds[2], int flags)
{
	NEXT(pipe2);
	if (!is_libuv(__builtin_return_address(0)))
		FAIL(OPEN, EMFILE, -1);
	return next(fds, flags);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	NEXT(accept4);
	FAIL(OPEN, EMFILE, -1);
	return next(fd, address, len, flags);
}

int epoll_create1(int flags)
{
	NEXT(epoll_create1);
	FAIL(OPEN, EMFILE, -1);
	return next(flags);
}

int eventfd(unsigned int n, int flags)
{
	NEXT(eventfd);
	FAIL(OPEN, EMFILE, -1);
	return next(n, flags);
}
