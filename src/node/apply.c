/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Applying: one job is filled while another is carried out.
 *
 * As in disk.c, `state` is the only word that both sides touch while a job
 * is out: IDLE --kick--> RUNNING --> DONE --poll--> IDLE.
 *
 * Gets alone do not go to the thread: two wake-ups take several times as long
 * as they.  While no job is out the open transaction is the loop's to read;
 * who ends one must be who began it, since LMDB's lock is that thread's, and a
 * job of gets does neither.  What is not in the page cache the loop then waits
 * for, as in process durability.
 */
#include "node/apply.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/options.h"
#include "kv/kv.h"
#include "store/state.h"

/* Pages changed since the last checkpoint that make the next one due. */
#define APPLY_DIRTY_PAGES	16384
#define APPLY_DIRTY_FEW		64	/* with little room */
#define APPLY_EVENTS_FEW	(64u << 10)	/* bytes; with little room */
#define APPLY_PENDING_PAGES	64	/* freed: worth a commit */
#define APPLY_REST_NS		20000000ull	/* not used: no load */
#define APPLY_PREPARE		1024	/* records, with one job */
#define APPLY_EXPECT		6	/* items ahead; and twice that */
#define APPLY_GETS_MAX		256	/* that the loop itself does */

/* Entries from one digest to the next that all nodes note; for tests, that
 * little does: RAFTSUP_DIGEST_ENTRIES. */
#define APPLY_MARK_ENTRIES	4096

enum apply_state { APPLY_IDLE, APPLY_RUNNING, APPLY_DONE };

struct apply_item {
	struct raft_entry entry;	/* type 0: a read */
	uint64_t ref;
	size_t copied_at;		/* of the bytes; SIZE_MAX: borrowed */
	uint64_t place;			/* where its record is expected */
	bool want_answer;
};

struct bytes {
	uint8_t *data;
	size_t size;
	size_t capacity;
};

struct apply_job {
	struct apply_item *items;
	size_t count;
	size_t capacity;
	struct bytes copied;		/* commands */
	struct bytes answers;
	struct apply_result *results;
	size_t result_capacity;
	uint64_t pin;
	size_t get_count;		/* items that are gets */
	bool checkpoint;
	bool little_room;
	struct receive *install;	/* NULL, or put it in place first */
	struct apply_done done;
};

struct apply {
	struct store *store;
	struct state *machine_state;
	struct kv *kv;
	bool lost;			/* the open transaction is spoilt */
	bool threaded;
	bool little_room;		/* the loop's word */
	struct doorbell bell;
	struct apply_job jobs[2];
	struct apply_job *filling;
	struct apply_job *running;
	uint64_t checkpoint_index;
	uint64_t checkpoint_digest;
	uint64_t first_expiry_ns;	/* when it was opened */
	uint64_t used_at_ns;		/* after the last entry or read */
	uint64_t mark_every;		/* entries; digests are noted then */
	struct segment_mark marks[SEGMENT_DIGESTS];
	_Atomic uint64_t dirty;		/* pages since then */
	_Atomic uint64_t free_pages;	/* inside the file */
	_Atomic uint64_t state_size;	/* bytes, as of the last checkpoint */
	_Atomic bool crowded;		/* so are recent records */
	_Atomic bool frees;		/* so does a checkpoint */
	_Atomic int state;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool started;
	bool stop;
	bool stop_checkpoint;
	int open_result;
	struct err_buf *open_err;
};

static int	apply_open(struct apply *);
static int	apply_close(struct apply *, bool);
static void	*apply_thread(void *);
static bool	is_threads(const struct apply *, const struct apply_job *);
static bool	is_get(const void *, uint32_t);
static void	apply_run(struct apply *);
static int	apply_item_run(struct apply *, struct apply_job *,
		    struct apply_item *);
static void	apply_keep_answer(struct apply_job *,
		    const struct apply_item *, const struct kv_answer *);
static int	apply_entry(struct apply *, struct apply_job *,
		    struct apply_item *, const void *);
