/*
 * Faults of the machine at a moment of the test's choosing: loaded before the server's own libraries (LD_PRELOAD).
 *
 * FAULTS names a folder.  A file in it is a fault that acts from now on, and its
 * content is what the path of the file that is met must contain:
 *
 *   read      read() of such a file fails with EIO
 *   cut       such a file is cut to nothing as soon as it has been opened
 *   replace   such a file is written anew as soon as it has been opened, as if it were an hour old
 *   map       mmap() of such a file fails with ENOMEM
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Without the functions below. */
static ssize_t
plain_read(int fd, void *buffer, size_t n)
{
	return syscall(SYS_read, fd, buffer, n);
}

static bool
acts_on(const char *fault, const char *path)
{
	const char *folder = getenv("FAULTS");
	char		name[4096];
	char		part[256];
	ssize_t		n;
	int			fd;

	if (folder == NULL)
		return false;
	snprintf(name, sizeof(name), "%s/%s", folder, fault);
	fd = (int) syscall(SYS_openat, AT_FDCWD, name, O_RDONLY);
	if (fd < 0)
		return false;
	n = plain_read(fd, part, sizeof(part) - 1);
	close(fd);
	if (n <= 0)
		return false;
	part[n] = '\0';
	return strstr(path, part) != NULL;
}

static bool
acts_on_open(const char *fault, int fd)
{
	int			kept_errno = errno;
	char		link[64];
	char		path[4096];
	ssize_t		n;
	bool		acts;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	acts = n > 0 && acts_on(fault, path);
	errno = kept_errno;
	return acts;
}

ssize_t
read(int fd, void *buffer, size_t n)
{
	if (acts_on_open("read", fd))
	{
		errno = EIO;
		return -1;
	}
	return plain_read(fd, buffer, n);
}

static int
opened(const char *path, int fd)
{
	struct timespec hour_ago[2] = {{.tv_sec = time(NULL) - 3600}, {.tv_sec = time(NULL) - 3600}};

	if (fd >= 0 && acts_on("cut", path) && truncate(path, 0) != 0)
		abort();
	if (fd >= 0 && acts_on("replace", path) && utimensat(AT_FDCWD, path, hour_ago, 0) != 0)
		abort();
	return fd;
}

int
open(const char *path, int flags,...)
{
	va_list		args;
	mode_t		mode;

	va_start(args, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return opened(path, (int) syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int			open64(const char *path, int flags,...) __attribute__((alias("open")));

typedef void *(*Map) (void *, size_t, int, int, int, off_t);

void *
mmap(void *address, size_t n, int protection, int flags, int fd, off_t offset)
{
	static Map next;

	if (next == NULL)
		next = (Map) dlsym(RTLD_NEXT, "mmap");
	if (fd >= 0 && acts_on_open("map", fd))
	{
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return next(address, n, protection, flags, fd, offset);
}

void	   *mmap64(void *address, size_t n, int protection, int flags, int fd, off_t offset) __attribute__((alias("mmap")));
