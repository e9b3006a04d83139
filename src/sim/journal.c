/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal in front of a node's table, as bytes on a disk that tears.
 *
 * The code that writes it and the code that reads it back are the store's
 * (src/journal); here is a small file for it, and what a crash makes of it:
 *
 *	power	a record is one write; a crash leaves any sectors of it
 *	process	a record is stores into the file; a kill leaves any words
 *
 * The table stands for LMDB: a transaction is there as a whole or not at all.
 * A batch of hard state and entries becomes a record; another one, or one that
 * does not fit, a transaction that takes all of the journal with it, and the
 * next lap begins.  Laps are short here, so that they are many.
 *
 * sim_disk knows what was said to be durable.  After each crash, and at each
 * start, a reader must find that: not less (damage taken for a tail), no
 * refusal (a tail taken for damage), nothing else (old bytes taken for new).
 * Then the journal is damaged on purpose, in a copy: that must be refused.
 */
#include "sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK		512u
#define SECTOR		64u		/* of a synced write */
#define WORD		8u		/* of a mapped one */
#define BLOCKS		16u
#define AREA_SIZE	(BLOCKS * BLOCK)
#define FILE_SIZE	(BLOCK + AREA_SIZE)
#define DEATHS_MAX	3u		/* of one start */

/* The content of an operation LAYOUT_OP_ENTRY, before its data. */
struct entry_op {
	uint64_t index, term;
	uint32_t type, size, checksum, zero;
};

static const struct journal_shape shape = {
	.block = BLOCK, .size = AREA_SIZE,
};

static bool	is_plain(const struct sim_disk *, const struct sim_batch *);
static bool	stage(struct sim_node *, const struct sim_batch *);
static void	table_load(struct sim_node *);
static void	table_commit(struct sim_node *);
static void	journal_reopen(struct sim_node *);
static int	look(struct sim_node *, const uint8_t *area, size_t size,
		    const struct journal_at *, struct journal_at *last,
		    struct err_buf *);
static void	compare(struct sim_node *, int code, const struct err_buf *);
static void	tear(struct sim_node *, const uint8_t *before, size_t begin,
		    size_t end);
static void	probe(struct sim_node *);

/* --------------------------------------------------------------- the file */

static int
file_size(void *arg, uint64_t *size)
{
	(void)arg;
	*size = FILE_SIZE;
	return ERR_OK;
}

static int
file_read(void *arg, void *data, size_t size, uint64_t offset)
{
	const struct sim_journal *j = arg;

	assert(offset + size <= FILE_SIZE);
	memcpy(data, j->file + offset, size);
	return ERR_OK;
}

static int
file_write(void *arg, const void *data, size_t size, uint64_t offset)
{
	struct sim_journal *j = arg;

	assert(offset + size <= FILE_SIZE);
	memcpy(j->file + offset, data, size);
	return j->full ? ERR_FULL : ERR_OK;
}

static int
file_sync(void *arg)
{
	(void)arg;
	return ERR_OK;
}

static const struct journal_io io = {
	.size = file_size, .read = file_read, .write = file_write,
	.sync = file_sync,
};

static struct journal_identity
identity_of(const struct sim_node *node)
{
	return (struct journal_identity){
		.cluster_id = SIM_CLUSTER_ID, .store_id = node->store_id,
		.node_id = node->id,
	};
}

/* -------------------------------------------------------------- its owner */

void
sim_journal_begin(struct sim_world *world)
{
	world->power = world->plan.by_hand ||
	    prng_below(&world->prng_journal, 2) == 0;
	world->lap_size = world->plan.by_hand ? AREA_SIZE :
	    prng_range(&world->prng_journal, 2, BLOCKS) * BLOCK;
}

void
sim_journal_fini(struct sim_journal *j)
{
	free(j->file);
	free(j->memory);
	free(j->scratch);
	free(j->journal.places);
	free(j->log.entries);
	free(j->found.entries);
	memset(j, 0, sizeof(*j));
}

