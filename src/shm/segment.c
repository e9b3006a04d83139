/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The segment's life: name, creation, attachment.
 *
 * The supervisor creates it under the lock of the cluster's directory, nodes
 * and clients attach.  Nothing in it is believed before owner, mode, size,
 * magic, version, checksum and shape are checked.  Blocks are allocated before
 * anything is written, so that a full /dev/shm is an error here and not a
 * SIGBUS later (S6); a file that is shorter than it says is refused at the
 * door.  To cut the file of a running cluster takes the same user's intent, as
 * killing its processes does.
 *
 *	create: O_EXCL -> size -> blocks -> header -> version (E1)
 */
#include "shm/segment.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "shm/segment_internal.h"

#define MAGIC "RSUPSHM"			/* and NUL: 8 bytes */

static int create_filled(struct segment *, const struct segment_config *,
    uint32_t node_count, struct err_buf *);
static int allocate_slot(struct segment *, uint32_t slot, uint32_t ready,
    struct err_buf *);
static uint64_t creation_blocks(const struct segment *, uint32_t node_count);
static void write_header(struct segment *, const struct segment_config *,
    uint32_t node_count);
static int check_file(const struct segment *, struct stat *,
    struct err_buf *);
static int check_header(struct segment *, const struct stat *,
    struct err_buf *);
static int check_namespaces(const struct segment_header_layout *,
    const char *name, struct err_buf *);
static int map_base(struct segment *, struct err_buf *);
static int check_config(const struct segment_config *, uint32_t node_count,
    struct err_buf *);
static struct segment *handle_new(const char *name, enum segment_access);
static uint32_t header_crc(const struct segment_header_layout *);
static uint32_t layout_shape(void);
static uint64_t namespace_inode(const char *path);

int
segment_name(char name[SEGMENT_NAME_SIZE], const char *dir,
    struct err_buf *err)
{
	char path[PATH_MAX];
	uint64_t hash = 0xcbf29ce484222325u;	/* FNV-1a */

	if (realpath(dir, path) == NULL) {
		return err_set_errno(err, "%s", dir);
	}
	for (const char *at = path; *at != '\0'; at++) {
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
	}
	(void)snprintf(name, SEGMENT_NAME_SIZE, "/raftsup-%u-%016" PRIx64,
	    (unsigned)geteuid(), hash);
	return ERR_OK;
}

int
segment_create(struct segment **out, const char *name,
    const struct segment_config *config, uint32_t node_count,
    struct err_buf *err)
{
	struct segment *segment;
	int code = check_config(config, node_count, err);

	*out = NULL;
	if (code != ERR_OK) {
		return code;
	}
	segment = handle_new(name, SEGMENT_SUPERVISOR);
	if (segment == NULL) {
		return err_set(err, ERR_NOMEM, "segment %s", name);
	}
	segment->client_count = config->client_count;
	segment->areas = layout_areas(config->client_count);
	segment->fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (segment->fd < 0) {
		code = errno == EEXIST ?
		    err_set(err, ERR_EXISTS, "segment %s exists already",
			name) :
		    err_set_errno(err, "creating segment %s", name);
		segment_detach(segment);
		return code;
	}
	code = create_filled(segment, config, node_count, err);
	if (code != ERR_OK) {
		(void)shm_unlink(name);
		segment_detach(segment);
		return code;
	}
	*out = segment;
	return ERR_OK;
}

int
segment_add_slot(struct segment *segment, uint32_t slot, struct err_buf *err)
{
	struct segment_supervisor_layout *page =
	    segment_supervisor_page(segment);
	uint32_t ready;
	int code;

	assert(slot < SEGMENT_SLOTS);
	assert(segment->access == SEGMENT_SUPERVISOR);
	/* Own word. */
	ready = __atomic_load_n(&page->ready, __ATOMIC_RELAXED);
	if ((ready >> slot & 1) != 0) {
		return ERR_OK;
	}
	code = allocate_slot(segment, slot, ready, err);
	if (code != ERR_OK) {
		return code;
	}
	/* E2 ready, writing end. */
	__atomic_store_n(&page->ready, ready | 1u << slot, __ATOMIC_RELEASE);
	return ERR_OK;
}

