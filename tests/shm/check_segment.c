/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The segment: creation, attachment, what is refused (S5), who may write
 * where, rows and pages in two copies, the recorder.
 */
#include "shm/segment.h"

#include <sys/stat.h>

#include "shm/publish.h"
#include "shm/recorder.h"
#include "tests/shm/shm_test.h"

static char name[SEGMENT_NAME_SIZE];
static struct segment *segment;

static void
setup(void)
{
	segment = test_segment(name, 5);
}

static void
teardown(void)
{
	test_segment_end(segment);
}

static int
attach_code(const char *which, enum segment_access access)
{
	struct segment *other;
	struct err_buf err = { "" };
	int code = segment_attach(&other, which, access, &err);

	if (code == ERR_OK) {
		segment_detach(other);
	} else {
		ck_assert_ptr_null(other);
		ck_assert_str_ne(err.text, "");
	}
	return code;
}

START_TEST(test_names)
{
	char first[SEGMENT_NAME_SIZE], second[SEGMENT_NAME_SIZE];
	char prefix[SEGMENT_NAME_SIZE];
	struct err_buf err = { "" };

	ck_assert_int_eq(segment_name(first, "/usr/../usr/bin/.", &err),
	    ERR_OK);
	ck_assert_int_eq(segment_name(second, "/usr/bin", &err), ERR_OK);
	ck_assert_str_eq(first, second);
	(void)snprintf(prefix, sizeof(prefix), "/raftsup-%u-",
	    (unsigned)geteuid());
	ck_assert(strncmp(first, prefix, strlen(prefix)) == 0);
	ck_assert_uint_eq(strlen(first), strlen(prefix) + 16);
	ck_assert_uint_eq(
	    strspn(first + strlen(prefix), "0123456789abcdef"), 16);
	ck_assert_int_eq(segment_name(second, "/usr", &err), ERR_OK);
	ck_assert_str_ne(first, second);
	ck_assert_int_eq(segment_name(second, "/no/such/place", &err),
	    ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.text, "/no/such/place"));
}
END_TEST