void
sim_journal_reset(struct sim_node *node)
{
	struct sim_journal *j = &node->disk.journal;
	struct journal_identity identity = identity_of(node);
	struct err_buf err;

	if (j->file == NULL) {
		j->file = sim_realloc(NULL, 1, FILE_SIZE);
		j->memory = sim_realloc(NULL, 1, AREA_SIZE);
		j->scratch = sim_realloc(NULL, 1, FILE_SIZE);
		j->journal.places = sim_realloc(NULL, AREA_SIZE /
		    sizeof(struct entry_op), sizeof(uint32_t));
	}
	memset(j->memory, 0, AREA_SIZE);
	j->full = false;
	if (journal_format(&io, j, &identity, &shape, &err) != ERR_OK) {
		assert(0);	/* it is memory */
	}
	j->covered = (struct journal_at){ .lap = 0 };
	sim_log_copy(&j->log, &node->disk.log);
	j->hard_state = node->disk.hard_state;
	journal_reopen(node);
}

bool
sim_journal_write(struct sim_node *node, const struct sim_batch *batch)
{
	struct sim_journal *j = &node->disk.journal;
	struct journal_at at;
	size_t span;

	if (!stage(node, batch)) {
		table_load(node);
		return false;
	}
	if (j->journal.staged_end == 0) {
		return true;	/* nothing is to be written */
	}
	if (journal_write(&j->journal, &at, &span) != ERR_OK) {
		assert(0);
	}
	journal_advance(&j->journal, &at, span);
	sim_cover(node->world, SIM_COVER_JOURNAL_RECORDS);
	return true;
}

void
sim_journal_covered(struct sim_node *node)
{
	struct sim_journal *j = &node->disk.journal;

	table_commit(node);
	if (j->journal.end > 0) {
		sim_cover(node->world, SIM_COVER_JOURNAL_LAPS);
	}
	journal_restart(&j->journal);
}

void
sim_journal_refused(struct sim_node *node, const struct sim_batch *batch)
{
	struct sim_world *world = node->world;
	struct sim_journal *j = &node->disk.journal;
	size_t begin = j->journal.end, span;
	struct journal_at at;

	if (world->plan.by_hand || !world->power || !stage(node, batch) ||
	    j->journal.staged_end == 0) {
		journal_unstage(&j->journal);
		return;		/* told before anything is written */
	}
	sim_cover(world, SIM_COVER_JOURNAL_FULL);
	memcpy(j->scratch, j->file + BLOCK, AREA_SIZE);
	j->full = true;
	if (journal_write(&j->journal, &at, &span) != ERR_FULL) {
		assert(0);
	}
	j->full = false;
	journal_unstage(&j->journal);
	if (prng_below(&world->prng_journal, 2) == 0) {
		tear(node, j->scratch, begin, begin + span);
	}
	if (prng_below(&world->prng_journal, 2) == 0) {
		/* The log is cut, to make room: a transaction. */
		table_load(node);
		sim_journal_covered(node);
	}
}

void
sim_journal_tear(struct sim_node *node, const struct sim_batch *batch)
{
	struct sim_journal *j = &node->disk.journal;
	size_t begin = j->journal.end, span = 0;
	struct journal_at at;

	if (node->world->plan.by_hand) {
		return;		/* it had not begun */
	}
	memcpy(j->scratch, j->file + BLOCK, AREA_SIZE);
	if (stage(node, batch) && j->journal.staged_end != 0 &&
	    journal_write(&j->journal, &at, &span) == ERR_OK) {
		sim_cover(node->world, SIM_COVER_CRASH_TORN);
	}
	/* A mapped one may hold what was staged, and became no record. */
	tear(node, j->scratch, begin, span != 0 ? begin + span : AREA_SIZE);
}

bool
sim_journal_has_more(struct sim_node *node)
{
	struct sim_journal *j = &node->disk.journal;
	struct journal_at last;
	struct err_buf err;

	/* What is wrong with it, sim_journal_check() will say. */
	return look(node, j->file + BLOCK, AREA_SIZE, &j->covered, &last,
	    &err) ==
	    ERR_OK && last.sequence == j->journal.at.sequence + 1;
}

void
sim_journal_check(struct sim_node *node)
{
	struct sim_journal *j = &node->disk.journal;
	struct journal_at last;
	struct err_buf err;
	int code = look(node, j->file + BLOCK, AREA_SIZE, &j->covered, &last,
	    &err);

	compare(node, code, &err);
	if (!node->world->failed && !node->world->plan.by_hand) {
		probe(node);
	}
}