int
segment_attach(struct segment **out, const char *name,
    enum segment_access access, struct err_buf *err)
{
	struct segment *segment = handle_new(name, access);
	struct stat st;
	int flags = access == SEGMENT_VIEWER ? O_RDONLY : O_RDWR;
	int code;

	*out = NULL;
	if (segment == NULL) {
		return err_set(err, ERR_NOMEM, "segment %s", name);
	}
	segment->fd = shm_open(name, flags, 0);
	if (segment->fd < 0) {
		code = errno == ENOENT ?
		    err_set(err, ERR_NOT_FOUND, "no segment %s", name) :
		    errno == ELOOP ?
		    err_set(err, ERR_CORRUPT, "segment %s is a link", name) :
		    err_set_errno(err, "segment %s", name);
		goto fail;
	}
	code = check_file(segment, &st, err);
	if (code == ERR_OK) {
		code = check_header(segment, &st, err);
	}
	if (code == ERR_OK) {
		code = map_base(segment, err);
	}
	if (code == ERR_OK) {
		/* E1 version, reading end, for all that follows the header:
		 * check_header() has seen the value. */
		(void)__atomic_load_n(&segment_header(segment)->version,
		    __ATOMIC_ACQUIRE);
		*out = segment;
		return ERR_OK;
	}
fail:
	segment_detach(segment);
	return code;
}

void
segment_detach(struct segment *segment)
{
	if (segment == NULL) {
		return;
	}
	/* In a fork's child the mappings are gone, and what lies at their
	 * addresses now is somebody else's. */
	if (segment_is_ours(segment)) {
		if (segment->own != NULL) {
			segment_unmap(segment->own, sizeof(*segment->own));
		}
		if (segment->access == SEGMENT_CLIENT) {
			segment_unmap(segment->bells, LAYOUT_PAGE);
		}
		segment_unmap(segment->base, segment->base_size);
	}
	if (segment->fd >= 0) {
		(void)close(segment->fd);
	}
	free(segment);
}

int
segment_unlink(const char *name, struct err_buf *err)
{
	if (shm_unlink(name) != 0) {
		return err_set_errno(err, "removing segment %s", name);
	}
	return ERR_OK;
}

bool
segment_is_linked(const struct segment *segment)
{
	struct stat st;

	return fstat(segment->fd, &st) == 0 && st.st_nlink > 0;
}

const struct segment_config *
segment_config(const struct segment *segment)
{
	return &segment->config;
}

const char *
segment_own_name(const struct segment *segment)
{
	return segment->name;
}

uint64_t
segment_wall_ns(const struct segment *segment, uint64_t monotonic_ns)
{
	return segment->wall_offset_ns + monotonic_ns;
}

bool
segment_is_ours(const struct segment *segment)
{
	return segment->owner == getpid();
}

int
segment_allocate(const struct segment *segment, uint64_t offset,
    uint64_t size, struct err_buf *err)
{
	struct statfs fs;
	uint64_t left = 0;

	/* A signal undoes what was done so far; then all of it is repeated. */
	while (fallocate(segment->fd, 0, (off_t)offset, (off_t)size) != 0) {
		if (errno == EINTR) {
			continue;
		}
		if (err_from_errno(errno) != ERR_FULL) {
			return err_set_errno(err,
			    "allocating blocks for segment %s",
			    segment->name);
		}
		if (fstatfs(segment->fd, &fs) == 0) {
			left = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
		}
		return err_set(err, ERR_FULL,
		    "/dev/shm is full: %" PRIu64 " bytes are needed, %" PRIu64
		    " are free", size, left);
	}
	return ERR_OK;
}

/* ------------------------------------------------------------- creation */

