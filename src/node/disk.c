/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two batches change places: one fills, one is written.
 *
 * `state` is the only word that loop and thread share while a batch is out:
 *
 *	IDLE --kick (loop, release)--> WRITING --done (thread, release)-->
 *	DONE --poll (loop, acquire)--> IDLE
 */
#include "node/disk.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/err.h"

#define FAULT_LOOK_NS	(10 * CLOCK_NS_PER_MS)	/* while a commit waits */

enum disk_state { DISK_IDLE, DISK_WRITING, DISK_DONE };

struct disk_op {
	uint64_t seq;
	bool hard_state_changed;
	struct raft_hard_state hard_state;
	uint64_t truncate_from;
	uint32_t entry_first;	/* in the batch's entries */
	uint32_t entry_count;
	struct raft_snapshot *snapshot;	/* NULL, or recorded; owned */
	bool install;
	bool drop_log;
};

struct disk_batch {
	struct disk_op *ops;
	size_t op_count;
	size_t op_capacity;
	struct raft_entry *entries;
	size_t entry_count;
	size_t entry_capacity;
	uint64_t pin;
	struct receive *receive;	/* of the op that installs */
	uint64_t first_index;		/* cut the log to begin there */
	bool more;			/* and that takes more steps */
	struct disk_done done;
};

struct disk {
	struct store *store;
	bool threaded;
	struct doorbell bell;
	struct disk_batch batches[2];
	struct disk_batch *filling;
	struct disk_batch *writing;
	uint64_t last_index;	/* the log's end after what was added */
	uint64_t last_term;
	uint64_t busy_since_ns;
	uint64_t first_wanted;
	uint64_t first_now;
	_Atomic int state;
	/* Set by the loop at any time; nothing else depends on them. */
	_Atomic uint64_t fault_delay_ns;
	_Atomic uint32_t fault_fail;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stop;
};

static void	*disk_thread(void *);
static void	disk_write(struct disk *);
static void	batch_expect(struct store *, const struct disk_batch *);
static bool	disk_cut(struct disk *);
static int	disk_make_room(struct disk *);
static int	disk_begin(struct disk *);
static int	disk_commit(struct disk *);
static void	batch_reserve(struct disk_batch *, size_t, size_t);

int
disk_new(struct disk **diskp, struct store *store, bool threaded,
    const struct doorbell *bell, uint64_t last_index, uint64_t last_term)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	if (disk == NULL) {
		return ERR_NOMEM;
	}
	disk->store = store;
	disk->threaded = threaded;
	disk->bell = *bell;
	disk->filling = &disk->batches[0];
	disk->writing = &disk->batches[1];
	disk->last_index = last_index;
	disk->last_term = last_term;
	pthread_mutex_init(&disk->mutex, NULL);
	pthread_cond_init(&disk->changed, NULL);
	if (threaded && pthread_create(&disk->thread, NULL, disk_thread,
	    disk) != 0) {
		free(disk);
		return ERR_NOMEM;
	}
	*diskp = disk;
	return ERR_OK;
}

void
disk_free(struct disk *disk)
{
	if (disk == NULL) {
		return;
	}
	disk_set_fault(disk, 0, SEGMENT_DISK_GOOD);
	if (disk->threaded) {
		pthread_mutex_lock(&disk->mutex);
		disk->stop = true;
		pthread_cond_signal(&disk->changed);
		pthread_mutex_unlock(&disk->mutex);
		pthread_join(disk->thread, NULL);
	}
	for (int i = 0; i < 2; i++) {
		for (size_t k = 0; k < disk->batches[i].op_count; k++) {
			free(disk->batches[i].ops[k].snapshot);
		}
		receive_close(disk->batches[i].receive);
		free(disk->batches[i].ops);
		free(disk->batches[i].entries);
	}
	pthread_cond_destroy(&disk->changed);
	pthread_mutex_destroy(&disk->mutex);
	free(disk);
}