void
sim_journal_boot(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct sim_journal *j = &node->disk.journal;
	struct journal_identity identity = identity_of(node);
	struct journal_at last;
	struct err_buf err;
	uint32_t deaths = 0;
	bool dies = true;
	int code;

	while (dies) {
		code = journal_check(&io, j, &identity, &shape, &err);
		if (code == ERR_OK) {
			journal_reopen(node);
			code = journal_load(&j->journal);
		}
		if (code == ERR_OK) {
			code = look(node, j->journal.area, AREA_SIZE,
			    &j->covered, &last, &err);
		}
		compare(node, code, &err);
		if (world->failed) {
			return;
		}
		if (j->found_count > 0) {
			sim_cover(world, SIM_COVER_JOURNAL_REPLAYS);
		}
		j->journal.at = last;
		j->journal.end = j->found_end;
		dies = !world->plan.by_hand && j->found_count > 0 &&
		    deaths++ < DEATHS_MAX &&
		    prng_below(&world->prng_journal, 4) == 0;
		if (dies) {
			sim_cover(world, SIM_COVER_CRASH_REPLAY);
		}
		/* Before the transaction (which has the run) or after it. */
		if (!dies || prng_below(&world->prng_journal, 2) == 0) {
			table_commit(node);
		}
	}
	journal_restart(&j->journal);
}

/* ------------------------------------------------------------- the journal */

/* Hard state and entries alone. */
static bool
is_plain(const struct sim_disk *disk, const struct sim_batch *batch)
{
	uint64_t count = disk->log.count;
	size_t i;

	for (i = 0; i < batch->op_count; i++) {
		const struct sim_disk_op *op = &batch->ops[i];

		if (op->has_snapshot || op->cut_first > disk->log.base + 1 ||
		    (op->truncate_from != 0 && op->truncate_from <= count)) {
			return false;
		}
		count += op->entry_count;
	}
	return true;
}

/* False: it is none, or does not fit. */
static bool
stage(struct sim_node *node, const struct sim_batch *batch)
{
	struct journal *journal = &node->disk.journal.journal;
	bool fits = is_plain(&node->disk, batch);
	size_t i, entry = 0, end;

	for (i = 0; i < batch->op_count && fits; i++) {
		const struct sim_disk_op *op = &batch->ops[i];
		struct layout_op_hard_state hard_state = {
			.term = op->hard_state.term,
			.vote = op->hard_state.vote,
		};

		fits = !op->hard_state_changed || journal_stage(journal,
		    LAYOUT_OP_HARD_STATE, &hard_state, sizeof(hard_state),
		    NULL, 0) != 0;
		end = op->entry_first + op->entry_count;
		for (entry = op->entry_first; entry < end && fits; entry++) {
			const struct raft_entry *e = &batch->entries[entry];
			struct entry_op head = {
				.index = e->index, .term = e->term,
				.type = e->type, .size = e->size,
				.checksum = e->checksum,
			};

			fits = journal_stage(journal, LAYOUT_OP_ENTRY, &head,
			    sizeof(head), e->data, e->size) != 0;
		}
	}
	if (!fits) {
		journal_unstage(journal);
	}
	return fits;
}

/* As the process has it before anything is read. */
static void
journal_reopen(struct sim_node *node)
{
	struct sim_journal *j = &node->disk.journal;
	struct journal_identity identity = identity_of(node);

	j->journal.io = &io;
	j->journal.arg = j;
	j->journal.synced = node->world->power;
	j->journal.mapped = !node->world->power;
	j->journal.area = node->world->power ? j->memory : j->file + BLOCK;
	journal_init(&j->journal, &identity, &shape);
	j->journal.limit = node->world->lap_size;
	j->journal.at = j->covered;
}

/* --------------------------------------------------------------- the table */

/* The bytes of the journal go into the open transaction: they are what they
 * were when they were written. */
static void
table_load(struct sim_node *node)
{
	struct sim_journal *j = &node->disk.journal;
	struct journal_at last;
	struct err_buf err;

	journal_unstage(&j->journal);
	compare(node, look(node, j->journal.area, j->journal.end, &j->covered,
	    &last, &err), &err);
}

/* Durable when it returns: what the disk has, and with it the journal. */
static void
table_commit(struct sim_node *node)
{
	struct sim_journal *j = &node->disk.journal;

	sim_log_copy(&j->log, &node->disk.log);
	j->hard_state = node->disk.hard_state;
	if (journal_ends_lap(&j->journal)) {
		j->covered = j->journal.at;
		j->covered.lap++;
	}
}

/* ----------------------------------------------------------------- reading */

struct looking {
	struct sim_journal *j;
	const uint8_t *area;
};