START_TEST(test_create_attach)
{
	struct segment_config config = test_config();
	struct segment *other;
	struct err_buf err = { "" };
	struct stat st;
	const struct segment_config *seen;
	uint64_t wall;

	ck_assert_int_eq(segment_create(&other, name, &config, 5, &err),
	    ERR_EXISTS);
	ck_assert_ptr_null(other);
	ck_assert_int_eq(fstat(segment->fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	/* The clients' rings come later; check_slot.c has the whole. */
	ck_assert_int_lt(st.st_blocks * 512, 11 << 20);

	other = test_attach(name, SEGMENT_NODE);
	ck_assert_ptr_nonnull(other);
	ck_assert_str_eq(segment_own_name(other), name);
	seen = segment_config(other);
	ck_assert(memcmp(seen, &config, sizeof(config)) == 0);
	ck_assert(memcmp(segment_config(segment), &config,
	    sizeof(config)) == 0);
	wall = segment_wall_ns(other, clock_now_ns());
	ck_assert_uint_eq(segment_wall_ns(segment, 5),
	    segment_wall_ns(other, 5));
	ck_assert_uint_le(wall - CLOCK_NS_PER_S * 3600, clock_wall_ns());
	ck_assert_uint_ge(wall + CLOCK_NS_PER_S * 3600, clock_wall_ns());
	segment_detach(other);
}
END_TEST

START_TEST(test_create_refused)
{
	struct segment_config config = test_config();
	struct segment *other;
	struct err_buf err = { "" };
	char another[SEGMENT_NAME_SIZE];

	test_name(another);
	ck_assert_int_eq(segment_create(&other, another, &config, 0, &err),
	    ERR_USAGE);
	ck_assert_int_eq(segment_create(&other, another, &config, 9, &err),
	    ERR_USAGE);
	config.client_count = SEGMENT_CLIENTS_MAX + 1;
	ck_assert_int_eq(segment_create(&other, another, &config, 5, &err),
	    ERR_USAGE);
	config = test_config();
	memset(config.dir, 'd', sizeof(config.dir));
	ck_assert_int_eq(segment_create(&other, another, &config, 5, &err),
	    ERR_USAGE);
	ck_assert_int_eq(attach_code(another, SEGMENT_VIEWER),
	    ERR_NOT_FOUND);
	ck_assert_int_eq(segment_unlink(another, &err), ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_linked)
{
	struct segment_config config = test_config();
	struct segment *again;
	struct err_buf err = { "" };

	segment = test_segment(name, 3);
	ck_assert(segment_is_linked(segment));
	ck_assert_int_eq(segment_unlink(name, &err), ERR_OK);
	ck_assert(!segment_is_linked(segment));
	/* Another one of the same name is not ours. */
	ck_assert_int_eq(segment_create(&again, name, &config, 3, &err),
	    ERR_OK);
	ck_assert(!segment_is_linked(segment));
	segment_detach(segment);
	test_segment_end(again);
}
END_TEST

/* ------------------------------------------------------------------ S5 */

static void
write_at(size_t offset, const void *data, size_t size)
{
	ck_assert_int_eq(pwrite(segment->fd, data, size, (off_t)offset),
	    (ssize_t)size);
}

START_TEST(test_foreign)
{
	struct segment_header_layout header = *segment_header(segment);
	struct segment_header_layout wild = header;
	uint64_t size = segment->areas.size;

	/* Every byte of the header counts. */
	for (size_t i = 0; i < sizeof(header); i++) {
		uint8_t byte = ((const uint8_t *)&header)[i] ^ 0x40;

		write_at(i, &byte, 1);
		ck_assert_int_ne(attach_code(name, SEGMENT_NODE), ERR_OK);
		write_at(i, (const uint8_t *)&header + i, 1);
	}
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_OK);

	wild.version++;
	write_at(0, &wild, sizeof(wild));
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_VERSION);
	wild = header;
	wild.shape++;
	write_at(0, &wild, sizeof(wild));
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_VERSION);
	wild = header;
	wild.version = 0;
	write_at(0, &wild, sizeof(wild));
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_AGAIN);
	wild = header;
	memcpy(wild.magic, "ELF more", 8);
	write_at(0, &wild, sizeof(wild));
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_CORRUPT);
	wild.version = 0;
	write_at(0, &wild, sizeof(wild));
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_CORRUPT);
	write_at(0, &header, sizeof(header));

	ck_assert_int_eq(fchmod(segment->fd, 0640), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_PERMISSION);
	ck_assert_int_eq(fchmod(segment->fd, 0600), 0);

	/* Longer, shorter, very short, empty, with a hole. */
	ck_assert_int_eq(ftruncate(segment->fd, (off_t)size + 4096), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_CORRUPT);
	ck_assert_int_eq(ftruncate(segment->fd, (off_t)size), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_OK);
	ck_assert_int_eq(fallocate(segment->fd,
	    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)layout_link_ring(&segment->areas, 0, 1), 4096), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_CORRUPT);
	ck_assert_int_eq(ftruncate(segment->fd, (off_t)size - 4096), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_CORRUPT);
	ck_assert_int_eq(ftruncate(segment->fd, 4096), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_CORRUPT);
	ck_assert_int_eq(ftruncate(segment->fd, 100), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_CORRUPT);
	ck_assert_int_eq(ftruncate(segment->fd, 0), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_AGAIN);
}
END_TEST

START_TEST(test_other_user)
{
	if (fchown(segment->fd, geteuid() + 1, (gid_t)-1) != 0) {
		fprintf(stderr, "SKIPPED: only root can give a segment to "
		    "another user\n");
		return;
	}
	ck_assert_int_eq(attach_code(name, SEGMENT_CLIENT), ERR_PERMISSION);
	ck_assert_int_eq(fchown(segment->fd, geteuid(), (gid_t)-1), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_CLIENT), ERR_OK);
}
END_TEST

START_TEST(test_link)
{
	char path[64];

	test_name(name);
	(void)snprintf(path, sizeof(path), "/dev/shm%s", name);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(attach_code(name, SEGMENT_NODE), ERR_CORRUPT);
	ck_assert_int_eq(unlink(path), 0);
	memcpy(name, segment->name, sizeof(name));
}
END_TEST

/* ------------------------------------------------- who may write where */

enum place { PLACE_HEADER, PLACE_ROW, PLACE_PAGE, PLACE_BELL, PLACE_COUNT };