void
disk_add(struct disk *disk, const struct raft_update *update,
    const struct raft_entry *const *entries, uint64_t pin, uint64_t kept_term)
{
	struct disk_batch *batch = disk->filling;
	struct disk_op *op;

	batch_reserve(batch, 1, update->entry_count);
	if (batch->op_count == 0) {
		batch->pin = UINT64_MAX;
	}
	op = &batch->ops[batch->op_count++];
	op->seq = update->persist_seq;
	op->hard_state_changed = update->hard_state_changed;
	op->hard_state = update->hard_state;
	op->truncate_from = update->truncate_from;
	op->entry_first = (uint32_t)batch->entry_count;
	op->entry_count = update->entry_count;
	op->snapshot = NULL;
	op->install = update->install_id != 0;
	op->drop_log = update->drop_log;
	if (update->snapshot != NULL) {
		op->snapshot = malloc(sizeof(*op->snapshot));
		assert(op->snapshot != NULL);
		*op->snapshot = *update->snapshot;
	}
	if (op->drop_log) {
		disk->last_index = update->snapshot->index;
		disk->last_term = update->snapshot->term;
	}
	for (uint32_t i = 0; i < update->entry_count; i++) {
		batch->entries[batch->entry_count++] = *entries[i];
	}
	if (op->truncate_from != 0) {
		disk->last_index = op->truncate_from - 1;
		disk->last_term = kept_term;
	}
	if (op->entry_count > 0) {
		const struct raft_entry *last =
		    entries[op->entry_count - 1];

		disk->last_index = last->index;
		disk->last_term = last->term;
		if (pin < batch->pin) {
			batch->pin = pin;
		}
	}
	batch->done.seq = op->seq;
	batch->done.last_index = disk->last_index;
	batch->done.last_term = disk->last_term;
}

void
disk_add_install(struct disk *disk, struct receive *receive)
{
	assert(disk->filling->receive == NULL);
	disk->filling->receive = receive;
}

void
disk_set_first(struct disk *disk, uint64_t first_index)
{
	if (first_index > disk->first_wanted) {
		disk->first_wanted = first_index;
	}
}

void
disk_kick(struct disk *disk, uint64_t now_ns)
{
	struct disk_batch *batch = disk->filling;

	if ((batch->op_count == 0 &&
	    disk->first_wanted <= disk->first_now) ||
	    atomic_load_explicit(&disk->state, memory_order_relaxed) !=
	    DISK_IDLE) {
		return;
	}
	disk->filling = disk->writing;
	disk->writing = batch;
	disk->busy_since_ns = now_ns;
	batch->first_index = disk->first_wanted;
	if (!disk->threaded) {
		disk_write(disk);
		return;
	}
	pthread_mutex_lock(&disk->mutex);
	/* Pairs with the thread's load: the batch is its now. */
	atomic_store_explicit(&disk->state, DISK_WRITING,
	    memory_order_release);
	pthread_cond_signal(&disk->changed);
	pthread_mutex_unlock(&disk->mutex);
}

bool
disk_poll(struct disk *disk, struct disk_done *done)
{
	/* Pairs with the store in disk_write(): the batch is ours again. */
	if (atomic_load_explicit(&disk->state, memory_order_acquire) !=
	    DISK_DONE) {
		return false;
	}
	*done = disk->writing->done;
	done->persisted = disk->writing->op_count > 0;
	done->installed = NULL;
	disk->busy_since_ns = 0;
	if (done->result == ERR_FULL) {
		/* Nothing of it was written.  It goes out again, and what
		 * gathered meanwhile after it. */
		struct disk_batch *batch = disk->writing;
		struct disk_batch *later = disk->filling;

		batch_reserve(batch, later->op_count, later->entry_count);
		for (size_t i = 0; i < later->op_count; i++) {
			struct disk_op op = later->ops[i];

			op.entry_first += (uint32_t)batch->entry_count;
			batch->ops[batch->op_count++] = op;
		}
		for (size_t i = 0; i < later->entry_count; i++) {
			batch->entries[batch->entry_count++] =
			    later->entries[i];
		}
		if (later->op_count > 0) {
			batch->done = later->done;
			if (later->pin < batch->pin) {
				batch->pin = later->pin;
			}
			if (later->receive != NULL) {
				assert(batch->receive == NULL);
				batch->receive = later->receive;
				later->receive = NULL;
			}
		}
		later->op_count = later->entry_count = 0;
		disk->filling = batch;
		disk->writing = later;
	} else {
		struct disk_batch *batch = disk->writing;

		if (done->result == ERR_OK && !batch->more) {
			disk->first_now = batch->first_index;
		}
		if (done->result == ERR_OK) {
			done->installed = batch->receive;
			batch->receive = NULL;
		}
		for (size_t i = 0; i < batch->op_count; i++) {
			free(batch->ops[i].snapshot);
		}
		batch->op_count = batch->entry_count = 0;
	}
	atomic_store_explicit(&disk->state, DISK_IDLE, memory_order_relaxed);
	return true;
}

