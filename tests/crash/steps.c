/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tracer, and the table of what it found; steps.h has the idea.
 *
 *	steps [-v] [CASE...]
 */
#include "tests/crash/steps.h"

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

#define PAGE		4096u
/* Of a mapped file, after each instruction: the operations here change no more
 * of one; all of it after each system call. */
#define LOOK_SIZE	(32u << 10)
#define SYSCALL_CODE	0x050fu		/* the instruction's bytes */
#define EXIT_SKIPPED	77

enum phase { PHASE_BEFORE, PHASE_RUNNING, PHASE_DONE };

struct image {
	char path[600];
	int fd;
	uint8_t *map;
	uint8_t *copy;		/* as last judged */
	size_t size;
	bool writable;		/* mapped so by the child */
};

struct trace {
	const struct step_case *a_case;
	pid_t pid;
	struct image images[STEPS_FILES_MAX];
	int image_count;
	uint64_t instructions, calls;
	uint64_t states, torn, broken;
	enum step_verdict last;
};

char steps_dir[256];

static volatile int *phase;
static bool verbose;

static bool	run_case(const struct step_case *);
static pid_t	begin(const struct step_case *);
static void	step_through(struct trace *);
static void	step_one(struct trace *);
static bool	is_call(pid_t, const struct user_regs_struct *);
static void	images_open(struct trace *);
static void	images_close(struct trace *);
static void	images_find_writable(struct trace *);
static void	image_map(struct image *);
static bool	image_changed(struct image *, bool);
static void	image_take(struct trace *, struct image *, bool);
static void	judge(struct trace *, bool);
static enum step_verdict judge_files(struct trace *);
static void	write_state(struct trace *, const char *);
static void	wait_stopped(pid_t);
static void	remove_tree(const char *);

void
steps_must(bool condition, const char *what)
{
	if (!condition) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	const struct step_case *const tables[] = { steps_shm, steps_store };
	const char *parent = getenv("TMPDIR");
	bool good = true;

	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		verbose = true;
		argc--;
		argv++;
	}
	phase = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	steps_must(phase != MAP_FAILED, "mmap");
	snprintf(steps_dir, sizeof(steps_dir), "%s/raftsup-steps.XXXXXX",
	    parent != NULL ? parent : access("/dev/shm", W_OK) == 0 ?
	    "/dev/shm" : "/tmp");
	steps_must(mkdtemp(steps_dir) != NULL, steps_dir);
	printf("%-24s %12s %8s %8s %8s %8s\n", "operation", "instructions",
	    "calls", "states", "torn", "broken");
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct step_case *c = tables[t]; c->name != NULL;
		    c++) {
			bool wanted = argc == 1;

			for (int i = 1; i < argc; i++) {
				wanted = wanted || strcmp(argv[i],
				    c->name) == 0;
			}
			good = (!wanted || run_case(c)) && good;
		}
	}
	remove_tree(steps_dir);
	printf("%s\n", good ? "PASS" : "FAIL");
	return good ? 0 : 1;
}

static bool
run_case(const struct step_case *a_case)
{
	struct trace trace = { .a_case = a_case, .last = STEP_OLD };
	bool good;
	int status;

	a_case->prepare();
	trace.pid = begin(a_case);
	if (a_case->reopen != NULL) {
		images_open(&trace);
		images_find_writable(&trace);
	}
	judge(&trace, true);
	step_through(&trace);
	good = trace.broken == 0 && trace.last == STEP_NEW;
	(void)kill(trace.pid, SIGKILL);
	while (waitpid(trace.pid, &status, 0) == -1 && errno == EINTR) {
	}
	images_close(&trace);
	a_case->finish();
	printf("%-24s %12" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
	    " %8" PRIu64 "%s\n", a_case->name, trace.instructions,
	    trace.calls, trace.states, trace.torn, trace.broken,
	    a_case->trap ? trace.broken > 0 ? "  (as it must be)" :
	    "  NOT FOUND" : good ? "" : "  BROKEN");
	fflush(stdout);
	return a_case->trap ? trace.broken > 0 : good;
}