static int	apply_checkpoint(struct apply *);
static void	apply_expect(struct apply *, struct apply_job *, size_t);
static int	apply_want(struct apply *, struct apply_job *, uint64_t);
static void	apply_mark(struct apply *, struct apply_job *);
static void	apply_measure(struct apply *);
static void	apply_look(struct apply *);
static int	apply_rewind(struct apply *);
static int	apply_switch(struct apply *, struct receive *);
static void	bytes_reserve(struct bytes *, size_t);

int
apply_new(struct apply **applyp, struct store *store, bool threaded,
    const struct doorbell *bell, struct apply_done *first,
    struct err_buf *err)
{
	struct apply *apply = calloc(1, sizeof(*apply));

	if (apply == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	apply->store = store;
	apply->threaded = threaded;
	apply->bell = *bell;
	apply->filling = &apply->jobs[0];
	apply->running = &apply->jobs[1];
	apply->open_err = err;
	apply->mark_every = options_from_environment("RAFTSUP_DIGEST_ENTRIES",
	    APPLY_MARK_ENTRIES);
	pthread_mutex_init(&apply->mutex, NULL);
	pthread_cond_init(&apply->changed, NULL);
	if (!threaded) {
		apply->open_result = apply_open(apply);
	} else if (pthread_create(&apply->thread, NULL, apply_thread,
	    apply) != 0) {
		apply->open_result = err_set(err, ERR_NOMEM,
		    "cannot start a thread");
	} else {
		pthread_mutex_lock(&apply->mutex);
		while (!apply->started) {
			pthread_cond_wait(&apply->changed, &apply->mutex);
		}
		pthread_mutex_unlock(&apply->mutex);
		if (apply->open_result != ERR_OK) {
			pthread_join(apply->thread, NULL);
		}
	}
	if (apply->open_result != ERR_OK) {
		int result = apply->open_result;

		free(apply);
		return result;
	}
	apply->open_err = NULL;
	memset(first, 0, sizeof(*first));
	first->applied_index = kv_position(apply->kv)->applied_index;
	first->checkpoint_index = first->applied_index;
	first->checkpoint_digest = kv_position(apply->kv)->digest;
	first->log_time_ns = kv_position(apply->kv)->log_time_ns;
	first->next_expiry_ns = apply->first_expiry_ns;
	*applyp = apply;
	return ERR_OK;
}

int
apply_free(struct apply *apply, bool checkpoint)
{
	int result;

	if (apply == NULL) {
		return ERR_OK;
	}
	if (apply->threaded) {
		pthread_mutex_lock(&apply->mutex);
		apply->stop = true;
		apply->stop_checkpoint = checkpoint;
		pthread_cond_signal(&apply->changed);
		pthread_mutex_unlock(&apply->mutex);
		pthread_join(apply->thread, NULL);
		result = apply->open_result;
	} else {
		result = apply_close(apply, checkpoint);
	}
	for (int i = 0; i < 2; i++) {
		free(apply->jobs[i].items);
		free(apply->jobs[i].copied.data);
		free(apply->jobs[i].answers.data);
		free(apply->jobs[i].results);
	}
	free(apply);
	return result;
}

bool
apply_is_busy(const struct apply *apply)
{
	return atomic_load_explicit(&apply->state, memory_order_relaxed) !=
	    APPLY_IDLE;
}

bool
apply_is_done(const struct apply *apply)
{
	return atomic_load_explicit(&apply->state, memory_order_acquire) ==
	    APPLY_DONE;
}

bool
apply_has_room(const struct apply *apply)
{
	const struct apply_job *job = apply->filling;

	return job->count < APPLY_JOB_ENTRIES &&
	    job->copied.size < APPLY_JOB_BYTES;
}

void
apply_add_entry(struct apply *apply, const struct raft_entry *entry,
    uint64_t pin, bool want_answer)
{
	struct apply_job *job = apply->filling;
	struct apply_item *item;

	if (job->count == job->capacity) {
		job->capacity = job->capacity == 0 ? 64 : 2 * job->capacity;
		job->items = reallocarray(job->items, job->capacity,
		    sizeof(*job->items));
		assert(job->items != NULL);
	}
	if (job->count == 0) {
		job->pin = UINT64_MAX;
	}
	item = &job->items[job->count++];
	item->entry = *entry;
	item->ref = 0;
	item->place = 0;
	item->want_answer = want_answer;
	item->copied_at = SIZE_MAX;
	if (pin == UINT64_MAX && entry->size > 0) {
		bytes_reserve(&job->copied, entry->size);
		item->copied_at = job->copied.size;
		memcpy(job->copied.data + job->copied.size, entry->data,
		    entry->size);
		job->copied.size += entry->size;
	} else if (pin < job->pin) {
		job->pin = pin;
	}
}

void
apply_add_read(struct apply *apply, uint64_t ref, const void *command,
    uint32_t size)
{
	struct raft_entry entry = { .size = size, .data = command };
	struct apply_item *item;

	apply_add_entry(apply, &entry, UINT64_MAX, true);
	item = &apply->filling->items[apply->filling->count - 1];
	item->ref = ref;
	if (apply->threaded && is_get(command, size)) {
		apply->filling->get_count++;
	}
}

void
apply_want_checkpoint(struct apply *apply)
{
	apply->filling->checkpoint = true;
}

void
apply_save_room(struct apply *apply, bool little_room)
{
	apply->little_room = little_room;
}

bool
apply_frees(const struct apply *apply)
{
	return atomic_load_explicit(&apply->frees, memory_order_relaxed);
}

void
apply_install(struct apply *apply, struct receive *receive)
{
	assert(apply->filling->install == NULL);
	apply->filling->install = receive;
}

void
apply_kick(struct apply *apply)
{
	struct apply_job *job = apply->filling;

	if ((job->count == 0 && !job->checkpoint && job->install == NULL) ||
	    apply_is_busy(apply)) {
		return;
	}
	job->little_room = apply->little_room;
	apply->filling = apply->running;
	apply->running = job;
	if (!is_threads(apply, job)) {
		apply_run(apply);
		return;
	}
	pthread_mutex_lock(&apply->mutex);
	/* Pairs with the load in apply_thread(). */
	atomic_store_explicit(&apply->state, APPLY_RUNNING,
	    memory_order_release);
	pthread_cond_signal(&apply->changed);
	pthread_mutex_unlock(&apply->mutex);
}

bool
apply_poll(struct apply *apply, struct apply_done *done)
{
	struct apply_job *job = apply->running;

	/* Pairs with the store in apply_run(). */
	if (atomic_load_explicit(&apply->state, memory_order_acquire) !=
	    APPLY_DONE) {
		return false;
	}
	*done = job->done;
	job->count = 0;
	job->copied.size = 0;
	job->get_count = 0;
	job->checkpoint = false;
	job->install = NULL;
	atomic_store_explicit(&apply->state, APPLY_IDLE,
	    memory_order_relaxed);
	return true;
}

uint64_t
apply_pinned(const struct apply *apply)
{
	uint64_t pin = UINT64_MAX;

	if (apply->filling->count > 0) {
		pin = apply->filling->pin;
	}
	if (apply_is_busy(apply) && apply->running->count > 0 &&
	    apply->running->pin < pin) {
		pin = apply->running->pin;
	}
	return pin;
}

bool
apply_is_dirty(const struct apply *apply, bool little_room)
{
	return atomic_load_explicit(&apply->dirty, memory_order_relaxed) >=
	    (little_room ? APPLY_DIRTY_FEW : APPLY_DIRTY_PAGES) ||
	    atomic_load_explicit(&apply->crowded, memory_order_relaxed);
}

uint64_t
apply_state_size(const struct apply *apply)
{
	return atomic_load_explicit(&apply->state_size, memory_order_relaxed);
}

enum store_room
apply_room(const struct apply *apply, uint64_t bytes, uint64_t entry_count)
{
	return store_state_room(apply->store,
	    atomic_load_explicit(&apply->dirty, memory_order_relaxed),
	    atomic_load_explicit(&apply->free_pages, memory_order_relaxed),
	    bytes, entry_count);
}

static int
apply_open(struct apply *apply)
{
	int result = state_open(&apply->machine_state, apply->store,
	    apply->open_err);

	if (result != ERR_OK) {
		return result;
	}
	result = kv_new(&apply->kv, state_table(apply->machine_state));
	if (result != ERR_OK) {
		state_close(apply->machine_state);
		return err_set(apply->open_err, result,
		    "the state machine's position cannot be read: %s",
		    err_text(result));
	}
	apply->checkpoint_index = kv_position(apply->kv)->applied_index;
	apply->checkpoint_digest = kv_position(apply->kv)->digest;
	apply->first_expiry_ns = kv_next_expiry_ns(apply->kv);
	apply_measure(apply);
	apply_look(apply);
	return ERR_OK;
}

static int
apply_close(struct apply *apply, bool checkpoint)
{
	int result = checkpoint ? apply_checkpoint(apply) : ERR_OK;

	kv_free(apply->kv);
	state_close(apply->machine_state);
	return result;
}

static void *
apply_thread(void *arg)
{
	struct apply *apply = arg;

	int result;

	/* Before the mutex: it is never held while the store's is taken. */
	result = apply_open(apply);
	pthread_mutex_lock(&apply->mutex);
	apply->open_result = result;
	apply->started = true;
	pthread_cond_signal(&apply->changed);
	if (result != ERR_OK) {
		pthread_mutex_unlock(&apply->mutex);
		return NULL;
	}
	for (;;) {
		/* Pairs with apply_kick(). */
		if (atomic_load_explicit(&apply->state,
		    memory_order_acquire) == APPLY_RUNNING) {
			pthread_mutex_unlock(&apply->mutex);
			apply_run(apply);
			(void)doorbell_ring(&apply->bell);
			pthread_mutex_lock(&apply->mutex);
			continue;
		}
		if (apply->stop) {
			break;
		}
		pthread_cond_wait(&apply->changed, &apply->mutex);
	}
	pthread_mutex_unlock(&apply->mutex);
	apply->open_result = apply_close(apply, apply->stop_checkpoint);
	return NULL;
}

static bool
is_threads(const struct apply *apply, const struct apply_job *job)
{
	return apply->threaded && (job->checkpoint || job->install != NULL ||
	    job->get_count < job->count || job->count > APPLY_GETS_MAX);
}

/* Any other read may look at many records. */
static bool
is_get(const void *data, uint32_t size)
{
	struct kv_command command;

	return kv_command_decode(&command, data, size) == ERR_OK &&
	    command.op == KV_OP_GET;
}

/* Carries a job out. */
static void
apply_run(struct apply *apply)
{
	struct apply_job *job = apply->running;
	struct apply_done *done = &job->done;
	int result = ERR_OK;
	uint64_t waiting;

	job->answers.size = 0;
	memset(done, 0, sizeof(*done));
	if (job->install != NULL) {
		result = apply_switch(apply, job->install);
		done->installed = result == ERR_OK;
	}
	kv_limit_events(apply->kv, job->little_room ? APPLY_EVENTS_FEW : 0);
	waiting = state_waiting(apply->machine_state);
	for (size_t i = 0; i < job->count && result == ERR_OK; i++) {
		apply_expect(apply, job, i);
		result = apply_item_run(apply, job, &job->items[i]);
	}
	if (job->count > 0) {
		apply->used_at_ns = clock_now_ns();
	}
	if (result == ERR_OK && job->checkpoint) {
		result = apply_want(apply, job, waiting);
	}
	if (apply->lost) {
		int worse = apply_rewind(apply);

		done->rewound = true;
		result = worse != ERR_OK ? worse : result;
	}
	/* Offsets become pointers once the buffer no longer moves. */
	for (size_t i = 0; i < done->result_count; i++) {
		job->results[i].answer = job->answers.data +
		    (uintptr_t)job->results[i].answer;
	}
	done->result = result;
	done->results = job->results;
	done->applied_index = kv_applied_index(apply->kv);
	done->log_time_ns = kv_log_time_ns(apply->kv);
	done->next_expiry_ns = kv_next_expiry_ns(apply->kv);
	done->checkpoint_index = apply->checkpoint_index;
	done->checkpoint_digest = apply->checkpoint_digest;
	apply_look(apply);
	/* Pairs with apply_poll(). */
	atomic_store_explicit(&apply->state, APPLY_DONE,
	    memory_order_release);
}

static const void *
apply_item_data(const struct apply_job *job, const struct apply_item *item)
{
	return item->copied_at == SIZE_MAX ? item->entry.data :
	    job->copied.data + item->copied_at;
}

/* What later items of the job will ask for. */
static void
apply_expect(struct apply *apply, struct apply_job *job, size_t i)
{
	struct apply_item *item;

	if (i + 2 * APPLY_EXPECT < job->count) {
		item = &job->items[i + 2 * APPLY_EXPECT];
		item->place = kv_expect(apply->kv, apply_item_data(job, item),
		    item->entry.size);
	}
	if (i + APPLY_EXPECT < job->count) {
		kv_expect_there(apply->kv, job->items[i + APPLY_EXPECT].place);
	}
}

/* What all nodes must agree on. */
static void
apply_mark(struct apply *apply, struct apply_job *job)
{
	const struct kv_position *position = kv_position(apply->kv);
	uint64_t index = position->applied_index;
	struct segment_mark *mark =
	    &apply->marks[index / apply->mark_every % SEGMENT_DIGESTS];

	mark->index = index;
	mark->digest = position->digest;
	job->done.marked = true;
	memcpy(job->done.marks, apply->marks, sizeof(apply->marks));
}

/* What the state takes changes slowly: after each checkpoint. */
static void
apply_measure(struct apply *apply)
{
	atomic_store_explicit(&apply->state_size,
	    state_size(apply->machine_state), memory_order_relaxed);
}

/* For the loop, which asks for room. */
static void
apply_look(struct apply *apply)
{
	atomic_store_explicit(&apply->dirty,
	    state_dirty(apply->machine_state), memory_order_relaxed);
	atomic_store_explicit(&apply->free_pages,
	    state_free(apply->machine_state), memory_order_relaxed);
	atomic_store_explicit(&apply->frees,
	    kv_events_are_many(apply->kv) ||
	    state_pending(apply->machine_state) >= APPLY_PENDING_PAGES,
	    memory_order_relaxed);
	atomic_store_explicit(&apply->crowded,
	    state_is_crowded(apply->machine_state), memory_order_relaxed);
}

static int
apply_item_run(struct apply *apply, struct apply_job *job,
    struct apply_item *item)
{
	const void *data = apply_item_data(job, item);
	struct kv_command command;
	struct kv_answer answer;