void
disk_set_fault(struct disk *disk, uint64_t delay_ns, uint32_t fail)
{
	atomic_store_explicit(&disk->fault_delay_ns, delay_ns,
	    memory_order_relaxed);
	atomic_store_explicit(&disk->fault_fail, fail, memory_order_relaxed);
}

bool
disk_is_done(const struct disk *disk)
{
	return atomic_load_explicit(&disk->state, memory_order_acquire) ==
	    DISK_DONE;
}

uint64_t
disk_busy_since(const struct disk *disk)
{
	return disk->busy_since_ns;
}

uint64_t
disk_pinned(const struct disk *disk)
{
	uint64_t pin = UINT64_MAX;

	if (disk->filling->op_count > 0) {
		pin = disk->filling->pin;
	}
	if (atomic_load_explicit(&disk->state, memory_order_relaxed) !=
	    DISK_IDLE && disk->writing->pin < pin) {
		pin = disk->writing->pin;
	}
	return pin;
}

static void *
disk_thread(void *arg)
{
	struct disk *disk = arg;

	pthread_mutex_lock(&disk->mutex);
	for (;;) {
		/* Pairs with disk_kick(). */
		if (atomic_load_explicit(&disk->state,
		    memory_order_acquire) == DISK_WRITING) {
			pthread_mutex_unlock(&disk->mutex);
			disk_write(disk);
			(void)doorbell_ring(&disk->bell);
			pthread_mutex_lock(&disk->mutex);
			continue;
		}
		if (disk->stop) {
			break;
		}
		pthread_cond_wait(&disk->changed, &disk->mutex);
	}
	pthread_mutex_unlock(&disk->mutex);
	return NULL;
}

static void
disk_write(struct disk *disk)
{
	struct disk_batch *batch = disk->writing;
	int result = disk_begin(disk);

	CRASH_POINT("disk: transaction begun");
	if (result == ERR_OK) {
		batch_expect(disk->store, batch);
		for (size_t i = 0; i < batch->op_count; i++) {
			const struct disk_op *op = &batch->ops[i];

			if (op->hard_state_changed) {
				store_set_hard_state(disk->store,
				    &op->hard_state);
			}
			if (op->truncate_from != 0) {
				store_truncate(disk->store,
				    op->truncate_from);
			}
			if (op->entry_count > 0) {
				store_append(disk->store,
				    &batch->entries[op->entry_first],
				    op->entry_count);
			}
			if (op->install) {
				store_install(disk->store, op->snapshot,
				    batch->receive, op->drop_log);
			} else if (op->snapshot != NULL) {
				store_snapshot(disk->store, op->snapshot);
			}
		}
		batch->more = disk_cut(disk);
		CRASH_POINT("disk: before commit");
		result = disk_commit(disk);
		CRASH_POINT("disk: committed");
	}
	if (result == ERR_OK && !store_cut_is_settled(disk->store)) {
		batch->more = true;
	}
	if (result == ERR_FULL) {
		result = disk_make_room(disk);
	}
	batch->done.result = result;
	/* Pairs with disk_poll(). */
	atomic_store_explicit(&disk->state, DISK_DONE, memory_order_release);
}

/* A large batch is one for LMDB from the beginning. */
static void
batch_expect(struct store *store, const struct disk_batch *batch)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < batch->entry_count; i++) {
		bytes += batch->entries[i].size;
	}
	store_expect(store, batch->entry_count, bytes);
}