static const char *
look_entry(struct sim_journal *j, const uint8_t *content, uint32_t size)
{
	struct raft_entry entry = { .index = 0 };
	struct entry_op head;

	if (size < sizeof(head)) {
		return "an entry is too short";
	}
	memcpy(&head, content, sizeof(head));
	if (head.size != size - sizeof(head)) {
		return "an entry has another size";
	}
	if (head.index != j->found.count + 1 ||
	    head.term < sim_log_term(&j->found, j->found.count) ||
	    head.term > j->found_hard_state.term) {
		return "an entry does not follow the one before";
	}
	entry.index = head.index;
	entry.term = head.term;
	entry.type = (enum raft_entry_type)head.type;
	entry.size = head.size;
	entry.checksum = head.checksum;
	entry.data = head.size > 0 ? (void *)(uintptr_t)(content +
	    sizeof(head)) : NULL;
	if (raft_entry_checksum(entry.type, entry.data, entry.size) !=
	    entry.checksum) {
		return "an entry does not match its checksum";
	}
	sim_log_append(&j->found, &entry);
	return NULL;
}

static const char *
look_hard_state(struct sim_journal *j, const uint8_t *content, uint32_t size)
{
	struct layout_op_hard_state record;

	if (size != sizeof(record)) {
		return "a hard state of another size";
	}
	memcpy(&record, content, sizeof(record));
	if (record.term < j->found_hard_state.term) {
		return "a term goes back";
	}
	j->found_hard_state.term = record.term;
	j->found_hard_state.vote = record.vote;
	return NULL;
}

static int
look_record(void *arg, size_t offset, size_t end)
{
	struct looking *looking = arg;
	struct sim_journal *j = looking->j;
	struct journal_op op;

	assert(j->found_count < SIM_RECORDS_MAX);
	j->offsets[j->found_count++] = offset - sizeof(struct layout_record);
	while (offset < end && j->why == NULL) {
		if (!journal_next(looking->area, &offset, end, &op)) {
			j->why = "an operation is cut off";
		} else if (op.kind == LAYOUT_OP_ENTRY) {
			j->why = look_entry(j, looking->area + op.offset,
			    op.size);
		} else if (op.kind == LAYOUT_OP_HARD_STATE) {
			j->why = look_hard_state(j, looking->area + op.offset,
			    op.size);
		} else {
			j->why = "an unknown operation";
		}
	}
	return j->why == NULL ? ERR_OK : ERR_CORRUPT;
}

/* What comes on top of the table: found, which points into the area. */
static int
look(struct sim_node *node, const uint8_t *area, size_t size,
    const struct journal_at *at, struct journal_at *last, struct err_buf *err)
{
	struct sim_journal *j = &node->disk.journal;
	struct looking looking = { .j = j, .area = area };
	int code;

	sim_log_reset(&j->found, j->log.count,
	    sim_log_term(&j->log, j->log.count));
	j->found_hard_state = j->hard_state;
	j->found_count = 0;
	j->why = NULL;
	*last = *at;
	err->text[0] = '\0';
	code = journal_scan(area, size, j->journal.seed, last,
	    &j->found_end, look_record, &looking, err);
	return j->why == NULL ? code :
	    err_set(err, ERR_CORRUPT, "record %llu: %s",
	    (unsigned long long)last->sequence + 1, j->why);
}

static bool
same_bytes(const struct raft_entry *a, const struct raft_entry *b)
{
	return sim_entry_equal(a, b) && (a->size == 0 ||
	    memcmp(a->data, b->data, a->size) == 0);
}

/* With what was said to be durable. */
static void
compare(struct sim_node *node, int code, const struct err_buf *err)
{
	struct sim_disk *disk = &node->disk;
	struct sim_journal *j = &disk->journal;
	uint64_t i;

	if (code != ERR_OK) {
		sim_fail(node->world, "journal", 1u << node->id, "node %u "
		    "refuses a journal that was only torn: %s", node->id,
		    err->text);
		return;
	}
	if (j->found.count != disk->log.count ||
	    j->log.base != disk->log.base ||
	    j->found_hard_state.term != disk->hard_state.term ||
	    j->found_hard_state.vote != disk->hard_state.vote) {
		sim_fail(node->world, "journal", 1u << node->id, "node %u "
		    "finds entries up to %llu, term %llu, vote %u; durable "
		    "are %llu, %llu, %u", node->id,
		    (unsigned long long)j->found.count,
		    (unsigned long long)j->found_hard_state.term,
		    j->found_hard_state.vote,
		    (unsigned long long)disk->log.count,
		    (unsigned long long)disk->hard_state.term,
		    disk->hard_state.vote);
		return;
	}
	for (i = disk->log.base; i < disk->log.count; i++) {
		const struct raft_entry *found = i < j->log.count ?
		    &j->log.entries[i] : &j->found.entries[i];

		if (!same_bytes(found, &disk->log.entries[i])) {
			sim_fail(node->world, "journal", 1u << node->id,
			    "node %u finds another entry %llu than was "
			    "written", node->id, (unsigned long long)i + 1);
			return;
		}
	}
}