static int
create_filled(struct segment *segment, const struct segment_config *config,
    uint32_t node_count, struct err_buf *err)
{
	static const struct segment_promises none;
	struct segment_header_layout *header;
	struct segment_supervisor_layout *page;
	uint64_t needed = creation_blocks(segment, node_count);
	int code;

	/* The umask may have taken bits away. */
	if (fchmod(segment->fd, 0600) != 0 ||
	    ftruncate(segment->fd, (off_t)segment->areas.size) != 0) {
		return err_set_errno(err, "segment %s", segment->name);
	}
	code = segment_allocate(segment, 0, segment->areas.recorders, err);
	for (uint32_t slot = 0; slot < node_count && code == ERR_OK; slot++) {
		code = allocate_slot(segment, slot, (1u << slot) - 1, err);
	}
	if (code == ERR_FULL) {
		return err_set(err, ERR_FULL, "/dev/shm is full: the segment "
		    "of %" PRIu32 " nodes needs %" PRIu64 " bytes",
		    node_count, needed);
	}
	if (code == ERR_OK) {
		code = map_base(segment, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	write_header(segment, config, node_count);
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		segment_promises_publish(segment, slot, &none);
	}
	page = segment_supervisor_page(segment);
	/* E2 ready, writing end. */
	__atomic_store_n(&page->ready, (1u << node_count) - 1,
	    __ATOMIC_RELEASE);
	header = segment_header(segment);
	/* E1 version, writing end: all else is in place. */
	__atomic_store_n(&header->version, LAYOUT_VERSION, __ATOMIC_RELEASE);
	return ERR_OK;
}

/* The recorder of a slot, and its links with all that are ready. */
static int
allocate_slot(struct segment *segment, uint32_t slot, uint32_t ready,
    struct err_buf *err)
{
	const struct layout_areas *areas = &segment->areas;
	int code = segment_allocate(segment,
	    areas->recorders + slot * (uint64_t)sizeof(struct recorder_layout),
	    sizeof(struct recorder_layout), err);

	for (uint32_t peer = 0; peer < SEGMENT_SLOTS; peer++) {
		if (peer == slot || (ready >> peer & 1) == 0) {
			continue;
		}
		if (code == ERR_OK) {
			code = segment_allocate(segment,
			    layout_link_ring(areas, slot, peer),
			    LAYOUT_LINK_RING, err);
		}
		if (code == ERR_OK) {
			code = segment_allocate(segment,
			    layout_link_ring(areas, peer, slot),
			    LAYOUT_LINK_RING, err);
		}
	}
	return code;
}

static uint64_t
creation_blocks(const struct segment *segment, uint32_t node_count)
{
	return segment->areas.recorders +
	    node_count * (uint64_t)sizeof(struct recorder_layout) +
	    node_count * (node_count - 1) * (uint64_t)LAYOUT_LINK_RING;
}

static void
write_header(struct segment *segment, const struct segment_config *config,
    uint32_t node_count)
{
	struct segment_header_layout *header = segment_header(segment);

	memcpy(header->magic, MAGIC, sizeof(header->magic));
	header->shape = layout_shape();
	header->size = segment->areas.size;
	header->blocks = creation_blocks(segment, node_count);
	header->pid_namespace = namespace_inode("/proc/self/ns/pid");
	header->time_namespace = namespace_inode("/proc/self/ns/time");
	header->wall_offset_ns = clock_wall_ns() - clock_now_ns();
	header->cluster_id = config->cluster_id;
	header->heartbeat_ns = config->heartbeat_ns;
	header->election_min_ns = config->election_min_ns;
	header->election_max_ns = config->election_max_ns;
	header->lease_ns = config->lease_ns;
	header->seed = config->seed;
	header->durability = config->durability;
	header->log_rpc = config->log_rpc;
	header->client_count = config->client_count;
	header->death_hint = config->death_hint;
	header->node_count = node_count;
	memcpy(header->dir, config->dir, strlen(config->dir) + 1);
	header->crc = header_crc(header);
	segment->wall_offset_ns = header->wall_offset_ns;
	segment->config = *config;
}

static int
check_config(const struct segment_config *config, uint32_t node_count,
    struct err_buf *err)
{
	if (node_count < 1 || node_count > SEGMENT_SLOTS) {
		return err_set(err, ERR_USAGE,
		    "%" PRIu32 " nodes: 1 to %d are possible", node_count,
		    SEGMENT_SLOTS);
	}
	if (config->client_count < 1 ||
	    config->client_count > SEGMENT_CLIENTS_MAX) {
		return err_set(err, ERR_USAGE,
		    "%" PRIu32 " client slots: 1 to %d are possible",
		    config->client_count, SEGMENT_CLIENTS_MAX);
	}
	if (memchr(config->dir, '\0', sizeof(config->dir)) == NULL) {
		return err_set(err, ERR_USAGE,
		    "the directory's path is longer than %zu bytes",
		    sizeof(config->dir) - 1);
	}
	if (sysconf(_SC_PAGESIZE) != LAYOUT_PAGE) {
		return err_set(err, ERR_VERSION,
		    "this kernel's pages are %ld bytes; %u are needed",
		    sysconf(_SC_PAGESIZE), LAYOUT_PAGE);
	}
	return ERR_OK;
}

/* ----------------------------------------------------------- attachment */

static int
check_file(const struct segment *segment, struct stat *st,
    struct err_buf *err)
{
	const char *name = segment->name;

	if (fstat(segment->fd, st) != 0) {
		return err_set_errno(err, "segment %s", name);
	}
	if (!S_ISREG(st->st_mode)) {
		return err_set(err, ERR_CORRUPT,
		    "segment %s is not a regular file", name);
	}
	if (st->st_uid != geteuid()) {
		return err_set(err, ERR_PERMISSION,
		    "segment %s belongs to user %u", name,
		    (unsigned)st->st_uid);
	}
	if ((st->st_mode & 077) != 0) {
		return err_set(err, ERR_PERMISSION,
		    "segment %s is open to other users (mode %03o)", name,
		    (unsigned)st->st_mode & 0777);
	}
	if (st->st_size == 0) {
		return err_set(err, ERR_AGAIN,
		    "segment %s is being created", name);
	}
	if ((uint64_t)st->st_size < LAYOUT_CLIENTS) {
		return err_set(err, ERR_CORRUPT,
		    "segment %s is truncated: %jd bytes", name,
		    (intmax_t)st->st_size);
	}
	return ERR_OK;
}

/* Reads with pread: a page that is missing cannot be a fault then. */
static int
check_header(struct segment *segment, const struct stat *st,
    struct err_buf *err)
{
	const char *name = segment->name;
	struct segment_header_layout header;
	static const uint8_t none[sizeof(header.magic)];
	uint32_t version;
	ssize_t count;

	/* First the version, then the rest: what was written before it. */
	count = pread(segment->fd, &version, sizeof(version),
	    offsetof(struct segment_header_layout, version));
	if (count != (ssize_t)sizeof(version)) {
		return err_set_errno(err, "reading segment %s", name);
	}
	count = pread(segment->fd, &header, sizeof(header), LAYOUT_HEADER);
	if (count != (ssize_t)sizeof(header)) {
		return err_set_errno(err, "reading segment %s", name);
	}
	if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0 &&
	    (version != 0 ||
		memcmp(header.magic, none, sizeof(none)) != 0)) {
		return err_set(err, ERR_CORRUPT,
		    "segment %s is not one of raftsup", name);
	}
	if (version == 0) {
		return err_set(err, ERR_AGAIN,
		    "segment %s is being created", name);
	}
	if (version != LAYOUT_VERSION || header.shape != layout_shape()) {
		return err_set(err, ERR_VERSION,
		    "segment %s has version %" PRIu32 " (shape %08" PRIx32
		    "), this program reads %u (%08" PRIx32 ")", name, version,
		    header.shape, LAYOUT_VERSION, layout_shape());
	}
	if (header.crc != header_crc(&header) || header.client_count < 1 ||
	    header.client_count > SEGMENT_CLIENTS_MAX ||
	    header.node_count < 1 || header.node_count > SEGMENT_SLOTS ||
	    memchr(header.dir, '\0', sizeof(header.dir)) == NULL) {
		return err_set(err, ERR_CORRUPT,
		    "segment %s has a damaged header", name);
	}
	segment->client_count = header.client_count;
	segment->areas = layout_areas(header.client_count);
	if (header.size != segment->areas.size ||
	    (uint64_t)st->st_size != header.size ||
	    (uint64_t)st->st_blocks * 512 < header.blocks) {
		return err_set(err, ERR_CORRUPT, "segment %s is truncated: "
		    "%jd bytes, %jd allocated, of %" PRIu64 ", %" PRIu64,
		    name, (intmax_t)st->st_size, (intmax_t)st->st_blocks * 512,
		    segment->areas.size, header.blocks);
	}
	segment->wall_offset_ns = header.wall_offset_ns;
	segment->config = (struct segment_config) {
		.cluster_id = header.cluster_id,
		.heartbeat_ns = header.heartbeat_ns,
		.election_min_ns = header.election_min_ns,
		.election_max_ns = header.election_max_ns,
		.lease_ns = header.lease_ns,
		.seed = header.seed,
		.durability = header.durability,
		.log_rpc = header.log_rpc,
		.client_count = header.client_count,
		.death_hint = header.death_hint,
	};
	memcpy(segment->config.dir, header.dir, sizeof(header.dir));
	return check_namespaces(&header, name, err);
}