static void NORETURN
write_as(enum segment_access access, enum place place)
{
	struct segment *other = test_attach(name, access);
	volatile uint8_t *at;

	if (other == NULL) {
		_exit(2);
	}
	at = place == PLACE_BELL ?
	    (volatile uint8_t *)&segment_bell(other, 7)->pad[0] :
	    other->base + (place == PLACE_HEADER ? 4000 :
	    place == PLACE_ROW ? LAYOUT_ROWS + 7 * 1024 :
	    LAYOUT_NODES + 7 * 8192 + 4096);
	/* A sanitizer would make an exit of it. */
	(void)signal(SIGSEGV, SIG_DFL);
	*at = 1;
	_exit(0);
}

START_TEST(test_access)
{
	static const bool expected[4][PLACE_COUNT] = {
		[SEGMENT_SUPERVISOR] = { true, true, true, true },
		[SEGMENT_NODE] = { true, true, true, true },
		[SEGMENT_CLIENT] = { false, false, false, true },
		[SEGMENT_VIEWER] = { false, false, false, false },
	};
	pid_t pid;

	for (int access = 0; access < 4; access++) {
		for (int place = 0; place < PLACE_COUNT; place++) {
			pid = fork();
			ck_assert_int_ge(pid, 0);
			if (pid == 0) {
				write_as((enum segment_access)access,
				    (enum place)place);
			}
			ck_assert_msg(test_wait(pid) ==
			    (expected[access][place] ? 0 : -SIGSEGV),
			    "access %d, place %d", access, place);
		}
	}
}
END_TEST

/* A child of a fork has no mapping of it, and its detach harms nobody. */
START_TEST(test_fork)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		(void)*(volatile uint8_t *)segment->base;
		_exit(0);
	}
	ck_assert_int_eq(test_wait(pid), -SIGSEGV);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		segment_detach(segment);
		_exit(0);
	}
	ck_assert_int_eq(test_wait(pid), 0);
	ck_assert_uint_eq(segment_header(segment)->version, LAYOUT_VERSION);
}
END_TEST

/* ------------------------------------------------------ rows and pages */

START_TEST(test_rows)
{
	struct segment_row row = { .id = 3, .pid = 77, .why = "because" };
	struct segment_row seen;
	struct segment *viewer = test_attach(name, SEGMENT_VIEWER);
	uint32_t version = segment_rows_version(viewer);

	ck_assert_int_eq(segment_row_read(viewer, 2, &seen), ERR_AGAIN);
	for (uint32_t i = 0; i < 10; i++) {
		row.restarts = i;
		segment_row_publish(segment, 2, &row);
		ck_assert_int_eq(segment_row_read(viewer, 2, &seen), ERR_OK);
		ck_assert(memcmp(&row, &seen, sizeof(row)) == 0);
	}
	ck_assert_uint_eq(segment_rows_version(viewer), version + 10);
	ck_assert_int_eq(segment_row_read(viewer, 3, &seen), ERR_AGAIN);
	segment_detach(viewer);
}
END_TEST

START_TEST(test_supervisor_and_hints)
{
	struct segment_supervisor who = { .pid = 5, .pid_start = 6,
		.since_ns = 7 };
	struct segment_supervisor seen;
	struct segment *viewer = test_attach(name, SEGMENT_VIEWER);

	ck_assert_int_eq(segment_supervisor_read(viewer, &seen), ERR_AGAIN);
	segment_supervisor_publish(segment, &who);
	ck_assert_int_eq(segment_supervisor_read(viewer, &seen), ERR_OK);
	ck_assert_int_eq(seen.pid, 5);
	ck_assert_uint_eq(seen.since_ns, 7);

	ck_assert_uint_eq(segment_hint(viewer, 1), 0);
	segment_hint_set(segment, 1, 99);
	ck_assert_uint_eq(segment_hint(viewer, 1), 99);
	ck_assert_uint_eq(segment_hint(viewer, 2), 0);
	*segment_sync_word(segment, 4) = 1;
	ck_assert_uint_eq(*segment_sync_word(viewer, 4), 1);
	ck_assert_uint_eq(*segment_sync_word(viewer, 3), 0);
	segment_counters(segment, 4)[SEGMENT_COUNTER_COUNT - 1] = 123;
	ck_assert_uint_eq(
	    segment_counters(viewer, 4)[SEGMENT_COUNTER_COUNT - 1], 123);
	ck_assert_str_eq(segment_counter_name(SEGMENT_SENT + 5),
	    "sent_append");
	ck_assert_str_eq(segment_counter_name(SEGMENT_SYNCS), "syncs");
	ck_assert_ptr_null(segment_counter_name(SEGMENT_SENT));
	ck_assert_ptr_null(segment_counter_name(SEGMENT_COUNTER_COUNT));
	for (uint32_t i = SEGMENT_BYTES_SENT; i <= SEGMENT_LOG_LINES_DROPPED;
	     i++) {
		ck_assert_ptr_nonnull(segment_counter_name(i));
	}
	segment_detach(viewer);
}
END_TEST