/* A child that stands just before the operation. */
static pid_t
begin(const struct step_case *a_case)
{
	pid_t pid;

	*phase = PHASE_BEFORE;
	fflush(NULL);
	pid = fork();
	steps_must(pid != -1, "fork");
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1) {
			printf("skipped: ptrace: %s\n", strerror(errno));
			fflush(NULL);
			_exit(EXIT_SKIPPED);
		}
		a_case->before();
		(void)raise(SIGSTOP);
		*phase = PHASE_RUNNING;
		a_case->run();
		*phase = PHASE_DONE;
		(void)raise(SIGSTOP);
		_exit(0);
	}
	wait_stopped(pid);
	steps_must(ptrace(PTRACE_SETOPTIONS, pid, NULL,
	    PTRACE_O_EXITKILL) == 0, "PTRACE_SETOPTIONS");
	return pid;
}

static void
wait_stopped(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1) {
		steps_must(errno == EINTR, "waitpid");
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
		remove_tree(steps_dir);
		exit(EXIT_SKIPPED);
	}
	if (!WIFSTOPPED(status) || (WSTOPSIG(status) != SIGTRAP &&
	    WSTOPSIG(status) != SIGSTOP)) {
		fprintf(stderr, "the child ended, or died: status %x\n",
		    (unsigned int)status);
		exit(1);
	}
}

static void
step_through(struct trace *trace)
{
	bool running = false;

	while (*phase != PHASE_DONE) {
		step_one(trace);
		running = running || *phase == PHASE_RUNNING;
		if (running) {
			trace->instructions++;
		}
	}
}

/* One instruction, and a look at what it left. */
static void
step_one(struct trace *trace)
{
	struct user_regs_struct regs;
	bool call, changed = false;

	steps_must(ptrace(PTRACE_GETREGS, trace->pid, NULL, &regs) == 0,
	    "PTRACE_GETREGS");
	call = is_call(trace->pid, &regs);
	steps_must(ptrace(PTRACE_SINGLESTEP, trace->pid, NULL, NULL) == 0,
	    "PTRACE_SINGLESTEP");
	wait_stopped(trace->pid);
	if (trace->a_case->look != NULL) {
		judge(trace, false);
		return;
	}
	trace->calls += call;
	for (int i = 0; i < trace->image_count; i++) {
		struct image *image = &trace->images[i];

		if ((call || image->writable) && image_changed(image, call)) {
			image_take(trace, image, call);
			changed = true;
		}
	}
	if (call) {
		images_find_writable(trace);
	}
	if (changed) {
		judge(trace, true);
	}
}

/* Is the next instruction a system call? */
static bool
is_call(pid_t pid, const struct user_regs_struct *regs)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, (void *)(uintptr_t)regs->rip,
	    NULL);
	return errno == 0 && ((unsigned long)word & 0xffff) == SYSCALL_CODE;
}

/* ---------------------------------------------------------------- images */

static void
images_open(struct trace *trace)
{
	for (int i = 0; trace->a_case->files[i] != NULL; i++) {
		struct image *image = &trace->images[trace->image_count++];

		snprintf(image->path, sizeof(image->path), "%s/%s",
		    steps_dir, trace->a_case->files[i]);
		image->fd = open(image->path, O_RDONLY | O_CLOEXEC);
		steps_must(image->fd != -1, image->path);
		image_map(image);
		image->copy = malloc(image->size);
		steps_must(image->copy != NULL, "malloc");
		memcpy(image->copy, image->map, image->size);
	}
}

static void
image_map(struct image *image)
{
	struct stat st;

	steps_must(fstat(image->fd, &st) == 0 && st.st_size > 0,
	    image->path);
	image->size = (size_t)st.st_size;
	image->map = mmap(NULL, image->size, PROT_READ, MAP_SHARED,
	    image->fd, 0);
	steps_must(image->map != MAP_FAILED, image->path);
}

static void
images_close(struct trace *trace)
{
	for (int i = 0; i < trace->image_count; i++) {
		struct image *image = &trace->images[i];

		munmap(image->map, image->size);
		free(image->copy);
		close(image->fd);
	}
}