/* Pids, tids in the life tokens and CLOCK_MONOTONIC mean the same to all. */
static int
check_namespaces(const struct segment_header_layout *header, const char *name,
    struct err_buf *err)
{
	if (header->pid_namespace != namespace_inode("/proc/self/ns/pid")) {
		return err_set(err, ERR_MISMATCH,
		    "segment %s belongs to another pid namespace", name);
	}
	if (header->time_namespace != namespace_inode("/proc/self/ns/time")) {
		return err_set(err, ERR_MISMATCH,
		    "segment %s belongs to another time namespace", name);
	}
	return ERR_OK;
}

static int
map_base(struct segment *segment, struct err_buf *err)
{
	segment->base_size = segment->areas.link_rings;
	segment->base = segment_map(segment->fd, 0, segment->base_size,
	    segment_is_writable(segment));
	if (segment->base == NULL) {
		return err_set_errno(err, "mapping segment %s",
		    segment->name);
	}
	segment->bells = segment->base + LAYOUT_BELLS;
	if (segment->access == SEGMENT_CLIENT) {
		segment->bells = segment_map(segment->fd, LAYOUT_BELLS,
		    LAYOUT_PAGE, true);
		if (segment->bells == NULL) {
			return err_set_errno(err, "mapping segment %s",
			    segment->name);
		}
	}
	return ERR_OK;
}