static void
fill_status(struct segment_status *status, uint64_t n)
{
	memset(status, (int)(n & 0x7f), sizeof(*status));
	status->run = n;
	status->updated_ns = n * 3;
	status->reasons[SEGMENT_REASONS - 1].at_ns = n * 5;
	(void)snprintf(status->latched, sizeof(status->latched),
	    "%" PRIu64, n);
}

static bool
status_is_whole(const struct segment_status *status)
{
	struct segment_status expected;

	fill_status(&expected, status->run);
	for (uint32_t i = 0; i < SEGMENT_REASONS; i++) {
		expected.reasons[i].text[
		    sizeof(expected.reasons[i].text) - 1] = '\0';
	}
	expected.latched[sizeof(expected.latched) - 1] = '\0';
	expected.wish_why[sizeof(expected.wish_why) - 1] = '\0';
	if (expected.server_count > SEGMENT_SLOTS) {
		expected.server_count = 0;	/* as a reader sees it */
	}
	return memcmp(status, &expected, sizeof(expected)) == 0;
}

/*
 * Writers are killed at any time, readers see only whole copies that never go
 * back, and the next writer goes on.
 */
START_TEST(test_status_killed)
{
	struct segment_status status;
	uint64_t last = 0, before;
	unsigned seed = 7;
	pid_t pid;
	int look;

	for (int round = 0; round < 40; round++) {
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			struct segment *own = test_attach(name, SEGMENT_NODE);
			uint64_t n = last;

			if (own == NULL) {
				_exit(2);
			}
			for (;;) {
				fill_status(&status, ++n);
				segment_status_publish(own, 3, &status);
			}
		}
		before = last;
		look = rand_r(&seed) % 2000;
		while (last < before + 20 || look-- > 0) {
			if (segment_status_read(segment, 3, &status) ==
			    ERR_OK) {
				ck_assert(status_is_whole(&status));
				ck_assert_uint_ge(status.run, last);
				last = status.run;
			}
		}
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(test_wait(pid), -SIGKILL);
		ck_assert_int_eq(segment_status_read(segment, 3, &status),
		    ERR_OK);
		ck_assert(status_is_whole(&status));
		ck_assert_uint_ge(status.run, last);
		last = status.run;
	}
}
END_TEST

/* A copy that was scribbled over is not handed out. */
START_TEST(test_status_damaged)
{
	struct segment_status status;

	fill_status(&status, 1);
	segment_status_publish(segment, 3, &status);
	segment_node_page(segment, 3)->status[64 + LAYOUT_STATUS_COPY + 500] ^=
	    1;
	ck_assert_int_eq(segment_status_read(segment, 3, &status),
	    ERR_CORRUPT);
	fill_status(&status, 2);
	segment_status_publish(segment, 3, &status);
	ck_assert_int_eq(segment_status_read(segment, 3, &status), ERR_OK);
}
END_TEST

/* -------------------------------------------------------- the recorder */

struct told {
	uint32_t count;
	uint64_t first_ns, last_ns;
	bool is_wrong;
};