/*
 * Cuts the log along with what is a transaction of LMDB's anyway, or when
 * there is nothing else to write: a batch that could be a record of the
 * journal need not wait for it.  True: not done yet.
 */
static bool
disk_cut(struct disk *disk)
{
	struct disk_batch *batch = disk->writing;

	if (batch->op_count > 0 && !store_is_direct(disk->store)) {
		return batch->first_index > disk->first_now;
	}
	return batch->first_index > 1 &&
	    store_cut(disk->store, batch->first_index);
}

/*
 * Entries did not fit, and nothing of the batch was written.  A snapshot of
 * what is durable already, and the cut, need not wait for them: they make
 * the room that the next try finds.
 */
static int
disk_make_room(struct disk *disk)
{
	struct disk_batch *batch = disk->writing;
	int result = store_begin(disk->store);

	if (result != ERR_OK) {
		return result;
	}
	for (size_t i = 0; i < batch->op_count; i++) {
		const struct disk_op *op = &batch->ops[i];

		if (op->install) {
			/* What it cuts is in no snapshot before it. */
			store_abort(disk->store);
			return ERR_FULL;
		}
		if (op->snapshot != NULL) {
			store_snapshot(disk->store, op->snapshot);
		}
	}
	if (batch->first_index > 1) {
		(void)store_cut(disk->store, batch->first_index);
	}
	result = store_commit(disk->store);
	for (size_t i = 0; i < batch->op_count && result == ERR_OK; i++) {
		/* Recorded; a later one may be too. */
		free(batch->ops[i].snapshot);
		batch->ops[i].snapshot = NULL;
	}
	return result == ERR_OK ? ERR_FULL : result;
}

/* Begins the transaction, later or not at all when a fault says so. */
static int
disk_begin(struct disk *disk)
{
	struct disk_batch *batch = disk->writing;
	uint64_t begin_ns, end_ns, delay_ns;
	struct timespec pause;
	uint32_t fail;

	batch->done.fault = false;
	delay_ns = atomic_load_explicit(&disk->fault_delay_ns,
	    memory_order_relaxed);
	if (delay_ns != 0) {
		batch->done.fault = true;
		begin_ns = clock_now_ns();
		for (;;) {
			/* Healed meanwhile, or the node is to end. */
			end_ns = begin_ns + atomic_load_explicit(
			    &disk->fault_delay_ns, memory_order_relaxed);
			delay_ns = clock_now_ns();
			if (delay_ns >= end_ns) {
				break;
			}
			delay_ns = end_ns - delay_ns;
			pause = clock_timespec(delay_ns < FAULT_LOOK_NS ?
			    delay_ns : FAULT_LOOK_NS);
			(void)nanosleep(&pause, NULL);
		}
	}
	fail = atomic_load_explicit(&disk->fault_fail, memory_order_relaxed);
	if (fail == SEGMENT_DISK_APPEND) {
		batch->done.fault = true;
		return store_break(disk->store, false);
	}
	return store_begin(disk->store);
}

/* In process durability a commit syncs nothing: sync.c does. */
static int
disk_commit(struct disk *disk)
{
	if (disk->threaded && atomic_load_explicit(&disk->fault_fail,
	    memory_order_relaxed) == SEGMENT_DISK_SYNC) {
		disk->writing->done.fault = true;
		store_abort(disk->store);
		return store_break(disk->store, true);
	}
	return store_commit(disk->store);
}

/* Memory for more; the node ends when there is none: nothing is lost by
 * that, and nothing else could be done. */
static void
batch_reserve(struct disk_batch *batch, size_t ops, size_t entries)
{
	if (batch->op_count + ops > batch->op_capacity) {
		batch->op_capacity = 2 * (batch->op_count + ops) + 16;
		batch->ops = realloc(batch->ops,
		    batch->op_capacity * sizeof(*batch->ops));
		assert(batch->ops != NULL);
	}
	if (batch->entry_count + entries > batch->entry_capacity) {
		batch->entry_capacity = 2 * (batch->entry_count + entries) +
		    64;
		batch->entries = realloc(batch->entries,
		    batch->entry_capacity * sizeof(*batch->entries));
		assert(batch->entries != NULL);
	}
}