static struct segment *
handle_new(const char *name, enum segment_access access)
{
	struct segment *segment;

	if (strlen(name) >= SEGMENT_NAME_SIZE) {
		return NULL;
	}
	segment = calloc(1, sizeof(*segment));
	if (segment == NULL) {
		return NULL;
	}
	segment->fd = -1;
	segment->access = access;
	segment->owner = getpid();
	segment->own_slot = SEGMENT_NO_SLOT;
	memcpy(segment->name, name, strlen(name) + 1);
	return segment;
}

static uint32_t
header_crc(const struct segment_header_layout *header)
{
	struct segment_header_layout image = *header;

	image.crc = 0;
	return crc32c(0, (const uint8_t *)&image +
	    offsetof(struct segment_header_layout, shape),
	    sizeof(image) - offsetof(struct segment_header_layout, shape));
}

/* Differs when any size of the layout differs. */
static uint32_t
layout_shape(void)
{
	static const uint32_t sizes[] = {
		SEGMENT_SLOTS, SEGMENT_CLIENTS_MAX, LIFE_WATCHERS,
		LAYOUT_LINK_RING, LAYOUT_REQUEST_RING, LAYOUT_REPLY_RING,
		LAYOUT_CLIENTS, SEGMENT_COUNTER_COUNT, SEGMENT_REASONS,
		sizeof(struct segment_header_layout),
		sizeof(struct segment_row), sizeof(struct segment_status),
		sizeof(struct segment_node_layout),
		sizeof(struct segment_client_layout),
		sizeof(struct recorder_layout),
		sizeof(struct ring_layout), sizeof(struct ring_record_layout),
	};

	return crc32c(0, sizes, sizeof(sizes));
}

/* 0 where the kernel has no such namespace. */
static uint64_t
namespace_inode(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}