static void
tell(void *context, const struct recorder_line *line)
{
	struct told *told = context;
	char text[RECORDER_TEXT_SIZE];

	(void)snprintf(text, sizeof(text), "line %" PRIu64 " %.*s",
	    line->at_ns, (int)(line->at_ns % 200),
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxx");
	told->is_wrong = told->is_wrong || strcmp(text, line->text) != 0 ||
	    line->term != line->at_ns + 1 ||
	    (told->count > 0 && line->at_ns <= told->last_ns);
	if (told->count == 0) {
		told->first_ns = line->at_ns;
	}
	told->last_ns = line->at_ns;
	told->count++;
}

static void
record(struct segment *own, uint64_t n)
{
	struct recorder_line line = { .at_ns = n, .kind = 3, .term = n + 1 };

	(void)snprintf(line.text, sizeof(line.text), "line %" PRIu64 " ", n);
	memset(line.text + strlen(line.text), 'x', n % 200);
	recorder_write(own, 1, &line);
}

START_TEST(test_recorder)
{
	struct told told = { 0 };
	struct recorder_line line = { 0 };
	uint64_t next = 0;

	recorder_read(segment, 1, &next, tell, &told);
	ck_assert_uint_eq(told.count, 0);
	for (uint64_t n = 0; n < 100; n++) {
		record(segment, n);
	}
	recorder_read(segment, 1, &next, tell, &told);
	ck_assert_uint_eq(told.count, 100);
	ck_assert_uint_eq(next, 100);
	ck_assert(!told.is_wrong);
	for (uint64_t n = 100; n < 100 + 2 * RECORDER_LINES; n++) {
		record(segment, n);
	}
	told = (struct told) { 0 };
	recorder_read(segment, 1, &next, tell, &told);
	ck_assert_uint_eq(told.count, RECORDER_LINES);
	ck_assert_uint_eq(told.first_ns, 100 + RECORDER_LINES);
	ck_assert_uint_eq(told.last_ns, 99 + 2 * RECORDER_LINES);
	ck_assert(!told.is_wrong);
	recorder_read(segment, 1, &next, tell, &told);
	ck_assert_uint_eq(told.count, RECORDER_LINES);

	/* A text without end is cut; a slot without blocks tells nothing. */
	memset(line.text, 'y', sizeof(line.text));
	recorder_write(segment, 0, &line);
	recorder_write(segment, 7, &line);
	next = 0;
	told = (struct told) { 0 };
	recorder_read(segment, 7, &next, tell, &told);
	ck_assert_uint_eq(told.count, 0);
	recorder_read(segment, 0, &next, tell, &told);
	ck_assert_uint_eq(told.count, 1);
}
END_TEST

/* Read while it is written, and after a kill -9. */
START_TEST(test_recorder_killed)
{
	struct told told;
	uint64_t next, start = 0;
	pid_t pid;

	for (int round = 0; round < 20; round++) {
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			struct segment *own = test_attach(name, SEGMENT_NODE);

			if (own == NULL) {
				_exit(2);
			}
			for (uint64_t n = start;; n++) {
				record(own, n);
			}
		}
		told = (struct told) { 0 };
		next = 0;
		while (next < start + 2000) {
			recorder_read(segment, 1, &next, tell, &told);
			ck_assert(!told.is_wrong);
		}
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(test_wait(pid), -SIGKILL);
		told = (struct told) { 0 };
		next = 0;
		recorder_read(segment, 1, &next, tell, &told);
		ck_assert(!told.is_wrong);
		/* At most the one being written is missing. */
		ck_assert_uint_ge(told.count + 1,
		    next < RECORDER_LINES ? next : RECORDER_LINES);
		start = told.last_ns + 1;
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("segment");
	TCase *tcase = tcase_create("segment");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_create_attach);
	tcase_add_test(tcase, test_create_refused);
	tcase_add_test(tcase, test_foreign);
	tcase_add_test(tcase, test_other_user);
	tcase_add_test(tcase, test_link);
	tcase_add_test(tcase, test_access);
	tcase_add_test(tcase, test_fork);
	tcase_add_test(tcase, test_rows);
	tcase_add_test(tcase, test_supervisor_and_hints);
	tcase_add_test(tcase, test_status_killed);
	tcase_add_test(tcase, test_status_damaged);
	tcase_add_test(tcase, test_recorder);
	tcase_add_test(tcase, test_recorder_killed);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("names");
	tcase_add_test(tcase, test_names);
	tcase_add_test(tcase, test_linked);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