	if (item->entry.index != 0) {
		return apply_entry(apply, job, item, data);
	}
	memset(&answer, 0, sizeof(answer));
	answer.status = KV_BAD_COMMAND;
	if (kv_command_decode(&command, data, item->entry.size) == ERR_OK) {
		kv_query(apply->kv, &command, &answer);
	}
	apply_keep_answer(job, item, &answer);
	return ERR_OK;
}

static int
apply_entry(struct apply *apply, struct apply_job *job,
    struct apply_item *item, const void *data)
{
	struct kv_answer answer;
	int result;

	if (item->entry.index <= kv_applied_index(apply->kv)) {
		return ERR_OK;
	}
	/* More does not go into memory: wait for a checkpoint. */
	if (state_is_spent(apply->machine_state)) {
		return ERR_FULL;
	}
	CRASH_POINT("apply: before an entry");
	result = kv_apply(apply->kv, item->entry.index, item->entry.term,
	    item->entry.type == RAFT_ENTRY_COMMAND, data, item->entry.size,
	    &answer);
	CRASH_POINT("apply: after an entry");
	if (result == ERR_OK &&
	    item->entry.index % apply->mark_every == 0) {
		apply_mark(apply, job);
	}
	if (result == ERR_OK && item->want_answer) {
		apply_keep_answer(job, item, &answer);
	} else if (result == ERR_FULL) {
		/* In the middle of it. */
		apply->lost = true;
	}
	return result;
}

static void
apply_keep_answer(struct apply_job *job, const struct apply_item *item,
    const struct kv_answer *answer)
{
	struct apply_result *result;
	int size;

	if (job->done.result_count == job->result_capacity) {
		job->result_capacity = job->result_capacity == 0 ? 64 :
		    2 * job->result_capacity;
		job->results = reallocarray(job->results,
		    job->result_capacity, sizeof(*job->results));
		assert(job->results != NULL);
	}
	bytes_reserve(&job->answers, answer->value.size + 256);
	size = kv_answer_encode(answer, job->answers.data + job->answers.size,
	    job->answers.capacity - job->answers.size);
	if (size < 0) {
		struct kv_answer large = { .status = KV_TOO_LARGE,
		    .op = answer->op, .index = answer->index };

		size = kv_answer_encode(&large,
		    job->answers.data + job->answers.size,
		    job->answers.capacity - job->answers.size);
		assert(size > 0);
	}
	result = &job->results[job->done.result_count++];
	result->is_read = item->entry.index == 0;
	result->index = item->entry.index;
	result->term = item->entry.term;
	result->ref = item->ref;
	result->answer = (const uint8_t *)(uintptr_t)job->answers.size;
	result->size = (uint32_t)size;
	job->answers.size += (size_t)size;
}

static int
apply_checkpoint(struct apply *apply)
{
	uint64_t applied = kv_applied_index(apply->kv);
	bool again;
	int result;

	again = applied == apply->checkpoint_index;
	if (again && !apply_frees(apply)) {
		return ERR_OK;
	}
	CRASH_POINT("checkpoint: begins");
	result = again ? kv_flush_again(apply->kv) : kv_flush(apply->kv);
	if (result == ERR_OK &&
	    state_room(apply->machine_state, 0) == STORE_ROOM_OUT) {
		/* A commit that fails would cost all that is in memory. */
		return ERR_FULL;
	}
	if (result == ERR_OK) {
		CRASH_POINT("checkpoint: before commit");
		result = state_checkpoint(apply->machine_state);
		CRASH_POINT("checkpoint: committed");
	}
	if (result == ERR_OK) {
		apply->checkpoint_index = applied;
		apply->checkpoint_digest = kv_position(apply->kv)->digest;
		apply_measure(apply);
	} else {
		apply->lost = true;
	}
	return result;
}

/*
 * A checkpoint is wanted.  What it has to write would keep the loop for too
 * long: a little of it is written with each job, more than the job has added
 * to what waited before it, however many records an entry changes.
 *
 * A load is followed by one that nothing but time has made due: memory that
 * only a load needs goes then.
 */
static int
apply_want(struct apply *apply, struct apply_job *job, uint64_t before)
{
	bool rests = clock_now_ns() - apply->used_at_ns >= APPLY_REST_NS;
	uint64_t waiting = state_waiting(apply->machine_state);
	bool is_ready;
	int result = state_prepare(apply->machine_state, APPLY_PREPARE +
	    (waiting > before ? 2 * (waiting - before) : 0), &is_ready);

	if (result != ERR_OK) {
		apply->lost = true;
		return result;
	}
	job->done.checkpoint_goes_on = !is_ready;
	if (!is_ready) {
		return ERR_OK;
	}
	result = apply_checkpoint(apply);
	if (result == ERR_OK && rests) {
		kv_rest(apply->kv);
		result = state_rest(apply->machine_state);
		(void)malloc_trim(0);
		job->done.rested = true;
	} else if (result == ERR_FULL) {
		/* All was applied, and stays so in memory. */
		job->done.checkpoint_failed = true;
		result = ERR_OK;
	}
	return result;
}

/* What came before it is forgotten, committed or not. */
static int
apply_switch(struct apply *apply, struct receive *receive)
{
	struct kv *kv;
	int result;


	CRASH_POINT("snapshot: before the switch");
	result = state_switch(apply->machine_state, receive);
	CRASH_POINT("snapshot: state switched");
	receive_close(receive);
	if (result == ERR_OK) {
		result = kv_new(&kv, state_table(apply->machine_state));
	}
	if (result != ERR_OK) {
		return result;
	}
	kv_free(apply->kv);
	apply->kv = kv;
	apply->lost = false;
	apply->checkpoint_index = kv_position(kv)->applied_index;
	apply->checkpoint_digest = kv_position(kv)->digest;
	apply_measure(apply);
	return ERR_OK;
}

/* Back to the last checkpoint. */
static int
apply_rewind(struct apply *apply)
{
	int result = state_abort(apply->machine_state);

	apply->lost = false;
	return result == ERR_OK ? kv_reload(apply->kv) : result;
}

/* Room for size more bytes; no memory ends the node, nothing is lost. */
static void
bytes_reserve(struct bytes *bytes, size_t size)
{
	if (bytes->size + size > bytes->capacity) {
		bytes->capacity = 2 * (bytes->size + size);
		bytes->data = realloc(bytes->data, bytes->capacity);
		assert(bytes->data != NULL);
	}
}