/* Which files can change without a call: /proc/PID/maps, `rw-s`. */
static void
images_find_writable(struct trace *trace)
{
	char path[64], line[1024];
	FILE *maps;

	for (int i = 0; i < trace->image_count; i++) {
		trace->images[i].writable = false;
	}
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)trace->pid);
	maps = fopen(path, "re");
	steps_must(maps != NULL, path);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, " rw-s ") == NULL) {
			continue;
		}
		for (int i = 0; i < trace->image_count; i++) {
			struct image *image = &trace->images[i];

			image->writable = image->writable ||
			    strstr(line, image->path) != NULL;
		}
	}
	fclose(maps);
}

static bool
image_changed(struct image *image, bool call)
{
	size_t size = image->size;
	struct stat st;

	if (call) {
		steps_must(fstat(image->fd, &st) == 0, image->path);
		if ((size_t)st.st_size != image->size) {
			return true;
		}
	} else if (size > LOOK_SIZE) {
		size = LOOK_SIZE;
	}
	return memcmp(image->map, image->copy, size) != 0;
}

/*
 * Takes the new contents over; a write of several pages is taken page by
 * page, and all that is judged between two pages is a state of its own.
 */
static void
image_take(struct trace *trace, struct image *image, bool call)
{
	size_t size = image->size, at, length, changed = 0;

	if (call) {
		munmap(image->map, image->size);
		image_map(image);
		image->copy = realloc(image->copy, image->size);
		steps_must(image->copy != NULL, "realloc");
		if (image->size > size) {
			memset(image->copy + size, 0, image->size - size);
		}
	}
	for (at = 0; at < image->size; at += PAGE) {
		length = image->size - at < PAGE ? image->size - at : PAGE;
		if (memcmp(image->copy + at, image->map + at, length) == 0) {
			continue;
		}
		if (changed++ > 0 && call) {
			trace->torn++;
			judge(trace, true);
		}
		memcpy(image->copy + at, image->map + at, length);
	}
}

/* --------------------------------------------------------------- verdicts */

static void
judge(struct trace *trace, bool changed)
{
	enum step_verdict verdict = trace->a_case->look != NULL ?
	    trace->a_case->look() : judge_files(trace);

	trace->states += changed || verdict != trace->last;
	if (verdict == STEP_BROKEN || verdict < trace->last) {
		if (trace->broken++ == 0 && (verbose ||
		    !trace->a_case->trap)) {
			fprintf(stderr, "%s: %s after %" PRIu64
			    " instructions\n", trace->a_case->name,
			    verdict == STEP_BROKEN ? "broken" : "went back",
			    trace->instructions);
		}
		return;
	}
	trace->last = verdict;
}

static enum step_verdict
judge_files(struct trace *trace)
{
	char dir[300];
	int status;
	pid_t pid;

	snprintf(dir, sizeof(dir), "%s/after", steps_dir);
	remove_tree(dir);
	steps_must(mkdir(dir, 0700) == 0, dir);
	write_state(trace, dir);
	fflush(NULL);
	pid = fork();
	steps_must(pid != -1, "fork");
	if (pid == 0) {
		if (!verbose && trace->a_case->trap) {
			int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

			dup2(null, STDERR_FILENO);
		}
		_exit((int)trace->a_case->reopen(dir));
	}
	while (waitpid(pid, &status, 0) == -1) {
		steps_must(errno == EINTR, "waitpid");
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) > STEP_NEW) {
		return STEP_BROKEN;
	}
	return (enum step_verdict)WEXITSTATUS(status);
}

static void
write_state(struct trace *trace, const char *dir)
{
	char path[1000];

	for (int i = 0; i < trace->image_count; i++) {
		const struct image *image = &trace->images[i];
		size_t done = 0;
		int fd;

		snprintf(path, sizeof(path), "%s/%s", dir,
		    trace->a_case->files[i]);
		for (char *at = path + strlen(dir) + 1;
		    (at = strchr(at, '/')) != NULL; at++) {
			*at = '\0';
			steps_must(mkdir(path, 0700) == 0 || errno == EEXIST,
			    path);
			*at = '/';
		}
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		steps_must(fd != -1, path);
		while (done < image->size) {
			ssize_t n = write(fd, image->copy + done,
			    image->size - done);

			steps_must(n > 0, path);
			done += (size_t)n;
		}
		close(fd);
	}
}

static void
remove_tree(const char *path)
{
	struct err_buf err;

	steps_must(fs_remove_tree(path, &err) == ERR_OK, path);
}