/* ------------------------------------------------------------------ damage */

/* Some of what differs is as it was before, at least a piece of it. */
static void
tear(struct sim_node *node, const uint8_t *before, size_t begin, size_t end)
{
	struct prng *prng = &node->world->prng_journal;
	uint8_t *area = node->disk.journal.file + BLOCK;
	size_t unit = node->world->power ? SECTOR : WORD, at, count = 0, piece;
	uint64_t kind = prng_below(prng, 3);

	for (at = begin; at < end; at += unit) {
		count += memcmp(area + at, before + at, unit) != 0;
	}
	if (count == 0) {
		return;
	}
	/* It, and: any others; all behind it; all before it. */
	piece = prng_below(prng, count);
	for (at = begin, count = 0; at < end; at += unit) {
		if (memcmp(area + at, before + at, unit) == 0) {
			continue;
		}
		if (count == piece || (kind == 0 ?
		    prng_below(prng, 2) == 0 : kind == 1 ? count > piece :
		    count < piece)) {
			memcpy(area + at, before + at, unit);
		}
		count++;
	}
}

/* A record that is not the last: a bit, all of it, or one that is good by
 * itself, as a failed write of other entries may have left it. */
static void
damage(struct sim_node *node, uint8_t *area)
{
	struct prng *prng = &node->world->prng_journal;
	struct sim_journal *j = &node->disk.journal;
	uint32_t number = (uint32_t)prng_below(prng, j->found_count - 1);
	size_t at = j->offsets[number], size;
	struct layout_record record;
	struct journal_at before;

	memcpy(&record, area + at, sizeof(record));
	size = sizeof(record) + record.size;
	switch (prng_below(prng, 3)) {
	case 0:
		area[at + prng_below(prng, size)] ^=
		    (uint8_t)(1u << prng_below(prng, 8));
		break;
	case 1:
		memset(area + at, 0, size);
		break;
	default:
		/* Another vote, another byte of an entry. */
		area[at + size - 1] ^= 1;
		before.sequence = record.sequence - 1;
		before.lap = record.lap - 1;
		before.chain = record.previous;
		journal_seal(area, at, record.size, record.span,
		    j->journal.seed, &before);
	}
}

static void
must_refuse(struct sim_node *node, int code, const char *what)
{
	if (code != ERR_CORRUPT) {
		sim_fail(node->world, "journal", 1u << node->id,
		    "node %u believes %s", node->id, what);
	}
}

/* In a copy: what can be known to be damaged is told from a torn tail. */
static void
probe(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct sim_journal *j = &node->disk.journal;
	struct journal_identity identity = identity_of(node);
	struct journal_at at = j->covered, last;
	struct err_buf err;

	if (prng_below(&world->prng_journal, 8) == 0) {
		memcpy(j->scratch, j->file, BLOCK);
		memset(j->file, 0, BLOCK);
		must_refuse(node, journal_check(&io, j, &identity, &shape,
		    &err), "a journal without a head");
		memcpy(j->file, j->scratch, BLOCK);
	}
	memcpy(j->scratch, j->file + BLOCK, AREA_SIZE);
	if (j->found_count > 0 && at.lap > 0 &&
	    prng_below(&world->prng_journal, 2) == 0) {
		/* LMDB as it was a lap before. */
		sim_cover(world, SIM_COVER_JOURNAL_OLD_TABLES);
		at.lap--;
		at.sequence -= at.sequence > 0;
		must_refuse(node, look(node, j->scratch, AREA_SIZE, &at, &last,
		    &err),
		    "a table that is older than its journal");
	} else if (j->found_count > 1) {
		sim_cover(world, SIM_COVER_JOURNAL_DAMAGED);
		damage(node, j->scratch);
		must_refuse(node, look(node, j->scratch, AREA_SIZE, &at, &last,
		    &err),
		    "a journal that is damaged in the middle");
	}
}
